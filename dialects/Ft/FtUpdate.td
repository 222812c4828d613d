// Scalars, checks and optimizers.
#ifndef FT_UPDATE_TD
#define FT_UPDATE_TD

include "dialects/Ft/FtBase.td"

def Ft_AddScalarOp : Ft_Op<"add_scalar", [Pure]> {
  let summary = "add two scalars";
  let description = [{
    The loss over micro-batches.

    Example:
    ```mlir
    %sum = ft.add_scalar %a, %b : (tensor<1xf64>, tensor<1xf64>) -> tensor<1xf64>
    ```

    - (C1) operands and result have one element.
  }];
  let arguments = (ins Ft_Scalar:$lhs, Ft_Scalar:$rhs);
  let results = (outs Ft_Scalar:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_CheckFiniteOp : Ft_Op<"check_finite", [Pure]> {
  let summary = "set the sticky status if a scalar is not finite";
  let description = [{
    status is (flag, step, micro-batch, cause). Where the flag is 0 and value is not finite, the result is (1,
    scalars[STEP], scalars[MICRO_BATCH], cause); else it is status unchanged. Once set, no update changes anything.

    Example:
    ```mlir
    %after = ft.check_finite %loss, %status, %scalars {cause = 1 : i32} : (tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> tensor<4xi32>
    ```

    - (C1) value has one element.
    - (C2) status and the result have four elements.
    - (C3) cause is 1 (loss) or 2 (gradient norm).
  }];
  let arguments = (ins Ft_Scalar:$value, Ft_Status:$status, Ft_Scalars:$scalars, I32Attr:$cause);
  let results = (outs Ft_Status:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_GradNormOp : Ft_Op<"grad_norm", [Pure]> {
  let summary = "take the 2-norm over all gradients";
  let description = [{
    The square root of the sum of all squares, in fixed order.

    Example:
    ```mlir
    %norm = ft.grad_norm %g0, %g1 : (tensor<12x8xf32>, tensor<8xf32>) -> tensor<1xf64>
    ```

    - (C1) there are one or more gradients.
    - (C2) norm has one element.
  }];
  let arguments = (ins Variadic<Ft_Tensor>:$grads);
  let results = (outs Ft_Scalar:$norm);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_AdjustScaleOp : Ft_Op<"adjust_scale", [Pure]> {
  let summary = "take the loss scale out of a step's norm, and find the next scale";
  let description = [{
    Dynamic loss scaling as PyTorch's GradScaler has it. norm is that of gradients times s = loss_scale[CURRENT_SCALE].

    inverse = 1 / s, true_norm = norm * inverse. Where status[0] is 0 and norm is finite: good = loss_scale[GOOD_STEPS] + 1, and where that is
    interval, the next scale is s * growth (s, where that is not finite in f32) and good is 0; BETA1_POWER and BETA2_POWER
    are multiplied by beta1 and beta2. Where norm is not finite: the next scale is s * backoff, good is 0, SKIPPED_STEPS is
    one more. Else nothing changes.

    update_status is status, and (1, ..) where norm is not finite: the step's update then changes nothing, while the run
    goes on. update_scalars are scalars with 1 - BETA1_POWER and 1 - BETA2_POWER of the next state for BIAS_CORRECTION1 and
    BIAS_CORRECTION2: those of the steps that were taken.

    Example:
    ```mlir
    %next, %n, %i, %st, %sc = ft.adjust_scale %norm, %loss_scale, %status, %scalars {growth = 2.0 : f64, backoff = 0.5 : f64, interval = 2000 : i64, beta1 = 0.9 : f64, beta2 = 0.999 : f64} : (tensor<1xf64>, tensor<5xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<5xf64>, tensor<1xf64>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>)
    ```

    - (C1) norms and inverse have one element, loss scales five, statuses four, update_scalars scalars' type.
    - (C2) growth is above 1, backoff in (0, 1), interval at least 1.
    - (C3) beta1 and beta2 are in [0, 1).
  }];
  let arguments = (ins Ft_Scalar:$norm, Ft_LossScale:$loss_scale, Ft_Status:$status, Ft_Scalars:$scalars,
                       F64Attr:$growth, F64Attr:$backoff, I64Attr:$interval, F64Attr:$beta1, F64Attr:$beta2);
  let results = (outs Ft_LossScale:$next, Ft_Scalar:$true_norm, Ft_Scalar:$inverse, Ft_Status:$update_status,
                      Ft_Scalars:$update_scalars);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_AdamwOp : Ft_Op<"adamw", [Pure, Optimizer, AttrSizedOperandSegments]> {
  let summary = "update a parameter with AdamW";
  let description = [{
    PyTorch's: g = grad * min(1, max_norm / (norm + 1e-6)) (max_norm 0: g = grad); p = param * (1 - lr * weight_decay);
    m = beta1 * exp_avg + (1 - beta1) * g; v = beta2 * exp_avg_sq + (1 - beta2) * g^2;
    p = p - lr * (m / scalars[BIAS_CORRECTION1]) / (sqrt(v / scalars[BIAS_CORRECTION2]) + epsilon), lr =
    scalars[LEARNING_RATE]. Where status[0] is not 0 the results are the operands unchanged.

    With `remainder`, param and it are an f32 parameter (plan.proto, Tensor::REMAINDER), and so are new_param and
    the first of new_rest. With `scales`, moments are codes of 8 bits, and the scales those of exp_avg's and of exp_avg_sq's
    blocks of 256 elements (docs/numerics.md); the last two of new_rest are theirs. With `inverse_scale`, grad is multiplied by that first; norm is then the one without the scale. With
    `rounding`, what is stored as bf16 (moments; param, without remainder) is rounded stochastically, with the Philox key
    of that stream; `rows` is then, in a bucket, the number of its first row (docs/numerics.md).

    Example:
    ```mlir
    %p, %m, %v = ft.adamw %param, %grad, %exp_avg, %exp_avg_sq, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.01 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
    ```

    - (C1) grad has param's shape, new_param its type.
    - (C2) norm has one element, status four.
    - (C3) weight_decay and max_norm are at least 0.
    - (C4) exp_avg has param's shape; exp_avg_sq and both new moments have its type.
    - (C5) beta1 and beta2 are in [0, 1), epsilon is at least 0.
    - (C6) a remainder is of param's shape; param is then bf16.
    - (C7) inverse_scale has one element.
    - (C8) rounding has one element; rows are given only with it.
    - (C9) there are two scales where moments are i8, else none; each has as many elements as the moment has blocks.
    - (C10) new_rest has the types of remainder and scales, in this order.
  }];
  let arguments = (ins Ft_Tensor:$param, Ft_Tensor:$grad, Ft_Moment:$exp_avg, Ft_Moment:$exp_avg_sq, Optional<Ft_Remainder>:$remainder,
                       Variadic<Ft_Scales>:$scales, Ft_Scalar:$norm, Ft_Status:$status, Ft_Scalars:$scalars, Optional<Ft_Scalar>:$inverse_scale,
                       Optional<Ft_Key>:$rounding, Optional<Ft_Rows>:$rows,
                       F64Attr:$beta1, F64Attr:$beta2, F64Attr:$epsilon, F64Attr:$weight_decay, F64Attr:$max_norm);
  let results = (outs Ft_Tensor:$new_param, Ft_Moment:$new_exp_avg, Ft_Moment:$new_exp_avg_sq, Variadic<Ft_Rest>:$new_rest);
  let extraClassDeclaration = [{
    /// The remainder's next value, null where there is none; and the scales'.
    ::mlir::Value getNewRemainder() { return getRemainder() ? getNewRest().front() : ::mlir::Value(); }
    ::mlir::ValueRange getNewScales() { return getNewRest().take_back(getScales().size()); }
    ::llvm::SmallVector<unsigned> getUpdatedOperands() {
      ::llvm::SmallVector<unsigned> updated{0, 2, 3};
      for (unsigned rest = 0; rest < getNewRest().size(); ++rest)
        updated.push_back(4 + rest);
      return updated;
    }
  }];
  let assemblyFormat = [{
    $param `,` $grad `,` $exp_avg `,` $exp_avg_sq (`remainder` $remainder^)? (`scales` `(` $scales^ `)`)? `,` $norm `,` $status `,` $scalars
    (`inverse_scale` $inverse_scale^)? (`rounding` $rounding^)? (`rows` $rows^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Ft_LionOp : Ft_Op<"lion", [Pure, Optimizer, AttrSizedOperandSegments]> {
  let summary = "update a parameter with Lion";
  let description = [{
    Chen et al. 2023, as its authors compute it: g = grad * clip (see adamw); p = param * (1 - lr * weight_decay);
    c = beta1 * exp_avg + (1 - beta1) * g; p = p - lr * sign(c), where sign(0) = 0; exp_avg = beta2 * exp_avg + (1 - beta2) * g.
    Where status[0] is not 0 the results are the operands unchanged. `remainder`, `inverse_scale`, `rounding` and `rows` are as
    adamw's; `scales` those of exp_avg's blocks.

    Example:
    ```mlir
    %p, %m = ft.lion %param, %grad, %exp_avg, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.99 : f64, weight_decay = 0.1 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>)
    ```

    - (C1) grad has param's shape, new_param its type.
    - (C2) norm has one element, status four.
    - (C3) weight_decay and max_norm are at least 0.
    - (C4) exp_avg has param's shape; new_exp_avg has its type.
    - (C5) beta1 and beta2 are in [0, 1).
    - (C6) a remainder is of param's shape; param is then bf16.
    - (C7) inverse_scale has one element.
    - (C8) rounding has one element; rows are given only with it.
    - (C9) there is one of scales where exp_avg is i8, else none; it has as many elements as exp_avg has blocks.
    - (C10) new_rest has the types of remainder and scales, in this order.
  }];
  let arguments = (ins Ft_Tensor:$param, Ft_Tensor:$grad, Ft_Moment:$exp_avg, Optional<Ft_Remainder>:$remainder, Variadic<Ft_Scales>:$scales,
                       Ft_Scalar:$norm, Ft_Status:$status, Ft_Scalars:$scalars, Optional<Ft_Scalar>:$inverse_scale,
                       Optional<Ft_Key>:$rounding, Optional<Ft_Rows>:$rows,
                       F64Attr:$beta1, F64Attr:$beta2, F64Attr:$weight_decay, F64Attr:$max_norm);
  let results = (outs Ft_Tensor:$new_param, Ft_Moment:$new_exp_avg, Variadic<Ft_Rest>:$new_rest);
  let extraClassDeclaration = [{
    /// The remainder's next value, null where there is none; and the scales'.
    ::mlir::Value getNewRemainder() { return getRemainder() ? getNewRest().front() : ::mlir::Value(); }
    ::mlir::ValueRange getNewScales() { return getNewRest().take_back(getScales().size()); }
    ::llvm::SmallVector<unsigned> getUpdatedOperands() {
      ::llvm::SmallVector<unsigned> updated{0, 2};
      for (unsigned rest = 0; rest < getNewRest().size(); ++rest)
        updated.push_back(3 + rest);
      return updated;
    }
  }];
  let assemblyFormat = [{
    $param `,` $grad `,` $exp_avg (`remainder` $remainder^)? (`scales` `(` $scales^ `)`)? `,` $norm `,` $status `,` $scalars
    (`inverse_scale` $inverse_scale^)? (`rounding` $rounding^)? (`rows` $rows^)? attr-dict `:` functional-type(operands, results)
  }];
}

def Ft_SgdOp : Ft_Op<"sgd", [Pure, Optimizer, AttrSizedOperandSegments]> {
  let summary = "update a parameter with SGD";
  let description = [{
    PyTorch's: g = grad * clip (see adamw) + weight_decay * param; with momentum, buffer = momentum * buffer + g and g =
    buffer; param - lr * g. The buffer starts as zeros, which makes the first one g. Where status[0] is not 0 the
    results
    are the operands unchanged. `inverse_scale`, `rounding` and `rows` are as adamw's.

    Example:
    ```mlir
    %p, %buffer1 = ft.sgd %param, %grad momentum %buffer, %norm, %status, %scalars {momentum = 0.9 : f64, weight_decay = 0.0 : f64, max_norm = 0.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>)
    ```

    - (C1) grad has param's shape, new_param its type.
    - (C2) norm has one element, status four.
    - (C3) weight_decay and max_norm are at least 0.
    - (C4) momentum is in [0, 1); the buffer is operand and result exactly where it is above 0, of param's shape and
      one type.
    - (C5) inverse_scale has one element.
    - (C6) rounding has one element; rows are given only with it.
  }];
  let arguments = (ins Ft_Tensor:$param, Ft_Tensor:$grad, Optional<Ft_Tensor>:$momentum_buffer, Ft_Scalar:$norm, Ft_Status:$status, Ft_Scalars:$scalars,
                       Optional<Ft_Scalar>:$inverse_scale, Optional<Ft_Key>:$rounding, Optional<Ft_Rows>:$rows,
                       F64Attr:$momentum, F64Attr:$weight_decay, F64Attr:$max_norm);
  let results = (outs Ft_Tensor:$new_param, Optional<Ft_Tensor>:$new_momentum_buffer);
  let extraClassDeclaration = [{
    ::llvm::SmallVector<unsigned> getUpdatedOperands() {
      return getNewMomentumBuffer() ? ::llvm::SmallVector<unsigned>{0, 2} : ::llvm::SmallVector<unsigned>{0};
    }
  }];
  let assemblyFormat = [{
    $param `,` $grad (`momentum` $momentum_buffer^)? `,` $norm `,` $status `,` $scalars (`inverse_scale` $inverse_scale^)?
    (`rounding` $rounding^)? (`rows` $rows^)? attr-dict `:` functional-type(operands, results)
  }];
}

#endif // FT_UPDATE_TD
