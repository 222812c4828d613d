// The ft dialect: operations, types and interfaces.
#pragma once

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace mlir {
class IRMapping;
} // namespace mlir

namespace ft {
class FactorRule;
class GradientBuilder;
class PrecisionTable;
class RowEmitter;
class StepEmitter;
enum class Recompute;
struct PlaceRequests;
struct RowSpace;
} // namespace ft

#include "dialects/Ft/FtDialect.h.inc"
#include "dialects/Ft/FtEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Ft/FtAttrs.h.inc"
#include "dialects/Ft/FtInterfaces.h.inc"
#define GET_OP_CLASSES
#include "dialects/Ft/FtOps.h.inc"

namespace ft::model {

/// Elements of a moment in codes that share a scale (docs/numerics.md).
inline constexpr int64_t momentBlock = 256;

/// What an update leaves of a parameter beside itself: moments, their scales, and what its f32 is more than it.
inline bool isState(Role role) {
  return role == Role::ExpAvg || role == Role::ExpAvgSq || role == Role::ExpAvgScales || role == Role::ExpAvgSqScales ||
         role == Role::Remainder;
}

/// The discardable attribute of this dialect, a unit: the operation is of the backward part.
inline constexpr llvm::StringLiteral backwardName = "ft.backward";
inline bool isBackward(mlir::Operation *op) { return op->hasAttr(backwardName); }

} // namespace ft::model
