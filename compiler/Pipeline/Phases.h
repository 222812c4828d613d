// The phases between Import and Export as a list: what ftc runs, and what ft-opt's named pipelines run.
#pragma once

#include "compiler/Layout/Layout.h"
#include "compiler/Model/ModelOptions.h"
#include "compiler/Planning/AssignMemory.h"
#include "compiler/Planning/PlanningOptions.h"
#include "compiler/Sharding/Partition.h"
#include "recipes/target.pb.h"

#include <functional>
#include <vector>

namespace ft {

/// Where one language ends and the next begins. PhaseChecks.h says what holds there.
enum class Border {
  Model,   ///< ft: the training step on global shapes
  Sharded, ///< ft and dist: one rank's
  Kernel,  ///< kernel.fused beside what is not row-wise
  Plan,    ///< steps over buffers with addresses
};

struct PhaseOptions {
  ModelOptions model;
  MeshSpec mesh;
  Strategy strategy = Strategy::Ddp;
  bool splitFrozen = false;
  double hostFraction = 0;                            ///< of trained parameters: LayoutOptions
  bool gradientsLeave = false;                        ///< LayoutOptions
  int64_t mostExchangedBytes = defaultExchangedBytes; ///< LayoutOptions
  bool multiplyCodes = false;                         ///< products of weights in FP8 multiply codes
  bool keepTransposes = false;                        ///< of these codes, in memory of their own
  int64_t columnPartials = 64;                        ///< items of persistent column reductions
  PlanningOptions planning;
  const recipe::TargetSpec *target = nullptr; ///< whose rates predict times; null: none are predicted
  MemoryPeak *peak = nullptr;                 ///< receives the fullest moment; null: nobody asks
  bool verifies = true;                       ///< the module after each pass of compiler/Model
};

/// A phase or a part of one: the name of its dump and in its errors, and what it does to a module.
struct Phase {
  const char *name;
  std::function<mlir::LogicalResult(mlir::ModuleOp)> run;
};

/// From what buildModel made to `border`, in order; the last phase before each border checks it. What `options` points
/// to must outlive the list.
std::vector<Phase> phasesTo(Border border, const PhaseOptions &options);

/// The dialects that phases make operations of.
void registerPhaseDialects(mlir::DialectRegistry &registry);

} // namespace ft
