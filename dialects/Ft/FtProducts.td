// Operations around matrix products: libraries compute them, they are never fused into row kernels whole.
#ifndef FT_PRODUCTS_TD
#define FT_PRODUCTS_TD

include "dialects/Ft/FtBase.td"

def Ft_LinearOp : Ft_Op<"linear", [Pure, AttrSizedOperandSegments]> {
  let summary = "multiply by transposed weights that share an input, with low-rank adapters";
  let description = [{
    y_j = alpha * x * W_j^T, plus s_i * B_i^T for each pair i with low_rank_of[i] = j. x [T, K], W_j [N_j, K],
    s_i [T, r_i], B_i [N_j, r_i]. Linears that read one input are one op: one matrix product over the weights' rows. A
    LoRA adapter is s = ft.linear x, [A] {alpha = scale} and the pair (s, B) here; only Planning knows how it is
    laid out.

    Example:
    ```mlir
    %s = ft.linear %x, [%a] {alpha = 2.0 : f64} : (tensor<16x8xf32>, tensor<3x8xf32>) -> tensor<16x3xf32>
    %y:2 = ft.linear %x, [%w0, %w1] low_rank [%s] [%b] {low_rank_of = array<i64: 1>} : (tensor<16x8xf32>, tensor<12x8xf32>, tensor<4x8xf32>, tensor<16x3xf32>, tensor<4x3xf32>) -> (tensor<16x12xf32>, tensor<16x4xf32>)
    ```

    - (C1) there are one or more weights, and as many results.
    - (C2) each weight has x's columns and element type.
    - (C3) result j is [rows of x, rows of W_j].
    - (C4) low_rank, low_rank_weights and low_rank_of are of one length; each low_rank_of names a weight.
    - (C5) s_i is [rows of x, r_i], B_i [rows of its weight, r_i], both of x's element type.
  }];
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
  let summary = "differentiate a group of linears with respect to their input";
  let description = [{
    dx = alpha * the sum over j of grad_j * W_j. Adapters add their own pairs (ds_i, A_i).

    Example:
    ```mlir
    %dx = ft.linear_bwd_input [%dy0, %dy1], [%w0, %w1] : (tensor<16x12xf32>, tensor<16x4xf32>, tensor<12x8xf32>, tensor<4x8xf32>) -> tensor<16x8xf32>
    ```

    - (C1) there are one or more gradients, and as many weights.
    - (C2) gradient j is [rows of dx, rows of W_j].
    - (C3) each weight has dx's columns.
    - (C4) gradients and weights have one element type.
  }];
  let arguments = (ins Variadic<Ft_Matrix>:$grads, Variadic<Ft_Matrix>:$weights, DefaultValuedAttr<F64Attr, "1.0">:$alpha);
  let results = (outs Ft_Matrix:$dx);
  let assemblyFormat = "`[` $grads `]` `,` `[` $weights `]` attr-dict `:` functional-type(operands, results)";
}

def Ft_LinearBwdWeightOp : Ft_Op<"linear_bwd_weight", [Pure, Accumulating]> {
  let summary = "differentiate a linear with respect to a weight";
  let description = [{
    dw = accumulate (0 where absent) + alpha * grad^T * x, summed in f32 (f64 in f64).

    Example:
    ```mlir
    %dw = ft.linear_bwd_weight %dy, %x : (tensor<16x12xbf16>, tensor<16x8xbf16>) -> tensor<12x8xf32>
    ```

    - (C1) grad and x have as many rows and one element type.
    - (C2) dw is [columns of grad, columns of x].
    - (C3) accumulate has dw's type.
  }];
  let arguments = (ins Ft_Matrix:$grad, Ft_Matrix:$x, Optional<Ft_Matrix>:$accumulate, DefaultValuedAttr<F64Attr, "1.0">:$alpha);
  let results = (outs Ft_Matrix:$dw);
  let assemblyFormat = "$grad `,` $x (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_DequantizeOp : Ft_Op<"dequantize", [Pure, AttrSizedOperandSegments]> {
  let summary = "make the numbers of quantised weights for one product, with adapters around them";
  let description = [{
    Results are the operands, in their order: the weights out of their codes, the others as they are. They lie as one
    matrix, all of which one product reads: the weights below each other; `below` behind them, of the same columns; and
    `beside`, each of which shares the rows of a weight, in further columns behind these, zeros around them. Created by
    Planning before each product, so that numbers live as short as that needs.

    Example:
    ```mlir
    %m:3 = ft.dequantize [%q, %v] below [] beside [%b] {beside_of = array<i64: 1>} : (tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<32x8xbf16>) -> (tensor<64x64xbf16>, tensor<32x64xbf16>, tensor<32x8xbf16>)
    ```

    - (C1) there are one or more weights; all operands have one element type, and results their types.
    - (C2) weights and `below` have as many columns.
    - (C3) beside_of names a weight of as many rows for each of `beside`.
  }];
  let arguments = (ins Variadic<Ft_Matrix>:$weights, Variadic<Ft_Matrix>:$below, Variadic<Ft_Matrix>:$beside,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$beside_of);
  let results = (outs Variadic<Ft_Matrix>:$results);
  let assemblyFormat = [{
    `[` $weights `]` `below` `[` $below `]` `beside` `[` $beside `]` attr-dict `:` functional-type(operands, results)
  }];
}

