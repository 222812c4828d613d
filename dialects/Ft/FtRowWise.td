// Operations that compute each row on its own: one pass over memory, fused with their neighbours.
#ifndef FT_ROW_WISE_TD
#define FT_ROW_WISE_TD

include "dialects/Ft/FtBase.td"

def Ft_EmbeddingOp : Ft_Op<"embedding", [Pure]> {
  let summary = "look up one row of a table per token";
  let description = [{
    Row t of the result is row ids[t] of the table [V, D], converted to the result's element type. ids in [0, V).

    Example:
    ```mlir
    %x = ft.embedding %table, %ids : (tensor<32x8xf32>, tensor<16xi32>) -> tensor<16x8xf32>
    ```

    - (C1) the result is [length of ids, columns of table].
  }];
  let arguments = (ins Ft_Matrix:$table, Ft_Ids:$ids);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_EmbeddingGradOp : Ft_Op<"embedding_grad", [Pure, Accumulating]> {
  let summary = "sum the rows of a gradient by token id, in fixed order";
  let description = [{
    result[v] = accumulate[v] (0 where absent) + the sum over positions t with id v of grad[t], in the order of
    `positions`. The host sorts the tokens' indices by (id, row, position) into `positions` [T]; segment s is
    positions[starts[s] .. starts[s + 1]) and belongs to ids[s]; segments behind the last have no positions. No atomics:
    the same bits every time. Every row of the result is written.

    Example:
    ```mlir
    %dw = ft.embedding_grad %grad, %positions, %starts, %ids : (tensor<16x8xf32>, tensor<16xi32>, tensor<13xi32>, tensor<12xi32>) -> tensor<32x8xf32>
    ```

    - (C1) positions has one element per row of grad.
    - (C2) starts has one element more than ids.
    - (C3) the result has grad's columns.
    - (C4) accumulate has the result's type.
  }];
  let arguments = (ins Ft_Matrix:$grad, Ft_Ids:$positions, Ft_Ids:$starts, Ft_Ids:$ids, Optional<Ft_Matrix>:$accumulate);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "$grad `,` $positions `,` $starts `,` $ids (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormOp : Ft_Op<"rms_norm", [Pure]> {
  let summary = "normalise rows, or each head of them, by their root mean square";
  let description = [{
    weight has G elements, and each run of G columns of a row is normalised on its own: the whole row, or one head.
    rstd = 1 / sqrt(sum over the run of x^2 / features + eps); y = x * rstd * (offset + weight), rounded once, to y's
    element type. `features` is G where it is absent; it is less where the run has lanes of padding, which are zero.
    Backward keeps x and rstd, not y.

    Example:
    ```mlir
    %y, %rstd = ft.rms_norm %x, %weight {eps = 1.0e-5 : f64} : (tensor<16x8xf32>, tensor<8xf32>) -> (tensor<16x8xf32>, tensor<16xf32>)
    %z, %of_heads = ft.rms_norm %x, %w {eps = 1.0e-6 : f64, features = 3 : i64, offset = 1.0 : f64} : (tensor<16x8xf32>, tensor<4xf32>) -> (tensor<16x8xf32>, tensor<16x2xf32>)
    ```

    - (C1) y has x's shape.
    - (C2) the length of weight, G, divides the columns of x.
    - (C3) rstd is [rows of x] where G is the columns of x, else [rows of x, columns of x / G].
    - (C4) eps is at least 0.
    - (C5) features is in [1, G].
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Vector:$weight, F64Attr:$eps, DefaultValuedAttr<F64Attr, "0.0">:$offset,
                       OptionalAttr<I64Attr>:$features);
  let results = (outs Ft_Matrix:$y, Ft_Statistic:$rstd);
  let assemblyFormat = "$x `,` $weight attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormApplyOp : Ft_Op<"rms_norm_apply", [Pure]> {
  let summary = "normalise rows again, from what backward keeps";
  let description = [{
    y = x * rstd * (offset + weight): the bits that rms_norm gave. Created by differentiation before a product that
    reads y.

    Example:
    ```mlir
    %y = ft.rms_norm_apply %x, %rstd, %weight : (tensor<16x8xf32>, tensor<16xf32>, tensor<8xf32>) -> tensor<16x8xf32>
    ```

    - (C1) y has x's shape.
    - (C2) the length of weight, G, divides the columns of x.
    - (C3) rstd is [rows of x] where G is the columns of x, else [rows of x, columns of x / G].
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Statistic:$rstd, Ft_Vector:$weight, DefaultValuedAttr<F64Attr, "0.0">:$offset);
  let results = (outs Ft_Matrix:$y);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormBwdOp : Ft_Op<"rms_norm_bwd", [Pure]> {
  let summary = "differentiate rms_norm with respect to x";
  let description = [{
    With w = offset + weight, for each run of G columns: dx = rstd * (dy * w) - x * rstd^3 * the sum over the run of
    (dy * w * x) / features.

    Example:
    ```mlir
    %dx = ft.rms_norm_bwd %dy, %x, %weight, %rstd : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<8xf32>, tensor<16xf32>) -> tensor<16x8xf32>
    ```

    - (C1) dx has x's type, dy its shape.
    - (C2) the length of weight, G, divides the columns of x.
    - (C3) rstd is [rows of x] where G is the columns of x, else [rows of x, columns of x / G].
    - (C4) features is in [1, G].
  }];
  let arguments = (ins Ft_Matrix:$dy, Ft_Matrix:$x, Ft_Vector:$weight, Ft_Statistic:$rstd,
                       DefaultValuedAttr<F64Attr, "0.0">:$offset, OptionalAttr<I64Attr>:$features);
  let results = (outs Ft_Matrix:$dx);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_RmsNormWeightGradOp : Ft_Op<"rms_norm_weight_grad", [Pure, Accumulating]> {
  let summary = "differentiate rms_norm with respect to its weight";
  let description = [{
    dw = accumulate (0 where absent) + the sum over rows, and over the runs of G columns in each, of dy * x * rstd, in
    fixed order.

    Example:
    ```mlir
    %dw = ft.rms_norm_weight_grad %dy, %x, %rstd accumulate %sum : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16xf32>, tensor<8xf32>) -> tensor<8xf32>
    ```

    - (C1) dy has x's shape.
    - (C2) the length of dw, G, divides the columns of x.
    - (C3) rstd is [rows of x] where G is the columns of x, else [rows of x, columns of x / G].
    - (C4) accumulate has dw's type.
  }];
  let arguments = (ins Ft_Matrix:$dy, Ft_Matrix:$x, Ft_Statistic:$rstd, Optional<Ft_Vector>:$accumulate);
  let results = (outs Ft_Vector:$dw);
  let assemblyFormat = "$dy `,` $x `,` $rstd (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_AddBiasOp : Ft_Op<"add_bias", [Pure]> {
  let summary = "add a vector to every row";
  let description = [{
    result[t] = x[t] + bias, rounded once. The bias of a linear, whose product is a library's.

    Example:
    ```mlir
    %y = ft.add_bias %x, %bias : (tensor<16x8xf32>, tensor<8xf32>) -> tensor<16x8xf32>
    ```

    - (C1) the result has x's type.
    - (C2) bias is [columns of x].
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Vector:$bias);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_BiasGradOp : Ft_Op<"bias_grad", [Pure, Accumulating]> {
  let summary = "differentiate add_bias with respect to the bias";
  let description = [{
    result = accumulate (0 where absent) + the sum over rows of grad, in fixed order.

    Example:
    ```mlir
    %db = ft.bias_grad %grad accumulate %sum : (tensor<16x8xf32>, tensor<8xf32>) -> tensor<8xf32>
    ```

    - (C1) the result is [columns of grad].
    - (C2) accumulate has the result's type.
  }];
  let arguments = (ins Ft_Matrix:$grad, Optional<Ft_Vector>:$accumulate);
  let results = (outs Ft_Vector:$result);
  let assemblyFormat = "$grad (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_RopeOp : Ft_Op<"rope", [Pure]> {
  let summary = "rotate the halves of each head of q and k by their token's position";
  let description = [{
    Of each head of head_dim columns, with h = head_dim / 2, p = positions[t]: out[i] = x[i] * cos[p, i] - x[i + h] *
    sin[p, i]; out[i + h] = x[i + h] * cos[p, i] + x[i] * sin[p, i]. `inverse` turns the sign of sin, which is the
    derivative. q [T, heads * head_dim] and k [T, kv_heads * head_dim] share one kernel.

    Example:
    ```mlir
    %q_out, %k_out = ft.rope %q, %k, %positions, %cos, %sin {head_dim = 4 : i64} : (tensor<16x8xf32>, tensor<16x4xf32>, tensor<16xi32>, tensor<8x2xf32>, tensor<8x2xf32>) -> (tensor<16x8xf32>, tensor<16x4xf32>)
    ```

    - (C1) head_dim is positive and even.
    - (C2) q_out has q's type, k_out k's.
    - (C3) the columns of q and k are multiples of head_dim.
    - (C4) q, k and positions have as many tokens.
    - (C5) cos is [positions, head_dim / 2]; sin has cos's type.
  }];
  let arguments = (ins Ft_Matrix:$q, Ft_Matrix:$k, Ft_Ids:$positions, Ft_Matrix:$cos, Ft_Matrix:$sin, I64Attr:$head_dim, UnitAttr:$inverse);
  let results = (outs Ft_Matrix:$q_out, Ft_Matrix:$k_out);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_SwigluOp : Ft_Op<"swiglu", [Pure]> {
  let summary = "gate a projection with an activation";
  let description = [{
    act(gate) * up with act(x) = x * sigmoid(a(x)): a(x) = x is silu, a(x) = 2 * sqrt(2 / pi) * (x + 0.044715 * x^3) is
    the tanh form of gelu, which is why GeGLU is this op as well. Backward keeps gate and up, not the result.

    Example:
    ```mlir
    %product = ft.swiglu %gate, %up : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<16x8xf32>
    %other = ft.swiglu %gate, %up {activation = #ft.activation<gelu_tanh>} : (tensor<16x8xf32>, tensor<16x8xf32>) -> tensor<16x8xf32>
    ```

    - (C1) gate, up and the result have one type.
  }];
  let arguments = (ins Ft_Matrix:$gate, Ft_Matrix:$up,
                       DefaultValuedAttr<Ft_ActivationAttr, "::ft::model::Activation::Silu">:$activation);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_SwigluBwdOp : Ft_Op<"swiglu_bwd", [Pure]> {
  let summary = "differentiate swiglu";
  let description = [{
    With s = sigmoid(a(gate)): d_gate = grad * up * s * (1 + gate * (1 - s) * a'(gate)); d_up = grad * gate * s.
    Differentiation puts a second ft.swiglu beside it where a weight's gradient reads the product: one kernel writes all
    three.

    Example:
    ```mlir
    %d_gate, %d_up = ft.swiglu_bwd %grad, %gate, %up : (tensor<16x8xf32>, tensor<16x8xf32>, tensor<16x8xf32>) -> (tensor<16x8xf32>, tensor<16x8xf32>)
    ```

    - (C1) grad, gate, up, d_gate and d_up have one type.
  }];
  let arguments = (ins Ft_Matrix:$grad, Ft_Matrix:$gate, Ft_Matrix:$up,
                       DefaultValuedAttr<Ft_ActivationAttr, "::ft::model::Activation::Silu">:$activation);
  let results = (outs Ft_Matrix:$d_gate, Ft_Matrix:$d_up);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_ScaleOp : Ft_Op<"scale", [Pure]> {
  let summary = "multiply by a constant";
  let description = [{
    factor * x, with factor rounded to x's element type, as models that scale their embeddings are trained. It is its
    own derivative.

    Example:
    ```mlir
    %y = ft.scale %x {factor = 2.0 : f64} : (tensor<16x8xf32>) -> tensor<16x8xf32>
    ```

    - (C1) the result has x's shape.
    - (C2) factor is finite.
  }];
  let arguments = (ins Ft_Matrix:$x, F64Attr:$factor);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_AddOp : Ft_Op<"add", [Pure, Commutative]> {
  let summary = "add element by element";
  let description = [{
    Operands may differ in element type: both are converted, added, and rounded once. Residual sums, sums of cotangents.

    Example:
    ```mlir
    %sum = ft.add %x, %y : (tensor<16x8xf32>, tensor<16x8xbf16>) -> tensor<16x8xf32>
    ```

    - (C1) operands and result have one shape.
  }];
  let arguments = (ins Ft_Tensor:$lhs, Ft_Tensor:$rhs);
  let results = (outs Ft_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_CastOp : Ft_Op<"cast", [Pure]> {
  let summary = "convert to another float type";
  let description = [{
    Rounds to nearest, ties to even; with `ties_away`, away from zero. Working copies, and cotangents at a border of types.
    Those of full weights tie away, so that with 16 bits more they say what x was (plan.proto, Tensor::REMAINDER).

    Example:
    ```mlir
    %y = ft.cast %x : tensor<16x8xf32> to tensor<16x8xbf16>
    ```

    - (C1) the result has x's shape.
    - (C2) the element types differ.
  }];
  let arguments = (ins Ft_Tensor:$x, UnitAttr:$ties_away);
  let results = (outs Ft_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($result)";
}

def Ft_DropoutOp : Ft_Op<"dropout", [Pure]> {
  let summary = "zero elements with probability p and scale the others by 1 / (1 - p)";
  let description = [{
    Element (t, i) is zero where word i mod 4 of philox4x32(counter, key) is below floor(p * 2^32), as integers, and
    x / (1 - p) elsewhere. counter = (scalars[STEP], low and high word of scalars[FIRST_POSITION] + t, i / 4): the same
    mask whatever the split of the batch. It is its own derivative. key: variable of role random_keys. With `padding`
    (of the features), i counts the features without it, so that a padded layout draws the same mask. With `rows`, x has
    the rows of some tokens, and row t draws the mask of token rows[t].

    Example:
    ```mlir
    %y = ft.dropout %x, %key, %scalars {p = 0.1 : f64} : (tensor<16x8xf32>, tensor<1xi64>, tensor<8xf64>) -> tensor<16x8xf32>
    %z = ft.dropout %x, %key, %scalars rows %rows {p = 0.1 : f64} : (tensor<16x8xf32>, tensor<1xi64>, tensor<8xf64>, tensor<16xi32>) -> tensor<16x8xf32>
    ```

    - (C1) the result has x's type.
    - (C2) p is in [0, 1).
    - (C3) key has one element.
    - (C4) padding is of dimension 1, fits it, and its sizes are multiples of 4.
    - (C5) rows has one element per row of x.
  }];
  let arguments = (ins Ft_Matrix:$x, 1DTensorOf<[I64]>:$key, Ft_Scalars:$scalars, Optional<Ft_Ids>:$rows, F64Attr:$p,
                       OptionalAttr<Ft_PaddingAttr>:$padding);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "$x `,` $key `,` $scalars (`rows` $rows^)? attr-dict `:` functional-type(operands, results)";
}

def Ft_GatherRowsOp : Ft_Op<"gather_rows", [Pure]> {
  let summary = "take the rows of some tokens";
  let description = [{
    Row i of the result is row rows[i] of x, rows[i] in [0, rows of x). Where loss and head need the rows of tokens with a
    target alone, what is above them is computed for these alone. A row may be taken more often than once: behind the last
    target stands token 0, whose label is then -100, so that nothing comes back for it.

    Example:
    ```mlir
    %few = ft.gather_rows %x, %rows : (tensor<16x8xf32>, tensor<4xi32>) -> tensor<4x8xf32>
    ```

    - (C1) the result is [length of rows, columns of x], of x's element type.
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Ids:$rows);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_ScatterRowsOp : Ft_Op<"scatter_rows", [Pure]> {
  let summary = "put rows of some tokens back among all";
  let description = [{
    Row t of the result is row slots[t] of x where slots[t] < rows of x, and zero elsewhere; slots[t] >= 0. The derivative
    of gather_rows, whose `rows` and these slots are each other's inverse: each row is written once, in no order.

    Example:
    ```mlir
    %all = ft.scatter_rows %few, %slots : (tensor<4x8xf32>, tensor<16xi32>) -> tensor<16x8xf32>
    ```

    - (C1) the result is [length of slots, columns of x], of x's element type.
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Ids:$slots);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def Ft_QuantizeRowsOp : Ft_Op<"quantize_rows", [Pure, AttrSizedOperandSegments]> {
  let summary = "turn rows into codes of 8 bits with a scale each";
  let description = [{
    With v_i[t, j] = x_i[t, j] * fold_i[j] (x_i without fold), in f32, and m[t] the largest magnitude in row t of all
    v_i together: scale[t] = max(m[t] / 448, 2^-126), 1 where m[t] is 0; codes_i[t, j] = e4m3(v_i[t, j] * (1 / scale[t])),
    to nearest, ties to even, at most 448 in magnitude. What is no number stays none, and so does a row with an infinity.

    Example:
    ```mlir
    %codes, %scale = ft.quantize_rows [%x] fold [] : (tensor<16x8xbf16>) -> (tensor<16x8xf8E4M3FN>, tensor<16xf32>)
    %both:2, %one = ft.quantize_rows [%x, %y] fold [%s, %t] : (tensor<16x8xbf16>, tensor<16x4xbf16>, tensor<8xf32>, tensor<4xf32>) -> (tensor<16x8xf8E4M3FN>, tensor<16x4xf8E4M3FN>, tensor<16xf32>)
    ```

    - (C1) there are one or more matrices of one number of rows, and as many results of codes, of their shapes.
    - (C2) scale has one element per row.
    - (C3) fold is empty, or has one vector for each matrix, with one element per column.
    - (C4) no matrix is of f64.
  }];
  let arguments = (ins Variadic<Ft_Matrix>:$x, Variadic<Ft_Scales>:$fold);
  let results = (outs Variadic<Ft_Codes>:$codes, Ft_Scales:$scale);
  let assemblyFormat = "`[` $x `]` `fold` `[` $fold `]` attr-dict `:` functional-type(operands, results)";
}

def Ft_GatherRowOp : Ft_Op<"gather_row", [Pure]> {
  let summary = "take one row, chosen at run time";
  let description = [{
    Row index[0] of x. Of @generate: the position whose logits are wanted.

    Example:
    ```mlir
    %row = ft.gather_row %x, %index : (tensor<16x8xf32>, tensor<1xi32>) -> tensor<1x8xf32>
    ```

    - (C1) index has one element.
    - (C2) the result is one row of x's columns and element type.
  }];
  let arguments = (ins Ft_Matrix:$x, Ft_Ids:$index);
  let results = (outs Ft_Matrix:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

#endif // FT_ROW_WISE_TD
