// Dead ops and variables that nothing uses.
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Erases ops whose results nobody uses and that write nothing.
void removeDeadOps(mlir::func::FuncOp function);

/// Erases dead ops of every function, then variables that no function reads or writes and no used variable belongs
/// to. Parameters stay: a checkpoint has them.
void removeUnused(mlir::ModuleOp module);

} // namespace ft
