// The dist dialect: a mesh of ranks, shardings over its axes, and the collectives that change them.
//
// Life cycle: dist-annotate puts shardings on variables and dist.constraint where the strategy wants a value laid out
// otherwise; dist-propagate turns both into dist.reshard; dist-partition turns each reshard into collectives, and every
// shape into one rank's. Collectives are pairs: a `dist.start_*` and the dist.done that waits for it.
#ifndef DIST_OPS_TD
#define DIST_OPS_TD

include "dialects/Dist/DistBase.td"

def Dist_MeshOp : Dist_Op<"mesh", [Symbol]> {
  let summary = "declare the ranks as a grid with named axes";
  let description = [{
    One rank for each point of the grid; the first axis is the outermost in the numbering of ranks. Created by
    dist-annotate; dist-remove-trivial erases it where it has one rank, else it goes to Planning.

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp", "tp"] sizes [4, 2]
    ```

    - (C1) there are one or more axes, with different, non-empty names.
    - (C2) there is one size per axis, and each is at least 1.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, StrArrayAttr:$axes, DenseI64ArrayAttr:$sizes);
  let assemblyFormat = "$sym_name `axes` $axes `sizes` $sizes attr-dict";
  let extraClassDeclaration = [{
    /// Ranks along `axis`; 0 where the mesh has no such axis.
    int64_t getSize(::mlir::StringAttr axis);
    /// Ranks along all of `axes` together.
    int64_t getSize(::llvm::ArrayRef<::mlir::StringAttr> axes);
    int64_t getRanks();
  }];
}

def Dist_ConstraintOp : Dist_Op<"constraint", [Pure, SameOperandsAndResultType]> {
  let summary = "ask for a value to lie on the mesh in a given way";
  let description = [{
    The same value, laid out as `sharding` says. On global types. Placed by dist-annotate before uses of a split weight,
    which need the whole of it; dist-propagate replaces it by a dist.reshard.

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp"] sizes [2]
    func.func @segment(%w: tensor<16x8xf32>) {
      %whole = dist.constraint %w <@mesh, [[], []]> : tensor<16x8xf32>
      return
    }
    ```

    - (C1) sharding has one list of axes per dimension.
    - (C2) it is not partial.
  }];
  let arguments = (ins AnyRankedTensor:$x, Dist_ShardingAttr:$sharding);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$x $sharding attr-dict `:` type($x)";
}

