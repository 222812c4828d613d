// Small models with random weights and batches, for tests of compiler/Model.
#pragma once

#include "compiler/Import/BuildModel.h"
#include "compiler/Model/Interpreter/Interpreter.h"
#include "compiler/Model/ModelOptions.h"

#include "mlir/IR/MLIRContext.h"

#include <optional>

namespace ft {

enum class BatchKind {
  Dense,  ///< one document fills each row
  Packed, ///< several documents a row, some tokens without a target
  OneId,  ///< packed, and every token has the same id
};

struct SetupOptions {
  std::optional<LoraOptions> lora;
  BatchKind batch = BatchKind::Packed;
  Precision precision = Precision::Fp64True;
  int64_t steps = 1;      ///< micro-batches per optimizer step
  int64_t maxTargets = 0; ///< also segments for micro-batches of at most so many targets; a batch has 13
  RecomputePolicy recompute{Recompute::Nothing, Recompute::Nothing, 0};
  OptimizerOptions optimizer;
};

/// A model of a config.json text, 2 rows of 8 tokens, before and after differentiation.
class TrainingSetup {
public:
  TrainingSetup(llvm::StringRef config, const SetupOptions &options);

  mlir::ModuleOp original() { return *before; }
  mlir::ModuleOp differentiated() { return *after; }
  int trainedCount();

  /// Sets weights (never zero, LoRA's B included) and the batch inputs. The same every time for the same `batch`.
  void fill(Interpreter &interpreter, int batch = 0) const;

private:
  void fillBatch(Interpreter &interpreter, int batch) const;

  mlir::MLIRContext context;
  ModelConfig config;
  BatchShape shape;
  BatchKind kind;
  mlir::OwningOpRef<mlir::ModuleOp> before, after;
};

/// Fills the inputs of targets from the labels, as the host does; nothing where there are none.
void fillTargets(Interpreter &interpreter);

/// d loss / d variable, element by element, with a fourth-order central difference of @forward's LOSS.
std::vector<double> finiteDifferences(Interpreter &forward, llvm::StringRef variable);

/// |actual − expected| / max(|expected|, floor), 2-norms; infinite where a number is not finite or the denominator is
/// zero.
double relativeError(llvm::ArrayRef<double> actual, llvm::ArrayRef<double> expected, double floor = 0);

} // namespace ft
