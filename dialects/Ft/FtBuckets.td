// Buckets: many tensors as one flat run of elements, which one collective moves and one launch updates.
#ifndef FT_BUCKETS_TD
#define FT_BUCKETS_TD

include "dialects/Ft/FtBase.td"

def Ft_ViewOp : Ft_Op<"view", [Pure]> {
  let summary = "read one member of a bucket";
  let description = [{
    The row-major tensor from element `offset` of a flat bucket on, its rows `pitch` elements from each other, or dense
    where that is 0. Created by compiler/Layout; Planning gives the member its place inside the bucket's: a view moves
    no byte.

    Example:
    ```mlir
    %w = ft.view %bucket at 64 : tensor<1024xf32> -> tensor<12x8xf32>
    %v = ft.view %bucket at 64 {pitch = 10 : i64} : tensor<1024xf32> -> tensor<12x8xf32>
    ```

    - (C1) bucket has rank 1 and the result's element type.
    - (C2) offset is at least 0, and the last element lies inside the bucket.
    - (C3) pitch is 0 or at least the row of a matrix.
  }];
  let arguments = (ins Ft_Bucket:$bucket, I64Attr:$offset, DefaultValuedAttr<I64Attr, "0">:$pitch);
  let results = (outs Ft_Member:$result);
  let assemblyFormat = "$bucket `at` $offset attr-dict `:` type($bucket) `->` type($result)";
}

def Ft_AssembleOp : Ft_Op<"assemble", [Pure]> {
  let summary = "put tensors together as a bucket";
  let description = [{
    The inverse of ft.view: a flat bucket with member i at offsets[i], dense and row-major, and zeros between members.
    Created by compiler/Layout where gradients are written; Planning has the members computed in the bucket where it
    can, and copies the others.

    Example:
    ```mlir
    %bucket = ft.assemble [%dw, %db] at [0, 128] : (tensor<12x8xf32>, tensor<8xf32>) -> tensor<1024xf32>
    ```

    - (C1) there are one or more members, and as many offsets.
    - (C2) the result has rank 1; members have its element type.
    - (C3) offsets rise, members do not overlap, and the last one ends inside the bucket.
  }];
  let arguments = (ins Variadic<Ft_Tensor>:$members, DenseI64ArrayAttr:$offsets);
  let results = (outs Ft_Vector:$bucket);
  let assemblyFormat = "`[` $members `]` `at` $offsets attr-dict `:` functional-type($members, $bucket)";
}

def Ft_InsertOp : Ft_Op<"insert", [Pure, AllTypesMatch<["bucket", "result"]>]> {
  let summary = "put matrices into a bucket";
  let description = [{
    The bucket with matrix i in place of what is there: its first element at offsets[i], its rows pitches[i] elements
    from each other. Created by compiler/Layout for adapters in the borders of frozen weights that ranks hold in shares;
    behind Sharding the bucket is what was gathered,
    and Planning puts the matrices into that in place.

    Example:
    ```mlir
    func.func @borders(%bucket: tensor<1024xf32>, %b: tensor<8x2xf32>, %a: tensor<2x8xf32>) {
      %full = ft.insert [%b, %a] into %bucket at [8, 96] pitches [10, 10] : (tensor<1024xf32>, tensor<8x2xf32>, tensor<2x8xf32>) -> tensor<1024xf32>
      return
    }
    ```

    - (C1) there are one or more matrices, and as many offsets and pitches.
    - (C2) matrices have the bucket's element type.
    - (C3) each pitch is at least the matrix's row, and the last element lies inside the bucket.
  }];
  let arguments = (ins Ft_Vector:$bucket, Variadic<Ft_Matrix>:$matrices, DenseI64ArrayAttr:$offsets,
                       DenseI64ArrayAttr:$pitches);
  let results = (outs Ft_Vector:$result);
  let assemblyFormat = [{
    `[` $matrices `]` `into` $bucket `at` $offsets `pitches` $pitches attr-dict `:` functional-type(operands, $result)
  }];
}

def Ft_AccumulateOp : Ft_Op<"accumulate", [Pure, AllTypesMatch<["sum", "part", "total"]>]> {
  let summary = "add a bucket to what has been summed";
  let description = [{
    sum + part, element by element, rounded once. Created by compiler/Sharding where a rank keeps its share of gradients
    alone: what its micro-batches have left there so far, and the share of this one, which the ranks have reduced.
    Planning computes it in place of the sum.

    Example:
    ```mlir
    func.func @segment(%sum: tensor<1024xf32>, %part: tensor<1024xf32>) {
      %total = ft.accumulate %sum, %part : tensor<1024xf32>
      return
    }
    ```
  }];
  let arguments = (ins Ft_Vector:$sum, Ft_Vector:$part);
  let results = (outs Ft_Vector:$total);
  let assemblyFormat = "$sum `,` $part attr-dict `:` type($total)";
  let hasVerifier = 0;
}

def Ft_TransferOp : Ft_Op<"transfer", [Pure, AllTypesMatch<["x", "result"]>]> {
  let summary = "bring a value into the memory of the host, or from there";
  let description = [{
    The same bits, `to_host` or else to the device; becomes a copy. Created by Planning where an operation and what it
    reads lie in different memories, and by `ft-recompute` for values that the host holds between forward and backward.

    Example:
    ```mlir
    func.func @segment(%gradient: tensor<1024xf32>) {
      %there = ft.transfer %gradient to_host : tensor<1024xf32>
      %back = ft.transfer %there : tensor<1024xf32>
      return
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$x, UnitAttr:$to_host);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$x (`to_host` $to_host^)? attr-dict `:` type($result)";
  let hasVerifier = 0;
}

#endif // FT_BUCKETS_TD
