// Segments for micro-batches of few targets.
#pragma once

#include "compiler/Model/ModelOptions.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// The forward part before it is differentiated, for any micro-batch and for one of few targets.
inline constexpr llvm::StringLiteral forwardName = "forward", forwardTargetsName = "forward_targets";

/// Beside @forward and @evaluate, of those with a bound, makes @forward_targets and @evaluate_targets: the same loss of
/// a micro-batch that has so few targets. Its head works on the rows of TARGET_ROWS and the labels of TARGET_LABELS,
/// and so does every operation whose results nothing else reads (the TokenWise interface): the last block from its
/// attention on. What these read of other operations is gathered. A bound must be below the tokens of the micro-batch.
mlir::LogicalResult selectTargets(mlir::ModuleOp module, const TargetBounds &bounds);

/// Attaches what operations of ft answer as TokenWise.
void registerTokenWise(mlir::DialectRegistry &registry);

} // namespace ft
