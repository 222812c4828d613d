// A partitioned module on several ranks at once, for tests: each rank is a reference interpreter of its own, and
// collectives move values between them.
#pragma once

#include "compiler/Model/Interpreter/Interpreter.h"
#include "dialects/Dist/Dist.h"

#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace ft {

class RankSimulator {
public:
  /// Ranks of the module's dist.mesh. The module is copied.
  explicit RankSimulator(mlir::ModuleOp module);

  int64_t size() const { return int64_t(ranks.size()); }
  Interpreter &operator[](int64_t rank) { return *ranks[rank]; }

  /// Executes a segment on all ranks in lock step.
  mlir::LogicalResult run(llvm::StringRef segment);

private:
  /// Of every operation of a segment: a function that does it alone, between variables; or a collective.
  struct Step {
    std::string function; ///< empty: a collective
    mlir::Operation *collective;
    llvm::SmallVector<std::string> operands, results;
  };

  void expand(mlir::func::FuncOp segment);
  std::string spill(mlir::Value value);
  void emit(mlir::Operation &op, Step &step);
  mlir::LogicalResult exchange(const Step &step);
  /// The ranks that agree with `rank` on all axes but these, by their coordinates on these, major to minor.
  llvm::SmallVector<int64_t> groupOf(int64_t rank, mlir::ArrayAttr axes);

  mlir::OwningOpRef<mlir::ModuleOp> module;
  dist::MeshOp mesh;
  std::vector<std::unique_ptr<Interpreter>> ranks;
  llvm::DenseMap<mlir::Value, std::string> spilled;
  std::map<std::string, std::vector<Step>> segments;
};

} // namespace ft
