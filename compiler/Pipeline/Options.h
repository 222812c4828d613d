// What a recipe and a target mean to each phase.
#pragma once

#include "compiler/Import/BuildModel.h"
#include "compiler/Model/ModelOptions.h"
#include "compiler/Pipeline/Pipeline.h"
#include "compiler/Planning/PlanningOptions.h"

namespace ft {

BatchShape batchShape(const LoadedRecipe &recipe, const recipe::TargetSpec &target, const ModelConfig &model);
ModelOptions modelOptions(const LoadedRecipe &recipe);
/// `deterministic`: take deterministic engines where the target has them.
PlanningOptions planningOptions(const LoadedRecipe &recipe, const recipe::TargetSpec &target, const ModelConfig &model,
                                const BatchShape &shape, bool deterministic);

/// Refuses what the target has no instructions or no libraries for, with CannotRun.
rt::Status checkTarget(const LoadedRecipe &recipe, const recipe::TargetSpec &target);
/// Refuses with BadInput what would be too long a plan.
rt::Status checkSize(const LoadedRecipe &recipe, const ModelConfig &model, const PlanningOptions &planning);
/// The error for a base_model that is neither known nor a folder: what was tried and the nearest name.
rt::Status unknownModel(const CompileRequest &request, const LoadedRecipe &recipe, const std::string &tried);

/// Identity, target, batch and run sections, texts and facts of the plan, before export.
void describePlan(Compilation &compilation, const CompileRequest &request, const PlanningOptions &planning,
                  const BatchShape &shape);
/// What needs the exported module: staging, exports, statistics.
void finishPlan(Compilation &compilation);

/// PEFT's adapter_config.json.
std::string adapterConfig(const LoadedRecipe &recipe, const ModelConfig &model);

} // namespace ft
