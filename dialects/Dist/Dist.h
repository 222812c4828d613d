// The dist dialect: operations, attributes and type.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Dist/DistDialect.h.inc"
#include "dialects/Dist/DistEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Dist/DistAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Dist/DistTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Dist/DistOps.h.inc"

namespace ft::dist {

/// The discardable attributes of this dialect: a ShardingAttr on a variable, an array of them (one per result) on any
/// other operation; the global type of a variable whose type is a rank's.
inline constexpr llvm::StringLiteral shardingName = "dist.sharding";
inline constexpr llvm::StringLiteral globalName = "dist.global";

/// An array of names as the names.
llvm::SmallVector<mlir::StringAttr> axesOf(mlir::ArrayAttr axes);

/// A dist.start_all_gather, dist.start_reduce_scatter or dist.start_all_reduce.
bool isStart(mlir::Operation *op);

} // namespace ft::dist
