// The dist dialect itself, its attributes and its type.
#ifndef DIST_BASE_TD
#define DIST_BASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Dist_Dialect : Dialect {
  let name = "dist";
  let cppNamespace = "::ft::dist";
  let summary = "Who holds what: a mesh of ranks, shardings over it, collectives";
  let description = [{
    Before dist-partition a module has global shapes; `dist.sharding` on a variable (one #dist.sharding) and on an
    operation (an array with one per result) says how each value lies on the mesh, and the only operations of this
    dialect are dist.constraint and dist.reshard. After it shapes are one rank's, and collectives move data. A variable
    that is split keeps its `dist.sharding` and, as `dist.global`, its global type: what the loader and checkpoints
    need.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

def Dist_Reduction : I32EnumAttr<"Reduction", "how the parts of a partial value become the value", [
  I32EnumAttrCase<"Sum", 0, "sum">,
  I32EnumAttrCase<"Max", 1, "max">,
  I32EnumAttrCase<"Norm2", 2, "norm2">]> { // the root of the sum of squares
  let cppNamespace = "::ft::dist";
}

def Dist_DimAttr : AttrDef<Dist_Dialect, "Dim"> {
  let mnemonic = "dim";
  let summary = "how one dimension of a value lies on the mesh";
  let description = [{
    The axes that split the dimension, major to minor; none: each rank holds all of it. Where `own` is above 0, each
    rank holds `own` elements of its own instead, which are no slice of a global tensor: tables that the host makes for
    a rank's share of the batch (document offsets, sorted positions). No collective can rebuild those.

    (C1) no axis occurs twice. (C2) own is at least 0.
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$axes, DefaultValuedParameter<"int64_t", "0">:$own);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

def Dist_ShardingAttr : AttrDef<Dist_Dialect, "Sharding"> {
  let mnemonic = "sharding";
  let summary = "how a value lies on the mesh";
  let description = [{
    For each dimension the axes that split it: `[["dp"], []]`. Over the axes after `partial` each rank holds a value of
    the whole shape, and the value is the reduction of all of them. Over every other axis all ranks hold the same.

    Example: `#dist.sharding<@mesh, [["dp"], []]>`, `#dist.sharding<@mesh, [[], []], partial sum ["dp"]>`,
    `#dist.sharding<@mesh, [["dp"] own 9]>`.

    (C1) an axis occurs at most once, over all dimensions and `partial`.
  }];
  let parameters = (ins "::mlir::FlatSymbolRefAttr":$mesh, ArrayRefParameter<"::ft::dist::DimAttr">:$dims,
                        ArrayRefParameter<"::mlir::StringAttr">:$partial, "::ft::dist::Reduction":$reduction);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The same on every rank.
    static ShardingAttr broadcast(::mlir::FlatSymbolRefAttr mesh, int64_t rank);
    bool isPartial() const { return !getPartial().empty(); }
    /// All ranks hold the same whole value.
    bool isBroadcast() const;
    /// This sharding with other axes on dimension `dim`.
    ShardingAttr withDim(int64_t dim, ::llvm::ArrayRef<::mlir::StringAttr> axes, int64_t own = 0) const;
    /// This sharding, partial over other axes.
    ShardingAttr withPartial(::llvm::ArrayRef<::mlir::StringAttr> axes, Reduction reduction) const;
  }];
}

def Dist_PendingType : TypeDef<Dist_Dialect, "Pending"> {
  let mnemonic = "pending";
  let summary = "results of a collective that has begun";
  let description = [{
    The values that a `dist.start_*` will have written when `dist.done` has waited for it. Until then nothing may read
    or write the memory of either its operands or its results.

    (C1) there are one or more types, all ranked tensors of static shape.
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::Type">:$types);
  let assemblyFormat = "`<` $types `>`";
  let genVerifyDecl = 1;
}

class Dist_Op<string mnemonic, list<Trait> traits = []> : Op<Dist_Dialect, mnemonic, traits> {
  let hasVerifier = 1;
}

#endif // DIST_BASE_TD
