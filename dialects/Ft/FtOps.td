// The ft dialect: a model and its training step as pure tensor operations.
//
// All shapes are static and, until dist-partition, global. Activations are [tokens, features]. A module holds
// `ft.variable` declarations and one func.func without arguments or results per segment; segments communicate
// through variables alone.
#ifndef FT_OPS_TD
#define FT_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Ft/FtInterfaces.td"

def Ft_Dialect : Dialect {
  let name = "ft";
  let cppNamespace = "::ft::model";
  let summary = "A language model and its training step as pure tensor operations";
}

def Ft_Matrix : 2DTensorOf<[F64, F32, BF16]>;      // [rows, columns]
def Ft_Vector : 1DTensorOf<[F64, F32, BF16]>;
def Ft_Tensor : RankedTensorOf<[F64, F32, BF16]>;
def Ft_Ids : 1DTensorOf<[I32]>;
def Ft_Statistic : RankedTensorOf<[F64, F32]>;
def Ft_Scalars : 1DTensorOf<[F64]>;                // plan.proto, enum Scalar
def Ft_Scalar : TensorOf<[F64]>;                   // tensor<1xf64>
def Ft_Status : TensorOf<[I32]>;                   // tensor<4xi32>, plan.proto Output::STATUS

class Ft_Op<string mnemonic, list<Trait> traits = []> : Op<Ft_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

def Ft_Role : I32EnumAttr<"Role", "what a variable is for", [
  I32EnumAttrCase<"Frozen", 0, "frozen">, I32EnumAttrCase<"Trainable", 1, "trainable">,
  I32EnumAttrCase<"Adapter", 2, "adapter">, I32EnumAttrCase<"Gradient", 3, "gradient">,
  I32EnumAttrCase<"ExpAvg", 4, "exp_avg">, I32EnumAttrCase<"ExpAvgSq", 5, "exp_avg_sq">,
  I32EnumAttrCase<"WorkingCopy", 6, "working_copy">, I32EnumAttrCase<"ConstantTable", 7, "constant_table">,
  I32EnumAttrCase<"RandomKeys", 8, "random_keys">, I32EnumAttrCase<"Input", 9, "input">,
  I32EnumAttrCase<"Output", 10, "output">]> {
  let cppNamespace = "::ft::model";
}

//===-- variables ------------------------------------------------------------------------------------------------===//

def Ft_VariableOp : Ft_Op<"variable", [Symbol]> {
  let summary = "declare a tensor that outlives a segment";
  // key: checkpoint key (Hugging Face, PEFT). of: the parameter that a gradient, moment or copy belongs to.
  // init: {kind = "zeros"|"ones"|"normal"|"uniform"|"rope_cos"|"rope_sin"|"random_keys", scale, ...}.
  // input / output: the plan's BatchInput / Output kind, "TOKENS", "LOSS", ...
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type, Ft_Role:$role,
                       OptionalAttr<StrAttr>:$key, OptionalAttr<FlatSymbolRefAttr>:$of, OptionalAttr<DictionaryAttr>:$init,
                       OptionalAttr<StrAttr>:$io, OptionalAttr<TypeAttr>:$gradient_type,
                       OptionalAttr<StrAttr>:$gguf_key, OptionalAttr<I64Attr>:$gguf_rope_heads);
  let assemblyFormat = "$role $sym_name `:` $type attr-dict";
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::RankedTensorType":$type, "::ft::model::Role":$role)>];
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }
    /// A parameter that training changes.
    bool isTrained() { return getRole() == Role::Trainable || getRole() == Role::Adapter; }
  }];
}

def Ft_ReadOp : Ft_Op<"read", [MemoryEffects<[MemRead]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "read a variable";
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs AnyRankedTensor:$value);
  let assemblyFormat = "$variable attr-dict `:` type($value)";
  let hasVerifier = 0;
}

def Ft_WriteOp : Ft_Op<"write", [MemoryEffects<[MemWrite]>, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "replace a variable's value";
  let arguments = (ins FlatSymbolRefAttr:$variable, AnyRankedTensor:$value);
  let assemblyFormat = "$variable `,` $value attr-dict `:` type($value)";
  let hasVerifier = 0;
}

