// The distinct kernels of a plan: an 80-layer model has thousands of launches and about thirty kernels.
#pragma once

#include "compiler/Fusion/BuildRowProgram.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace ft {

/// Builds each kernel.func once. A key holds everything that the machine code bakes in: operations with their
/// attributes, element types, shapes, pitches and in-place pairs.
class KernelPool {
public:
  explicit KernelPool(mlir::ModuleOp module) : module(module) {}

  /// The program of `key`; `build` makes it under a unique name that starts with `name`.
  const RowProgram &get(llvm::StringRef name, llvm::StringRef key,
                        llvm::function_ref<RowProgram(mlir::OpBuilder &, llvm::StringRef)> build);
  /// The program of a fused kernel with these layouts; fails with the error that buildRowProgram emitted.
  mlir::FailureOr<const FusedProgram *> get(kernel::FusedOp fused, llvm::ArrayRef<RowOperand> layouts);

private:
  std::string uniqueName(llvm::StringRef name);

  mlir::ModuleOp module;
  llvm::StringMap<std::unique_ptr<FusedProgram>> programs;
  llvm::StringMap<int> names;
};

} // namespace ft
