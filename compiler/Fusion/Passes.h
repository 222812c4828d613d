// Passes of compiler/Fusion.
#pragma once

#include "dialects/Kernel/Kernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ft {
#define GEN_PASS_DECL
#include "compiler/Fusion/Fusion.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/Fusion/Fusion.h.inc"
} // namespace ft