//===-- row-wise operations --------------------------------------------------------------------------------------===//

def Ft_EmbeddingOp : Ft_Op<"embedding", [Pure]> {
  let summary = "look up one row of a table per token";
  let arguments = (ins Ft_Matrix:$table, Ft_Ids:$ids);           // [V, D], [T]
  let results = (outs Ft_Matrix:$result);                        // [T, D]; converts to the result's element type
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_EmbeddingGradOp : Ft_Op<"embedding_grad", [Pure]> {
  let summary = "sum the rows of a gradient by token id, in fixed order";
  // positions [T] sorted by (id, row, position), starts [S + 1], ids [S]; accumulate [V, D]: absent means zero.
  let arguments = (ins Ft_Matrix:$grad, Ft_Ids:$positions, Ft_Ids:$starts, Ft_Ids:$ids, Optional<Ft_Matrix>:$accumulate);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "$grad `,` $positions `,` $starts `,` $ids (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormOp : Ft_Op<"rms_norm", [Pure]> {
  let summary = "y = x · rsqrt(mean(x²) + eps) · w";
  let arguments = (ins Ft_Matrix:$x, Ft_Vector:$weight, F64Attr:$eps);
  let results = (outs Ft_Matrix:$y, Ft_Statistic:$rstd);         // rstd [T]
  let assemblyFormat = "$x `,` $weight attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormApplyOp : Ft_Op<"rms_norm_apply", [Pure]> {
  let summary = "y = x · rstd · w: the norm again, from what backward keeps";
  let arguments = (ins Ft_Matrix:$x, Ft_Statistic:$rstd, Ft_Vector:$weight);
  let results = (outs Ft_Matrix:$y);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormBwdOp : Ft_Op<"rms_norm_bwd", [Pure]> {
  let summary = "dx of an RMSNorm";
  let arguments = (ins Ft_Matrix:$dy, Ft_Matrix:$x, Ft_Vector:$weight, Ft_Statistic:$rstd);
  let results = (outs Ft_Matrix:$dx);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormWeightGradOp : Ft_Op<"rms_norm_weight_grad", [Pure]> {
  let summary = "dw = sum over rows of dy · x · rstd";
  let arguments = (ins Ft_Matrix:$dy, Ft_Matrix:$x, Ft_Statistic:$rstd, Optional<Ft_Vector>:$accumulate);
  let results = (outs Ft_Vector:$dw);
  let assemblyFormat = "$dy `,` $x `,` $rstd (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_RopeOp : Ft_Op<"rope", [Pure]> {
  let summary = "rotate the halves of each head of q and k by their token's position";
  // q [T, H · head_dim], k [T, Hkv · head_dim], positions [T], cos, sin [S, head_dim / 2]. inverse: the derivative.
  let arguments = (ins Ft_Matrix:$q, Ft_Matrix:$k, Ft_Ids:$positions, Ft_Matrix:$cos, Ft_Matrix:$sin, I64Attr:$head_dim, UnitAttr:$inverse);
  let results = (outs Ft_Matrix:$q_out, Ft_Matrix:$k_out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_SwigluOp : Ft_Op<"swiglu", [Pure]> {
  let summary = "silu(gate) · up";
  let arguments = (ins Ft_Matrix:$gate, Ft_Matrix:$up);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_SwigluBwdOp : Ft_Op<"swiglu_bwd", [Pure]> {
  let summary = "gradients of gate and up";
  let arguments = (ins Ft_Matrix:$grad, Ft_Matrix:$gate, Ft_Matrix:$up);
  let results = (outs Ft_Matrix:$d_gate, Ft_Matrix:$d_up);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_AddOp : Ft_Op<"add", [Pure, Commutative]> {
  let summary = "element-wise sum, rounded once to the result's type";
  let arguments = (ins Ft_Tensor:$lhs, Ft_Tensor:$rhs);
  let results = (outs Ft_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_CastOp : Ft_Op<"cast", [Pure]> {
  let summary = "convert to another float type, round to nearest even";
  let arguments = (ins Ft_Tensor:$x);
  let results = (outs Ft_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($result)";
}

def Ft_DropoutOp : Ft_Op<"dropout", [Pure]> {
  let summary = "zero elements with probability p and scale the rest by 1 / (1 − p); its own derivative";
  // keys: the RANDOM_KEYS table (one i64 per site), site: this mask's index in it.
  let arguments = (ins Ft_Matrix:$x, 1DTensorOf<[I64]>:$keys, Ft_Scalars:$scalars, F64Attr:$p, I64Attr:$site);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_GatherRowOp : Ft_Op<"gather_row", [Pure]> {
  let summary = "one row, chosen at run time";
  let arguments = (ins Ft_Matrix:$x, Ft_Ids:$index);             // [T, D], [1]
  let results = (outs Ft_Matrix:$result);                        // [1, D]
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

//===-- products -------------------------------------------------------------------------------------------------===//

def Ft_LinearOp : Ft_Op<"linear", [Pure, AttrSizedOperandSegments]> {
  let summary = "y_j = alpha · x · W_jᵀ, plus s_i · B_iᵀ for each low-rank pair i with low_rank_of[i] = j";
  // x [T, K]; weights W_j [N_j, K]; low_rank s_i [T, r_i]; low_rank_weights B_i [N_j, r_i].
  // A LoRA adapter is s = linear(x, A) {alpha = scale} and the pair (s, B) here.
  let arguments = (ins Ft_Matrix:$x, Variadic<Ft_Matrix>:$weights, Variadic<Ft_Matrix>:$low_rank,
                       Variadic<Ft_Matrix>:$low_rank_weights, DefaultValuedAttr<F64Attr, "1.0">:$alpha,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$low_rank_of);
  let results = (outs Variadic<Ft_Matrix>:$results);
  let builders = [OpBuilder<(ins "::mlir::TypeRange":$types, "::mlir::Value":$x, "::mlir::ValueRange":$weights)>];
  let assemblyFormat = [{
    $x `,` `[` $weights `]` (`low_rank` `[` $low_rank^ `]` `[` $low_rank_weights `]`)? attr-dict `:` functional-type(operands, results)
  }];
}

def Ft_LinearBwdInputOp : Ft_Op<"linear_bwd_input", [Pure, SameVariadicOperandSize]> {
  let summary = "dx = alpha · sum over j of dy_j · W_j";
  let arguments = (ins Variadic<Ft_Matrix>:$grads, Variadic<Ft_Matrix>:$weights, DefaultValuedAttr<F64Attr, "1.0">:$alpha);
  let results = (outs Ft_Matrix:$dx);
  let assemblyFormat = "`[` $grads `]` `,` `[` $weights `]` attr-dict `:` functional-type(operands, results)";
}

def Ft_LinearBwdWeightOp : Ft_Op<"linear_bwd_weight", [Pure]> {
  let summary = "dW = alpha · dyᵀ · x (+ accumulate)";
  let arguments = (ins Ft_Matrix:$grad, Ft_Matrix:$x, Optional<Ft_Matrix>:$accumulate, DefaultValuedAttr<F64Attr, "1.0">:$alpha);
  let results = (outs Ft_Matrix:$dw);
  let assemblyFormat = "$grad `,` $x (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_AttentionOp : Ft_Op<"attention", [Pure]> {
  let summary = "causal attention inside each document";
  // q [T, heads · head_dim], k, v [T, kv_heads · head_dim]; document_start, offsets, lens: plan.proto BatchInput.
  // lse [T, heads].
  let arguments = (ins Ft_Matrix:$q, Ft_Matrix:$k, Ft_Matrix:$v, Ft_Ids:$document_start, Ft_Ids:$document_offsets, Ft_Ids:$document_lens,
                       I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim, I64Attr:$sequence_len, F64Attr:$scale);
  let results = (outs Ft_Matrix:$o, Ft_Statistic:$lse);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_AttentionBwdOp : Ft_Op<"attention_bwd", [Pure]> {
  let summary = "gradients of q, k and v";
  let arguments = (ins Ft_Matrix:$d_o, Ft_Matrix:$q, Ft_Matrix:$k, Ft_Matrix:$v, Ft_Matrix:$o, Ft_Statistic:$lse,
                       Ft_Ids:$document_start, Ft_Ids:$document_offsets, Ft_Ids:$document_lens,
                       I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim, I64Attr:$sequence_len, F64Attr:$scale);
  let results = (outs Ft_Matrix:$d_q, Ft_Matrix:$d_k, Ft_Matrix:$d_v);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_HeadLossOp : Ft_Op<"head_loss", [Pure]> {
  let summary = "sum over targets of −log softmax(x · Wᵀ)[label] · scalars[INVERSE_TARGETS], chunk by chunk";
  let arguments = (ins Ft_Matrix:$x, Ft_Matrix:$weight, Ft_Ids:$labels, Ft_Scalars:$scalars);
  let results = (outs Ft_Scalar:$loss);                          // tensor<1xf64>
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_HeadLossGradOp : Ft_Op<"head_loss_grad", [Pure]> {
  let summary = "the loss with its gradients of x and, where asked for, of the head's weight (+ accumulate)";
  let arguments = (ins Ft_Matrix:$x, Ft_Matrix:$weight, Ft_Ids:$labels, Ft_Scalars:$scalars, Optional<Ft_Matrix>:$accumulate);
  let results = (outs Ft_Scalar:$loss, Ft_Matrix:$dx, Optional<Ft_Matrix>:$dw);
  let assemblyFormat = "$x `,` $weight `,` $labels `,` $scalars (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

//===-- update ---------------------------------------------------------------------------------------------------===//

def Ft_AddScalarOp : Ft_Op<"add_scalar", [Pure]> {
  let summary = "sum of two scalars: the loss over micro-batches";
  let arguments = (ins Ft_Scalar:$lhs, Ft_Scalar:$rhs);
  let results = (outs Ft_Scalar:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_CheckFiniteOp : Ft_Op<"check_finite", [Pure]> {
  let summary = "set the sticky status if a scalar is not finite";
  // status i32[4]: flag, step, micro-batch, cause. cause: 1 loss, 2 gradient norm. Unchanged once the flag is set.
  let arguments = (ins Ft_Scalar:$value, Ft_Status:$status, Ft_Scalars:$scalars, I32Attr:$cause);
  let results = (outs Ft_Status:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_GradNormOp : Ft_Op<"grad_norm", [Pure]> {
  let summary = "global 2-norm of all gradients, in fixed order";
  let arguments = (ins Variadic<Ft_Tensor>:$grads);
  let results = (outs Ft_Scalar:$norm);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_AdamwOp : Ft_Op<"adamw", [Pure]> {
  let summary = "one AdamW update (PyTorch's); nothing changes once status is set";
  // max_norm 0: no clipping. norm: of grad_norm.
  let arguments = (ins Ft_Tensor:$param, Ft_Tensor:$grad, Ft_Tensor:$exp_avg, Ft_Tensor:$exp_avg_sq, Ft_Scalar:$norm, Ft_Status:$status, Ft_Scalars:$scalars,
                       F64Attr:$beta1, F64Attr:$beta2, F64Attr:$epsilon, F64Attr:$weight_decay, F64Attr:$max_norm);
  let results = (outs Ft_Tensor:$new_param, Ft_Tensor:$new_exp_avg, Ft_Tensor:$new_exp_avg_sq);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_SgdOp : Ft_Op<"sgd", [Pure]> {
  let summary = "one SGD update (PyTorch's); nothing changes once status is set";
  let arguments = (ins Ft_Tensor:$param, Ft_Tensor:$grad, Optional<Ft_Tensor>:$momentum_buffer, Ft_Scalar:$norm, Ft_Status:$status, Ft_Scalars:$scalars,
                       F64Attr:$momentum, F64Attr:$weight_decay, F64Attr:$max_norm);
  let results = (outs Ft_Tensor:$new_param, Optional<Ft_Tensor>:$new_momentum_buffer);
  let assemblyFormat = "$param `,` $grad (`momentum` $momentum_buffer^)? `,` $norm `,` $status `,` $scalars attr-dict `:` functional-type(operands, results)";
}

#endif // FT_OPS_TD
