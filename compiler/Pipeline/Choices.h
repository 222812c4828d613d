// What the compiler may choose. A search plans the same inputs again with other choices.
#pragma once

#include "compiler/Model/RecomputePolicy.h"
#include "compiler/Pipeline/Inputs.h"
#include "compiler/Sharding/Partition.h"

namespace ft {

struct Choices {
  int64_t rows = 1;              ///< of a micro-batch
  int64_t accumulationSteps = 1; ///< micro-batches of a step
  MeshSpec mesh;
  Strategy strategy = Strategy::Ddp;
  bool splitFrozen = false;      ///< ranks hold frozen weights in parts as well
  bool foldAdapters = false;     ///< adapters in the borders of their base weights
  bool libraryAttention = false; ///< else tiled
  bool multiplyCodes = false;    ///< products of a base in FP8; else of numbers made of the codes
  bool keepTransposes = false;   ///< of these codes, in memory of their own
  int64_t headLanes = 0;         ///< elements of a head in memory; 0: head_dim
  double hostFraction = 0;       ///< share of trained parameters whose optimizer states lie on the host
  bool gradientsLeave = false;   ///< theirs lie there as well, where a step is one micro-batch
  RecomputePolicy recompute;
  bool deterministic = true; ///< take deterministic engines where the target has them

  bool operator==(const Choices &) const = default;
};

/// The strategy as recipes call it.
const char *strategyName(const Choices &choices);
/// What the recipe leaves open of who holds what, the least that is split first; one entry where it says all.
std::vector<Choices> splitsToTry(const Inputs &inputs, const Choices &choices);
/// The same of transposed codes, the fastest first.
std::vector<Choices> transposesToTry(const Inputs &inputs, const Choices &choices);
/// The recipe that asks for exactly these choices.
void setSplit(const Choices &choices, recipe::Parallelism &parallelism);

/// What the recipe asks for and, where it leaves a choice open, what pays on the target. Where deterministic is AUTO
/// that is the deterministic engine, which planFrom gives up if its workspace does not fit.
Choices choose(const Inputs &inputs);

} // namespace ft
