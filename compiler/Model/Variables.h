// Declaring, finding and reading the variables of a module in ft.
#pragma once

#include "dialects/Ft/Ft.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <optional>

namespace ft {

/// The batch input or the output of that kind, or null.
model::VariableOp findInput(mlir::ModuleOp module, plan::BatchInput::Kind kind);
model::VariableOp findOutput(mlir::ModuleOp module, plan::Output::Kind kind);

/// The variable that belongs to `parameter` in `role`, or null.
model::VariableOp findDerived(mlir::ModuleOp module, llvm::StringRef parameter, model::Role role);

/// Declares a variable behind the last one. Its name must be free.
model::VariableOp declareVariable(mlir::ModuleOp module, llvm::StringRef name, mlir::RankedTensorType type,
                                  model::Role role);

/// Declares the gradient, moment or working copy of `parameter`: named "<parameter>.<role>", of its shape; gradients
/// and moments carry its key, moments start as zeros.
model::VariableOp declareDerived(model::VariableOp parameter, model::Role role, mlir::Type element);

/// The whole of `variable`: the function's first read of it, moved to its start, or a new one there.
mlir::Value readWhole(mlir::func::FuncOp function, model::VariableOp variable);

/// A read of the whole of `variable` at the function's start.
model::ReadOp addRead(mlir::func::FuncOp function, model::VariableOp variable);

/// The variable behind `value`, where that is a read; a working copy's parameter in the copy's place. Null otherwise.
model::VariableOp parameterOf(mlir::Value value, mlir::SymbolTable &symbols);

/// The op's place in the model, "layers.3.mlp.down_proj", from its NameLoc; "?" where it has none.
llvm::StringRef placeOf(mlir::Location location);
/// The layer that the op's place is in, if it is in one.
std::optional<int64_t> layerOf(mlir::Operation *op);
mlir::Location placed(mlir::MLIRContext *context, const llvm::Twine &place);

/// Segments are functions with the names that plan::segmentName gives.
mlir::func::FuncOp findSegment(mlir::ModuleOp module, plan::Segment::Kind kind);
/// At the end of the module, with an empty body that returns.
mlir::func::FuncOp createSegment(mlir::ModuleOp module, plan::Segment::Kind kind);

} // namespace ft
