#include "runtime/Text/TargetReport.h"

#include "runtime/Text/RowOrder.h"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <numeric>

using namespace ft;
using namespace ft::rt;

static std::vector<uint32_t> targetsOfRows(const TokenFile &file) {
  std::vector<uint32_t> targets(file.rows());
  for (uint64_t row = 0; row < file.rows(); ++row)
    targets[row] = file.row(row).targets;
  return targets;
}

/// Of as many micro-batches, of which `targetsOf` says how many the row has that stands at a place of the run.
static MicroBatchTargets countTargets(uint64_t microBatches, const BatchShape &shape, uint32_t world,
                                      const std::function<uint64_t(uint64_t)> &targetsOf, uint64_t bound) {
  MicroBatchTargets result;
  result.rows = shape.rows, result.tokens = shape.tokens(), result.bound = bound;
  std::vector<uint64_t> counts;
  for (uint64_t i = 0, row = 0; i < microBatches; ++i) {
    uint64_t most = 0;
    for (uint32_t rank = 0; rank < world; ++rank) {
      uint64_t sum = 0;
      for (uint32_t r = 0; r < shape.rows; ++r)
        sum += targetsOf(row++);
      most = std::max(most, sum);
    }
    counts.push_back(most);
    result.within += most <= bound;
  }
  if (counts.empty())
    return result;
  result.count = counts.size();
  result.mean = std::accumulate(counts.begin(), counts.end(), 0.0) / double(counts.size());
  std::sort(counts.begin(), counts.end());
  result.nineOfTen = counts[(counts.size() * 9 + 9) / 10 - 1];
  result.most = counts.back();
  return result;
}

/// The rows with the most targets may meet.
static uint64_t mostInAnyOrder(std::vector<uint32_t> targets, uint64_t rows) {
  const size_t first = std::min<size_t>(rows, targets.size());
  std::partial_sort(targets.begin(), targets.begin() + std::ptrdiff_t(first), targets.end(), std::greater<>());
  const uint64_t sum = std::accumulate(targets.begin(), targets.begin() + std::ptrdiff_t(first), uint64_t(0));
  // A step that goes on in the next epoch may take a row again.
  return rows > targets.size() ? sum * ((rows - 1) / targets.size() + 1) : sum;
}

MicroBatchTargets ft::rt::trainingTargets(const TokenFile &file, const BatchShape &shape, const plan::Batch &batch,
                                          const plan::Run &run, uint32_t world) {
  constexpr uint64_t most = uint64_t(1) << 20;
  const std::vector<uint32_t> targets = targetsOfRows(file);
  RowOrder order(run.seed(), file.rows());
  const uint64_t steps = std::min(totalSteps(run, shape, file.rows(), world), most);
  MicroBatchTargets result = countTargets(
      std::min(steps * shape.accumulation, most), shape, world, [&](uint64_t row) { return targets[order.at(row)]; },
      batch.max_target_tokens());
  result.anyOrder = mostInAnyOrder(targets, shape.rows);
  return result;
}

MicroBatchTargets ft::rt::evaluationTargets(const TokenFile &file, const BatchShape &shape, const plan::Batch &batch,
                                            uint32_t world) {
  const std::vector<uint32_t> targets = targetsOfRows(file);
  const uint64_t worldRows = uint64_t(shape.rows) * world;
  MicroBatchTargets result = countTargets((file.rows() + worldRows - 1) / worldRows, shape, world,
                                          [&](uint64_t row) { return row < targets.size() ? targets[row] : 0; },
                                          batch.max_eval_target_tokens());
  result.anyOrder = result.most; // the file's order is the only one
  return result;
}

std::string ft::rt::formatTargets(const MicroBatchTargets &targets, std::string_view field) {
  if (targets.count == 0)
    return "";
  std::string text = fmt::format(
      "  targets of a micro-batch of {} rows ({} tokens): {:.0f} on average, at most {} in nine "
      "of ten, at most {} in all {}{}\n",
      targets.rows, targets.tokens, targets.mean, targets.nineOfTen, targets.most, targets.count,
      targets.anyOrder > targets.most ? fmt::format("; in another order {} at most", targets.anyOrder) : "");
  if (targets.most >= targets.tokens)
    text += fmt::format("  {} cannot bound all of them: one is trained on all its tokens\n", field);
  else
    text += fmt::format("  {}: {} bounds all of them, {} nine of ten\n", field, targets.most, targets.nineOfTen);
  if (targets.bound > 0)
    text += fmt::format("  the plan's bound of {} holds for {} of {} micro-batches ({:.1f} %)\n", targets.bound,
                        targets.within, targets.count, 100.0 * double(targets.within) / double(targets.count));
  return text;
}