def Ft_StoredOp : Ft_Op<"stored", [Pure]> {
  let summary = "take the codes and scales of a weight in FP8 as memory holds them";
  let description = [{
    w [N, K] = codes * scales: element (n, k) is codes[n, k] * scales[n]. Created by Fusion for products that multiply
    codes; Planning removes it: both are parts of the variable's buffer.

    Example:
    ```mlir
    %codes, %scales = ft.stored %w : (tensor<12x8xbf16>) -> (tensor<12x8xf8E4M3FN>, tensor<12xf32>)
    ```

    - (C1) codes has w's shape.
    - (C2) scales has one element per row of w.
  }];
  let arguments = (ins Ft_Matrix:$w);
  let results = (outs Ft_Codes:$codes, Ft_Scales:$scales);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_TransposeOp : Ft_Op<"transpose", [Pure]> {
  let summary = "transpose codes that lie below each other";
  let description = [{
    Column n of the result is row n of the weights, one below the other. FP8 products read both operands along the
    contraction, and so the derivative's needs other columns side by side than the linear's.

    Example:
    ```mlir
    %t = ft.transpose %q, %k : (tensor<12x8xf8E4M3FN>, tensor<4x8xf8E4M3FN>) -> tensor<8x16xf8E4M3FN>
    ```

    - (C1) there are one or more weights, of one number of columns.
    - (C2) the result is [columns of the weights, rows of all weights].
  }];
  let arguments = (ins Variadic<Ft_Codes>:$weights);
  let results = (outs Ft_Codes:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_ScaledLinearOp : Ft_Op<"scaled_linear", [Pure, AttrSizedOperandSegments]> {
  let summary = "multiply codes by transposed weights in codes, with low-rank adapters";
  let description = [{
    ft.linear on codes: y_j[t, n] = x_scale[t] * weight_scales_j[n] * the sum over k of x[t, k] * W_j[n, k], summed in
    f32 and rounded once; plus s_i * B_i^T for each pair i with low_rank_of[i] = j. x [T, K], W_j [N_j, K].

    Example:
    ```mlir
    %y:2 = ft.scaled_linear %x, %scale, [%w0, %w1], [%s0, %s1] low_rank [%s] [%b] {low_rank_of = array<i64: 1>} : (tensor<16x8xf8E4M3FN>, tensor<16xf32>, tensor<12x8xf8E4M3FN>, tensor<4x8xf8E4M3FN>, tensor<12xf32>, tensor<4xf32>, tensor<16x3xf32>, tensor<4x3xf32>) -> (tensor<16x12xf32>, tensor<16x4xf32>)
    ```

    - (C1) there are one or more weights, and as many scales of weights and results.
    - (C2) each weight has x's columns and one scale per row; x has one scale per row.
    - (C3) result j is [rows of x, rows of W_j]; results have one element type.
    - (C4) low_rank, low_rank_weights and low_rank_of are of one length; each low_rank_of names a weight.
    - (C5) s_i is [rows of x, r_i], B_i [rows of its weight, r_i], both of the results' element type.
  }];
  let arguments = (ins Ft_Codes:$x, Ft_Scales:$x_scale, Variadic<Ft_Codes>:$weights, Variadic<Ft_Scales>:$weight_scales,
                       Variadic<Ft_Matrix>:$low_rank, Variadic<Ft_Matrix>:$low_rank_weights,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$low_rank_of);
  let results = (outs Variadic<Ft_Matrix>:$results);
  let assemblyFormat = [{
    $x `,` $x_scale `,` `[` $weights `]` `,` `[` $weight_scales `]` (`low_rank` `[` $low_rank^ `]` `[` $low_rank_weights `]`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def Ft_ScaledLinearBwdInputOp : Ft_Op<"scaled_linear_bwd_input", [Pure, AttrSizedOperandSegments]> {
  let summary = "differentiate a group of linears on codes with respect to their input";
  let description = [{
    ft.linear_bwd_input on codes: dx[t, k] = grad_scale[t] * weight_scale[k] * the sum over all n of grads[t, n] *
    weights[k, n], where grads lie side by side, and the weights' own scales are folded into them (ft.quantize_rows);
    plus ds_i * A_i for each pair of `low_rank`. weight_scale is ones: products on codes take two vectors of scales.

    Example:
    ```mlir
    %dx = ft.scaled_linear_bwd_input [%dy0, %dy1], %scale, %w, %ones low_rank [%ds] [%a] : (tensor<16x12xf8E4M3FN>, tensor<16x4xf8E4M3FN>, tensor<16xf32>, tensor<8x16xf8E4M3FN>, tensor<8xf32>, tensor<16x3xf32>, tensor<3x8xf32>) -> tensor<16x8xf32>
    ```

    - (C1) there are one or more gradients, each with dx's rows, with one scale per row; together they have as many
      columns as weights.
    - (C2) weights has one row per column of dx, and weight_scale one element.
    - (C3) low_rank and low_rank_weights are of one length.
    - (C4) ds_i is [rows of dx, r_i], A_i [r_i, columns of dx], both of dx's element type.
  }];
  let arguments = (ins Variadic<Ft_Codes>:$grads, Ft_Scales:$grad_scale, Ft_Codes:$weights, Ft_Scales:$weight_scale,
                       Variadic<Ft_Matrix>:$low_rank, Variadic<Ft_Matrix>:$low_rank_weights);
  let results = (outs Ft_Matrix:$dx);
  let assemblyFormat = [{
    `[` $grads `]` `,` $grad_scale `,` $weights `,` $weight_scale (`low_rank` `[` $low_rank^ `]` `[` $low_rank_weights `]`)?
    attr-dict `:` functional-type(operands, results)
  }];
}

def Ft_AttentionOp : Ft_Op<"attention", [Pure]> {
  let summary = "attend causally inside each document";
  let description = [{
    Token t attends to tokens u <= t of its own document, of which `window` leaves the last: t - window < u. o =
    softmax(scale * q * k^T) * v for each head; head h reads the k and v of head h / (heads / kv_heads). lse[t, h] is the logarithm of the sum of exponentials of the scaled scores.
    Rows of the batch are sequence_len tokens; document_start[t] is the index inside the row of the first token of t's
    document; document_offsets and document_lens say the same for libraries (plan.proto, BatchInput).

    Example:
    ```mlir
    %o, %lse = ft.attention %q, %k, %v, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
    ```

    - (C1) heads is a positive multiple of kv_heads.
    - (C2) sequence_len divides the tokens.
    - (C3) q and o are [tokens, heads * head_dim], k and v [tokens, kv_heads * head_dim], all of one element type.
    - (C4) lse is [tokens, heads].
    - (C5) document_start has one element per token, document_offsets one more than document_lens.
    - (C6) scale is above 0.
    - (C7) window is at least 1.
  }];
  let arguments = (ins Ft_Matrix:$q, Ft_Matrix:$k, Ft_Matrix:$v, Ft_Ids:$document_start, Ft_Ids:$document_offsets, Ft_Ids:$document_lens,
                       I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim, I64Attr:$sequence_len, F64Attr:$scale,
                       OptionalAttr<I64Attr>:$window);
  let results = (outs Ft_Matrix:$o, Ft_Statistic:$lse);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_AttentionBwdOp : Ft_Op<"attention_bwd", [Pure]> {
  let summary = "differentiate attention";
  let description = [{
    Gradients of q, k and v from that of o, with the forward op's operands and results.

    Example:
    ```mlir
    %d_q, %d_k, %d_v = ft.attention_bwd %d_o, %q, %k, %v, %o, %lse, %start, %offsets, %lens {heads = 2 : i64, kv_heads = 1 : i64, head_dim = 4 : i64, sequence_len = 8 : i64, scale = 0.5 : f64} : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>, tensor<16x8xf32>, tensor<16x2xf32>, tensor<16xi32>, tensor<5xi32>, tensor<4xi32>) -> (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16x4xf32>)
    ```

    - (C1) heads is a positive multiple of kv_heads.
    - (C2) sequence_len divides the tokens.
    - (C3) q and o are [tokens, heads * head_dim], k and v [tokens, kv_heads * head_dim], all of one element type.
    - (C4) lse is [tokens, heads].
    - (C5) document_start has one element per token, document_offsets one more than document_lens.
    - (C6) scale is above 0.
    - (C7) window is at least 1.
    - (C8) d_o has o's type, d_q q's, d_k k's and d_v v's.
  }];
  let arguments = (ins Ft_Matrix:$d_o, Ft_Matrix:$q, Ft_Matrix:$k, Ft_Matrix:$v, Ft_Matrix:$o, Ft_Statistic:$lse,
                       Ft_Ids:$document_start, Ft_Ids:$document_offsets, Ft_Ids:$document_lens,
                       I64Attr:$heads, I64Attr:$kv_heads, I64Attr:$head_dim, I64Attr:$sequence_len, F64Attr:$scale,
                       OptionalAttr<I64Attr>:$window);
  let results = (outs Ft_Matrix:$d_q, Ft_Matrix:$d_k, Ft_Matrix:$d_v);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_HeadLossOp : Ft_Op<"head_loss", [Pure]> {
  let summary = "project to logits and take the cross-entropy, chunk by chunk";
  let description = [{
    loss = scalars[INVERSE_TARGETS] * the sum over tokens t with labels[t] >= 0 of -log softmax(x * W^T)[t,
    labels[t]], in
    f64. labels[t] is what position t must predict, -100 where there is nothing. Logits of a chunk of tokens are rounded
    to x's element type; all of them never exist at once. Differentiation replaces it; it stays in @evaluate.

    Example:
    ```mlir
    %loss = ft.head_loss %x, %weight, %labels, %scalars : (tensor<16x8xf32>, tensor<32x8xf32>, tensor<16xi32>, tensor<8xf64>) -> tensor<1xf64>
    ```

    - (C1) weight is [vocabulary, columns of x], of x's element type.
    - (C2) labels has one element per row of x.
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Matrix:$weight, Ft_Ids:$labels, Ft_Scalars:$scalars);
  let results = (outs Ft_Scalar:$loss);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_HeadLossGradOp : Ft_Op<"head_loss_grad", [Pure, Accumulating, AttrSizedOperandSegments]> {
  let summary = "take the loss with its gradients";
  let description = [{
    The loss of head_loss, dx = dlogits * W and, where it is a result, dw = accumulate (0 where absent) + dlogits^T
    * x, with
    dlogits = scalars[INVERSE_TARGETS] * (softmax - one-hot) on rows with a target, 0 elsewhere; times
    loss_scale[CURRENT_SCALE], where that is given.

    Example:
    ```mlir
    %loss, %dx, %dw = ft.head_loss_grad %x, %weight, %labels, %scalars : (tensor<16x8xf32>, tensor<32x8xf32>, tensor<16xi32>, tensor<8xf64>) -> (tensor<1xf64>, tensor<16x8xf32>, tensor<32x8xf32>)
    ```

    - (C1) weight is [vocabulary, columns of x], of x's element type.
    - (C2) labels has one element per row of x.
    - (C3) dx has x's type.
    - (C4) dw has weight's shape.
    - (C5) accumulate is given only with dw, and has its type.
    - (C6) loss_scale has five elements.
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Matrix:$weight, Ft_Ids:$labels, Ft_Scalars:$scalars,
                       Optional<Ft_LossScale>:$loss_scale, Optional<Ft_Matrix>:$accumulate);
  let results = (outs Ft_Scalar:$loss, Ft_Matrix:$dx, Optional<Ft_Matrix>:$dw);
  let assemblyFormat = [{
    $x `,` $weight `,` $labels `,` $scalars (`loss_scale` $loss_scale^)? (`accumulate` $accumulate^)? attr-dict `:`
    functional-type(operands, results)
  }];
}

#endif // FT_PRODUCTS_TD
