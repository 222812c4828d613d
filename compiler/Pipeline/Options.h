// What inputs and choices mean to each phase.
#pragma once

#include "compiler/Import/BuildModel.h"
#include "compiler/Model/ModelOptions.h"
#include "compiler/Pipeline/Choices.h"
#include "compiler/Planning/AssignMemory.h"
#include "compiler/Planning/PlanningOptions.h"
#include "runtime/Plan/plan.pb.h"

namespace ft {

/// Whether a layer's window hides keys in the recipe's rows.
bool hasWindows(const Inputs &inputs);
/// Of one rank's micro-batch: the recipe's bounds, rounded up; 0 where it has none, or one that all batches keep to.
TargetBounds boundsOnTargets(const Inputs &inputs, const Choices &choices);
BatchShape batchShape(const Inputs &inputs, const Choices &choices);
ModelOptions modelOptions(const Inputs &inputs, const Choices &choices);
PlanningOptions planningOptions(const Inputs &inputs, const Choices &choices);

/// Refuses what the target has no instructions or no libraries for, with CannotRun.
rt::Status checkTarget(const LoadedRecipe &recipe, const recipe::TargetSpec &target);
/// Refuses with BadInput a shape that the model cannot take, and what would be too long a plan.
rt::Status checkSize(const Inputs &inputs, const Choices &choices);

/// Identity, target, batch and run sections, texts and facts of the plan, before export.
void describePlan(const Inputs &inputs, const Choices &choices, plan::Plan &plan);
/// What needs the exported module: staging, exports, what lies outside the arenas, statistics.
void finishPlan(const recipe::TargetSpec &target, const MemoryPeak &peak, plan::Plan &plan);

/// PEFT's adapter_config.json.
std::string adapterConfig(const LoadedRecipe &recipe, const ModelConfig &model);

} // namespace ft
