// From a recipe to a plan: the one place where all phases meet. Pipeline.cpp reads top to bottom.
#pragma once

#include "compiler/Export/ExportPlan.h"
#include "compiler/Import/ModelConfig.h"
#include "compiler/Planning/AssignMemory.h"
#include "compiler/Recipe/Recipe.h"
#include "compiler/Recipe/TargetFile.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace ft {

struct CompileRequest {
  std::string recipePath;
  std::vector<std::string> overrides; ///< "lora.r=16"
  std::string gpu;                    ///< a target's name; empty: the recipe's
  std::string loraForm = "auto";      ///< "folded", "unfolded", or "auto": what pays on the target
  int64_t headLanes = 0; ///< elements of a head in memory; 0: head_dim, or what the target's attention takes
  std::string recipesFolder;
  std::string planFolder = "."; ///< where -o lies: data paths are stored relative to it
  std::string dumpDir;          ///< if not empty: numbered IR after each phase
};

/// A compiled recipe, up to the code of its kernels.
struct Compilation {
  LoadedRecipe recipe;
  recipe::TargetSpec target;
  ModelConfig model;
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  plan::Plan plan;
  PlanSections sections;
  MemoryPeak peak;

  /// Whether an arena takes memory of the target; on a processor all do.
  bool counts(const plan::Arena &arena) const;
  /// Those arenas and what lies outside them, in bytes.
  uint64_t neededBytes() const;
  /// False where the target's memory is known and too small.
  bool fits() const { return target.memory_bytes() == 0 || neededBytes() <= target.memory_bytes(); }
};

/// Runs every phase up to the placement of the last byte, and the independent verifier. BadInput for the recipe or the
/// model, CannotRun for what the target cannot do; whether it fits is the caller's question.
rt::Expected<Compilation> planRecipe(const CompileRequest &request);

/// Compiles the distinct kernels and adds their images.
rt::Status generateCode(Compilation &compilation, const std::string &dumpDir);

/// Writes plan.bin, then reads it back as ftrun would, with both checks.
rt::Status writePlan(const Compilation &compilation, const std::string &path);

} // namespace ft
