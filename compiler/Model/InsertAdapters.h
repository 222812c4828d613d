// Low-rank adapters (LoRA, Hu et al. 2021), with PEFT's meaning and names.
#pragma once

#include "compiler/Model/ModelOptions.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Freezes every parameter and gives the targeted linears of @forward adapters A [r, in] (uniform, ±1/√in) and
/// B [out, r] (zeros), in every function: s = linear(x, [A...]) {alpha = lora_alpha / r}, and the pair (s, B) on the
/// base linear. In @forward alone x is dropped out first, with one mask per input tensor. Fails with a diagnostic on
/// a target that names no linear of the model and on values out of range.
mlir::LogicalResult insertAdapters(mlir::ModuleOp module, const LoraOptions &options);

} // namespace ft
