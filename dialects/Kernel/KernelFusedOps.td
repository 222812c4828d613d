// kernel.fused: which operations run together, while they are still operations on tensors.
#ifndef KERNEL_FUSED_OPS_TD
#define KERNEL_FUSED_OPS_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_FusedOp : Kernel_Op<"fused", [Pure, IsolatedFromAbove, SingleBlock]> {
  let summary = "Group row-wise operations that one kernel computes";
  let description = [{
    The body holds row-wise operations (those with the RowWise interface) over one space of rows; its arguments are the
    operands, what it yields are the results. Values inside are rounded to their tensor's element type, so a fused
    operation and the operations alone give the same bits.

    Made by `kernel-fuse`; lives until planning has laid out the operands and builds a `kernel.func` for it.

    Constraints:
    - (C1) the body's arguments have the operands' types, each operand occurs once;
    - (C2) what is yielded has the results' types, comes from an operation of the body, and occurs once;
    - (C3) operations of the body have no regions and no side effects.

    Example:
    ```mlir
    %h, %y, %rstd = kernel.fused "add_rms_norm" (%x, %o, %w)
        : (tensor<64x576xf32>, tensor<64x576xf32>, tensor<576xf32>) -> (tensor<64x576xf32>, tensor<64x576xbf16>, tensor<64xf32>) {
    ^bb0(%a: tensor<64x576xf32>, %b: tensor<64x576xf32>, %c: tensor<576xf32>):
      %s = ft.add %a, %b : (tensor<64x576xf32>, tensor<64x576xf32>) -> tensor<64x576xf32>
      %n, %r = ft.rms_norm %s, %c {eps = 1.0e-5} : (tensor<64x576xf32>, tensor<576xf32>) -> (tensor<64x576xbf16>, tensor<64xf32>)
      kernel.yield %s, %n, %r : tensor<64x576xf32>, tensor<64x576xbf16>, tensor<64xf32>
    }
    ```
  }];
  let arguments = (ins StrAttr:$name, Variadic<AnyRankedTensor>:$inputs);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs) $body";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The body's operations, without the terminator.
    auto getFusedOps() { return getBody().front().without_terminator(); }
    /// The value inside the body that becomes result `number`.
    ::mlir::Value getYielded(unsigned number) { return getBody().front().getTerminator()->getOperand(number); }
  }];
}

def Kernel_YieldOp : Kernel_Op<"yield", [Pure, Terminator, HasParent<"FusedOp">]> {
  let summary = "Name the results of a fused kernel";
  let description = [{
    Ends the body of `kernel.fused`.

    Example:
    ```mlir
    kernel.yield %y : tensor<64x576xbf16>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def Kernel_ColumnPartialsOp : Kernel_Op<"column_partials", [Pure, SameVariadicOperandSize]> {
  let summary = "Sum a, or a · b · scale, over runs of rows: the first half of a column reduction";
  let description = [{
    `partials[p, c]` is the sum of `a[t, c] · b[t, c] · scale[t]` (of `a[t, c]` where b and scale are absent) over the
    rows t = p, p + P, p + 2P, …, in this order, where P is the number of rows of the result. A result of fewer columns
    than a takes runs of so many columns for rows, of which scale then has one element each. A kernel that holds this
    operation has P items, each of which loops over its rows; `kernel.column_sum` adds the partials. Both together are
    the weight gradient of an RMSNorm, and that of a bias.

    Constraints:
    - (C1) a and b are [T, D], the result is [P, G], where G divides D and P is between 1 and T · D / G; scale is [T]
      where G is D, else [T, D / G];
    - (C2) the result's and the scale's element types are equal, f32 or f64.

    Example:
    ```mlir
    %p = kernel.column_partials %dy, %x, %rstd : (tensor<4096x576xbf16>, tensor<4096x576xf32>, tensor<4096xf32>) -> tensor<64x576xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$a, Variadic<AnyRankedTensor>:$b, Variadic<AnyRankedTensor>:$scale);
  let results = (outs AnyRankedTensor:$partials);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Kernel_ColumnSumOp : Kernel_Op<"column_sum", [Pure]> {
  let summary = "Sum the rows of a matrix, in order: the second half of a column reduction";
  let description = [{
    `sum[c]` is the sum of `partials[p, c]` over p = 0, 1, … in this order, plus `accumulate[c]` where given. Its kernel
    has one item per block of columns.

    Constraints:
    - (C1) partials is [P, D]; the result and accumulate are [D].

    Example:
    ```mlir
    %dw = kernel.column_sum %p accumulate %before : (tensor<64x576xf32>, tensor<576xf32>) -> tensor<576xf32>
    ```
  }];
  let arguments = (ins AnyRankedTensor:$partials, Optional<AnyRankedTensor>:$accumulate);
  let results = (outs AnyRankedTensor:$sum);
  let assemblyFormat = "$partials (`accumulate` $accumulate^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

#endif // KERNEL_FUSED_OPS_TD
