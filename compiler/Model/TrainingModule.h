// From a model to its training step: the passes of compiler/Model in order.
#pragma once

#include "compiler/Model/ModelOptions.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

namespace ft {

/// Turns what buildModel made (@forward, @evaluate, @generate) into the segments @accumulate_first, @accumulate_next
/// (with more than one micro-batch a step), @update, @initialize (where there are working copies), @evaluate and
/// @generate. The context must hold what registerModel registered. Verified after each pass, or, unless `verifies`,
/// once.
mlir::LogicalResult buildTrainingModule(mlir::ModuleOp module, const ModelOptions &options, bool verifies = true);

/// The phase check at this dialect border. Of every function: each variable is written at most once and not read
/// afterwards. Of the module: every trained parameter has a gradient and an update; no op of the forward part that
/// differentiation replaces is left; no variable is unused but parameters.
mlir::LogicalResult checkTrainingModule(mlir::ModuleOp module);

/// The ft and func dialects with precision policies and derivative rules.
void registerModel(mlir::DialectRegistry &registry);

} // namespace ft
