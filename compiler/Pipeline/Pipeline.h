// From inputs to a plan: the one place where all phases meet. Phases.cpp reads top to bottom.
#pragma once

#include "compiler/Export/ExportPlan.h"
#include "compiler/Pipeline/Choices.h"
#include "compiler/Planning/AssignMemory.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

namespace ft {

/// Compiled inputs, up to the code of their kernels.
struct Compilation {
  Choices choices; ///< that were planned
  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  MemoryPeak peak; ///< of transient values
  plan::Plan plan;
  PlanSections sections;
};

/// Runs every phase up to the placement of the last byte; verifies the module behind the last one, and the plan, if it
/// fits, by the independent verifier. BadInput for a shape that the model or a plan cannot have; whether the plan fits
/// is the caller's question. `dumpDir`: if not empty, numbered IR after each phase, which is verified as well.
rt::Expected<Compilation> planExactly(const Inputs &inputs, const Choices &choices, const std::string &dumpDir = "");

/// The same plan for its numbers alone, in half of the time: neither the module nor the plan is verified. Of what is
/// compared, and of models that stand for a larger one, whose own plan is.
rt::Expected<Compilation> estimate(const Inputs &inputs, const Choices &choices);

/// The same as planExactly, where the recipe says AUTO with what fits of it: a deterministic engine whose workspace
/// does not fit is given up; of strategies the one that splits least is taken; of rows of a micro-batch and of what
/// backward makes again the fastest by prediction. Notes of the plan say which.
rt::Expected<Compilation> planFrom(const Inputs &inputs, const Choices &choices, const std::string &dumpDir = "");

/// The same, of a recipe that is tried since another one does not fit: CannotRun where no plan fits, without making
/// those that surely do not. Who offers the plan verifies it.
rt::Expected<Compilation> planFitting(const Inputs &inputs, const Choices &choices);

/// Which processors' instructions kernels for them are compiled to. Those with AVX-512 run either, with the same bits.
enum class ProcessorCode { Avx2AndAvx512, Avx2 };

/// Fills in the constants, compiles the distinct kernels and adds their images: what a plan that is written needs and
/// one that is compared does not.
rt::Status generateCode(Compilation &compilation, const std::string &dumpDir,
                        ProcessorCode code = ProcessorCode::Avx2AndAvx512);

/// Writes plan.bin, then reads it back as ftrun would, with both checks.
rt::Status writePlan(const Compilation &compilation, const std::string &path);

} // namespace ft
