// The distinct kernels of a plan: an 80-layer model has thousands of launches and about thirty kernels.
#pragma once

#include "compiler/Fusion/BuildRowProgram.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <any>
#include <tuple>
#include <vector>

namespace ft {

/// Builds each kernel.func once. Two requests are for one kernel if they are for the same builder with equal arguments:
/// a builder has nothing else to work with, so nothing that the code bakes in can be missing from a key. Comparing
/// programs that were built would say the same and cost a program for each launch.
class KernelPool {
public:
  /// `host`: of kernels for the processors of the host.
  explicit KernelPool(mlir::ModuleOp module, bool host = false) : module(module), host(host) {}

  /// The program that `build` makes of `arguments`, under a unique name that starts with `name`. Arguments are values
  /// with a complete `==`.
  template <typename... Parameters, typename... Arguments>
  const RowProgram &get(llvm::StringRef name, RowProgram (*build)(mlir::OpBuilder &, llvm::StringRef, Parameters...),
                        const Arguments &...arguments) {
    using Key = std::tuple<std::decay_t<Parameters>...>;
    const Key key(arguments...);
    std::vector<Built> &known = programs[reinterpret_cast<void *>(build)];
    for (const Built &built : known)
      if (*std::any_cast<Key>(&built.arguments) == key)
        return *built.program;
    mlir::OpBuilder builder = mlir::OpBuilder::atBlockEnd(module.getBody());
    auto call = [&](const auto &...values) { return build(builder, uniqueName(name), values...); };
    known.push_back({key, std::make_unique<RowProgram>(std::apply(call, key))});
    known.back().program->func.setHost(host);
    return *known.back().program;
  }

  /// The program of a fused kernel with these layouts; fails with the error that buildRowProgram emitted.
  mlir::FailureOr<const FusedProgram *> get(kernel::FusedOp fused, llvm::ArrayRef<RowOperand> layouts);

private:
  std::string uniqueName(llvm::StringRef name);

  struct Built {
    std::any arguments;
    std::unique_ptr<RowProgram> program; ///< stays where it is
  };
  struct Fused {
    llvm::SmallVector<RowOperand> layouts;
    std::unique_ptr<FusedProgram> program;
  };

  mlir::ModuleOp module;
  bool host;
  llvm::DenseMap<void *, std::vector<Built>> programs; ///< by builder
  llvm::StringMap<std::vector<Fused>> fusedPrograms;   ///< by structure of the body
  llvm::StringMap<int> names;
};

} // namespace ft
