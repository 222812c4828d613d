// The variables of a model: inputs, outputs, rope tables and parameters.
#pragma once

#include "compiler/Import/BuildModel.h"
#include "compiler/Import/Families/Families.h"

namespace ft {

/// Elements of a head in memory.
int64_t headLanes(const ModelConfig &config, const BatchShape &shape);

/// The table of a layer's rotation, of kind "cos" or "sin".
std::string ropeTable(const LayerConfig &layer, llvm::StringRef kind);

/// Declares all variables at the end of the module.
void declareVariables(mlir::ModuleOp module, const ModelConfig &config, const BatchShape &shape);

} // namespace ft
