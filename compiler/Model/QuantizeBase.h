#pragma once

#include "compiler/Model/ModelOptions.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Marks the frozen weights that linears of @forward read as stored in few bits, but those of modules that are left
/// out: as in Transformers, a module is where its name, the last part of it, or that of a module around it is listed.
/// Head, embedding and norms are read by other operations. Fails where a linear's weight is trained.
mlir::LogicalResult quantizeBase(mlir::ModuleOp module, const QuantizationOptions &options);

} // namespace ft
