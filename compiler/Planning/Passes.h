// Passes of compiler/Planning.
#pragma once

#include "dialects/Kernel/Kernel.h"
#include "dialects/Plan/PlanDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace ft {
#define GEN_PASS_DECL
#include "compiler/Planning/Planning.h.inc"
#define GEN_PASS_REGISTRATION
#include "compiler/Planning/Planning.h.inc"
} // namespace ft
