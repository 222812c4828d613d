// How many targets the micro-batches of a run have: what a bound on them would need to be.
#pragma once

#include "runtime/Text/BatchRecord.h"
#include "runtime/Text/BatchSource.h"

#include <string>

namespace ft::rt {

/// Of one rank's micro-batches. Ranks take the full computation together, so what counts is the rank that has most.
struct MicroBatchTargets {
  uint64_t rows = 0;      ///< of a micro-batch
  uint64_t tokens = 0;    ///< of a micro-batch, padding too
  uint64_t count = 0;     ///< micro-batches that were counted; 0: none
  double mean = 0;        ///< targets
  uint64_t nineOfTen = 0; ///< as few have nine of ten
  uint64_t most = 0;      ///< as few have all
  uint64_t anyOrder = 0;  ///< as few have all in whatever order of the file's rows
  uint64_t bound = 0;     ///< the plan's; 0: none
  uint64_t within = 0;    ///< micro-batches that keep to it
};

/// Of the first rows of a training run, at most 2^20 micro-batches of it, in the order in which it takes them.
MicroBatchTargets trainingTargets(const TokenFile &file, const BatchShape &shape, const plan::Batch &batch,
                                  const plan::Run &run, uint32_t world);
/// Of an evaluation of the file.
MicroBatchTargets evaluationTargets(const TokenFile &file, const BatchShape &shape, const plan::Batch &batch,
                                    uint32_t world);

/// A few lines, each ending with a newline; `field` is the recipe's, "max_target_tokens".
std::string formatTargets(const MicroBatchTargets &targets, std::string_view field);

} // namespace ft::rt
