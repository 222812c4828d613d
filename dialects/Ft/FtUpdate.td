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

def Ft_AdamwOp : Ft_Op<"adamw", [Pure, Optimizer]> {
  let summary = "update a parameter with AdamW";
  let description = [{
    PyTorch's: g = grad * min(1, max_norm / (norm + 1e-6)) (max_norm 0: g = grad); p = param * (1 - lr * weight_decay);
    m = beta1 * exp_avg + (1 - beta1) * g; v = beta2 * exp_avg_sq + (1 - beta2) * g^2;
    p = p - lr * (m / scalars[BIAS_CORRECTION1]) / (sqrt(v / scalars[BIAS_CORRECTION2]) + epsilon), lr =
    scalars[LEARNING_RATE]. Where status[0] is not 0 the results are the operands unchanged.

    Example:
    ```mlir
    %p, %m, %v = ft.adamw %param, %grad, %exp_avg, %exp_avg_sq, %norm, %status, %scalars {beta1 = 0.9 : f64, beta2 = 0.999 : f64, epsilon = 1.0e-8 : f64, weight_decay = 0.01 : f64, max_norm = 1.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>)
    ```

    - (C1) grad has param's shape, new_param its type.
    - (C2) norm has one element, status four.
    - (C3) weight_decay and max_norm are at least 0.
    - (C4) exp_avg has param's shape; exp_avg_sq and both new moments have its type.
    - (C5) beta1 and beta2 are in [0, 1), epsilon is at least 0.
  }];
  let arguments = (ins Ft_Tensor:$param, Ft_Tensor:$grad, Ft_Tensor:$exp_avg, Ft_Tensor:$exp_avg_sq, Ft_Scalar:$norm, Ft_Status:$status, Ft_Scalars:$scalars,
                       F64Attr:$beta1, F64Attr:$beta2, F64Attr:$epsilon, F64Attr:$weight_decay, F64Attr:$max_norm);
  let results = (outs Ft_Tensor:$new_param, Ft_Tensor:$new_exp_avg, Ft_Tensor:$new_exp_avg_sq);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_SgdOp : Ft_Op<"sgd", [Pure, Optimizer]> {
  let summary = "update a parameter with SGD";
  let description = [{
    PyTorch's: g = grad * clip (see adamw) + weight_decay * param; with momentum, buffer = momentum * buffer + g and g =
    buffer; param - lr * g. The buffer starts as zeros, which makes the first one g. Where status[0] is not 0 the
    results
    are the operands unchanged.

    Example:
    ```mlir
    %p, %buffer1 = ft.sgd %param, %grad momentum %buffer, %norm, %status, %scalars {momentum = 0.9 : f64, weight_decay = 0.0 : f64, max_norm = 0.0 : f64} : (tensor<8xf32>, tensor<8xf32>, tensor<8xf32>, tensor<1xf64>, tensor<4xi32>, tensor<8xf64>) -> (tensor<8xf32>, tensor<8xf32>)
    ```

    - (C1) grad has param's shape, new_param its type.
    - (C2) norm has one element, status four.
    - (C3) weight_decay and max_norm are at least 0.
    - (C4) momentum is in [0, 1); the buffer is operand and result exactly where it is above 0, of param's shape and
      one type.
  }];
  let arguments = (ins Ft_Tensor:$param, Ft_Tensor:$grad, Optional<Ft_Tensor>:$momentum_buffer, Ft_Scalar:$norm, Ft_Status:$status, Ft_Scalars:$scalars,
                       F64Attr:$momentum, F64Attr:$weight_decay, F64Attr:$max_norm);
  let results = (outs Ft_Tensor:$new_param, Optional<Ft_Tensor>:$new_momentum_buffer);
  let assemblyFormat = "$param `,` $grad (`momentum` $momentum_buffer^)? `,` $norm `,` $status `,` $scalars attr-dict `:` functional-type(operands, results)";
}

#endif // FT_UPDATE_TD
