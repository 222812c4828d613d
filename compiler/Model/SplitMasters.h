// Masters in two halves: the bf16 that products read, and the 16 bits that the f32 master is more than that.
#pragma once

#include "dialects/Ft/Ft.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Makes a full f32 weight, of which segments read nothing but its bf16 working copy, that copy itself, and returns its
/// new remainder (plan.proto, Tensor::REMAINDER). Null, and nothing changes, where it is read as it is stored as well
/// (norms, embeddings) or has no copy. Comes ahead of the segments that write it.
model::VariableOp splitMaster(mlir::ModuleOp module, model::VariableOp parameter);

} // namespace ft