def Dist_ReshardOp : Dist_Op<"reshard", [Pure, SameOperandsAndResultType]> {
  let summary = "change how a value lies on the mesh";
  let description = [{
    The same value, laid out as `to` instead of `from`. On global types. Created by dist-propagate where a value lies
    otherwise than its user needs; dist-partition turns it into collectives by the boxing table
    (compiler/Sharding/Boxing.h).

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp"] sizes [2]
    func.func @segment(%dw: tensor<16x8xf32>) {
      %sum = dist.reshard %dw <@mesh, [[], []], partial sum ["dp"]> to <@mesh, [["dp"], []]> : tensor<16x8xf32>
      return
    }
    ```

    - (C1) from and to have one list of axes per dimension.
    - (C2) from and to are of one mesh.
  }];
  let arguments = (ins AnyRankedTensor:$x, Dist_ShardingAttr:$from, Dist_ShardingAttr:$to);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$x $from `to` $to attr-dict `:` type($x)";
}

class Dist_StartOp<string mnemonic>
    : Dist_Op<"start_" # mnemonic, [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let results = (outs Dist_PendingType:$pending);
}

def Dist_StartAllGatherOp : Dist_StartOp<"all_gather"> {
  let summary = "begin to put the parts of a dimension together on every rank";
  let description = [{
    Result i is operand i of all ranks along `axes` (major to minor), one behind the other along dimension `dim`. On
    local types. Created by dist-partition; dist-overlap moves it ahead of its use; Planning turns it into a collective
    step on a stream of its own.

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp"] sizes [2]
    func.func @segment(%w: tensor<8x8xf32>) {
      %pending = dist.start_all_gather %w dim 0 over ["dp"] on @mesh : (tensor<8x8xf32>) -> !dist.pending<tensor<16x8xf32>>
      %whole = dist.done %pending : (!dist.pending<tensor<16x8xf32>>) -> tensor<16x8xf32>
      return
    }
    ```

    - (C1) there are one or more values, of one element type, and as many pending types.
    - (C2) the mesh exists, and has each of the one or more axes; none occurs twice.
    - (C3) dim is a dimension of every value.
    - (C4) pending type i is value i's with dimension dim times the ranks along axes.
    - (C5) the pending value has one user, a dist.done of the same block.
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$values, I64Attr:$dim, StrArrayAttr:$axes, FlatSymbolRefAttr:$mesh);
  let assemblyFormat = [{
    $values `dim` $dim `over` $axes `on` $mesh attr-dict `:` functional-type($values, $pending)
  }];
}

def Dist_StartReduceScatterOp : Dist_StartOp<"reduce_scatter"> {
  let summary = "begin to reduce over ranks and keep one part of a dimension";
  let description = [{
    Result i is the part of this rank, along dimension `dim`, of the reduction of operand i over all ranks along `axes`.
    On local types. Created by dist-partition for a partial gradient whose variable is split; Planning turns it
    into a collective step.

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp"] sizes [2]
    func.func @segment(%dw: tensor<16x8xf32>) {
      %pending = dist.start_reduce_scatter sum %dw dim 0 over ["dp"] on @mesh : (tensor<16x8xf32>) -> !dist.pending<tensor<8x8xf32>>
      %part = dist.done %pending : (!dist.pending<tensor<8x8xf32>>) -> tensor<8x8xf32>
      return
    }
    ```

    - (C1) there are one or more values, of one element type, and as many pending types.
    - (C2) the mesh exists, and has each of the one or more axes; none occurs twice.
    - (C3) dim is a dimension of every value.
    - (C4) pending type i is value i's with dimension dim divided by the ranks along axes.
    - (C5) the pending value has one user, a dist.done of the same block.
    - (C6) the reduction is sum or max.
  }];
  let arguments = (ins Dist_Reduction:$reduction, Variadic<AnyRankedTensor>:$values, I64Attr:$dim, StrArrayAttr:$axes,
                       FlatSymbolRefAttr:$mesh);
  let assemblyFormat = [{
    $reduction $values `dim` $dim `over` $axes `on` $mesh attr-dict `:`
    functional-type($values, $pending)
  }];
}

def Dist_StartAllReduceOp : Dist_StartOp<"all_reduce"> {
  let summary = "begin to reduce over ranks";
  let description = [{
    Result i is the reduction of operand i over all ranks along `axes`, on each of them. On local types. Created by
    dist-partition; Planning turns it into a collective step (norm2, of one number: square, sum, root).

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp"] sizes [2]
    func.func @segment(%loss: tensor<1xf64>) {
      %pending = dist.start_all_reduce sum %loss over ["dp"] on @mesh : (tensor<1xf64>) -> !dist.pending<tensor<1xf64>>
      %sum = dist.done %pending : (!dist.pending<tensor<1xf64>>) -> tensor<1xf64>
      return
    }
    ```

    - (C1) there are one or more values, of one element type, and as many pending types.
    - (C2) the mesh exists, and has each of the one or more axes; none occurs twice.
    - (C4) pending type i is value i's.
    - (C5) the pending value has one user, a dist.done of the same block.
  }];
  let arguments = (ins Dist_Reduction:$reduction, Variadic<AnyRankedTensor>:$values, StrArrayAttr:$axes,
                       FlatSymbolRefAttr:$mesh);
  let assemblyFormat = [{
    $reduction $values `over` $axes `on` $mesh attr-dict `:` functional-type($values, $pending)
  }];
}

def Dist_DoneOp : Dist_Op<"done"> {
  let summary = "wait for a collective and take its results";
  let description = [{
    Created by dist-partition behind its start; dist-overlap moves it behind what need not wait. Planning makes it a
    wait of the compute stream for the collective's event.

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp"] sizes [2]
    func.func @segment(%a: tensor<8xf32>, %b: tensor<4xf32>) {
      %pending = dist.start_all_gather %a, %b dim 0 over ["dp"] on @mesh : (tensor<8xf32>, tensor<4xf32>) -> !dist.pending<tensor<16xf32>, tensor<8xf32>>
      %x, %y = dist.done %pending : (!dist.pending<tensor<16xf32>, tensor<8xf32>>) -> (tensor<16xf32>, tensor<8xf32>)
      return
    }
    ```

    - (C1) results have the types of pending, in order.
    - (C2) pending comes from a dist.start of the same block.
  }];
  let arguments = (ins Dist_PendingType:$pending);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = "$pending attr-dict `:` functional-type($pending, $results)";
  let builders = [OpBuilder<(ins "::mlir::Value":$pending)>];
}

def Dist_SliceOp : Dist_Op<"slice", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "take this rank's part of a value that all ranks hold";
  let description = [{
    The part of x along dimension `dim` that belongs to this rank's coordinates on `axes`, major to minor. No
    communication: Planning makes it an offset that is affine in the coordinates. On local types. Created by
    dist-partition.

    Example:
    ```mlir
    dist.mesh @mesh axes ["dp"] sizes [2]
    func.func @segment(%x: tensor<16x8xf32>) {
      %part = dist.slice %x dim 1 over ["dp"] on @mesh : (tensor<16x8xf32>) -> tensor<16x4xf32>
      return
    }
    ```

    - (C2) the mesh exists, and has each of the one or more axes; none occurs twice.
    - (C3) dim is a dimension of x.
    - (C4) the result is x's type with dimension dim divided by the ranks along axes.
  }];
  let arguments = (ins AnyRankedTensor:$x, I64Attr:$dim, StrArrayAttr:$axes, FlatSymbolRefAttr:$mesh);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$x `dim` $dim `over` $axes `on` $mesh attr-dict `:` functional-type($x, $result)";
  let hasVerifier = 0;
}

#endif // DIST_OPS_TD
