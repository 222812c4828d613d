#include "runtime/Text/BatchSource.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <system_error>

namespace ft::rt {

namespace {
Status check(const TokenFile &file, const BatchShape &shape, size_t slots, BatchShare share) {
  const TokenFileIdentity &identity = file.identity();
  if (identity.shape != shape.row || identity.vocabSize != shape.vocabSize) {
    TokenFileIdentity wanted = identity;
    wanted.shape = shape.row;
    wanted.vocabSize = shape.vocabSize;
    return badInput(fmt::format("{}: {}", file.name(), identity.difference(file.name(), wanted)));
  }
  if (share.rank >= share.world)
    return badInput(fmt::format("batches for rank {} of a world of {}; must be below it", share.rank, share.world));
  // As BatchShape bounds the rows of one rank: a step's rows are drawn at once.
  if (uint64_t(shape.rowsPerStep()) * share.world > 1u << 24)
    return badInput(fmt::format("the step has {} rows, {} on each of {} ranks; at most {}",
                                uint64_t(shape.rowsPerStep()) * share.world, shape.rowsPerStep(), share.world,
                                1u << 24));
  if (slots == 0)
    return badInput("a batch source needs at least one record to fill");
  if (file.rows() > UINT32_MAX)
    return badInput(fmt::format("{}: has {} rows; at most {}", file.name(), file.rows(), UINT32_MAX));
  return {};
}
} // namespace

BatchSource::BatchSource(std::shared_ptr<const TokenFile> file, const BatchShape &shape, std::vector<BatchRecord> slots,
                         BatchShare share)
    : tokens(std::move(file)), shape(shape), share(share), slots(std::move(slots)), filler(shape),
      batches(this->slots.size()) {
  for (size_t slot = 0; slot < batches.size(); ++slot)
    batches[slot].slot = uint32_t(slot);
}

Expected<std::unique_ptr<BatchSource>> BatchSource::training(std::shared_ptr<const TokenFile> file,
                                                             const BatchShape &shape, std::vector<BatchRecord> slots,
                                                             uint64_t seed, BatchShare share, uint64_t firstStep,
                                                             std::optional<uint64_t> firstRow) {
  FT_RETURN_IF_ERROR(check(*file, shape, slots.size(), share));
  std::unique_ptr<BatchSource> source(new BatchSource(std::move(file), shape, std::move(slots), share));
  source->endless = true;
  source->step = firstStep;
  source->stepRows.resize(source->worldRows() * shape.accumulation);
  source->row = firstRow.value_or(firstStep * source->stepRows.size());
  source->order = RowOrder(seed, source->tokens->rows());
  FT_RETURN_IF_ERROR(source->start());
  return source;
}

Expected<std::unique_ptr<BatchSource>> BatchSource::evaluation(std::shared_ptr<const TokenFile> file,
                                                               const BatchShape &shape, std::vector<BatchRecord> slots,
                                                               BatchShare share) {
  FT_RETURN_IF_ERROR(check(*file, shape, slots.size(), share));
  std::unique_ptr<BatchSource> source(new BatchSource(std::move(file), shape, std::move(slots), share));
  source->stepRows.resize(source->worldRows());
  source->totalTargets = source->tokens->stats().targets;
  FT_RETURN_IF_ERROR(source->start());
  return source;
}

Status BatchSource::start() {
  try {
    thread = std::thread([this] { work(); });
  } catch (const std::system_error &error) {
    return cannotRun(fmt::format("no thread for the batch source: {}", error.what()));
  }
  return {};
}

BatchSource::~BatchSource() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  changed.notify_all();
  if (thread.joinable())
    thread.join();
}

uint64_t BatchSource::microBatches() const { return (tokens->rows() + worldRows() - 1) / worldRows(); }

//===-- the trainer's side --------------------------------------------------------------------------------------===//

const Batch *BatchSource::take() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return (taken < filled || ended) && !rewinding; });
  return taken < filled ? &batches[taken++ % slots.size()] : nullptr;
}

void BatchSource::release() {
  {
    std::lock_guard lock(mutex);
    ++released;
  }
  changed.notify_all();
}

void BatchSource::rewind() {
  {
    std::lock_guard lock(mutex);
    rewinding = true;
  }
  changed.notify_all();
}

//===-- the thread's side ---------------------------------------------------------------------------------------===//

void BatchSource::work() {
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return stopping || rewinding || (!ended && filled - released < slots.size()); });
    if (stopping)
      return;
    if (rewinding) {
      filled = taken = released = 0;
      microBatch = 0;
      ended = rewinding = false;
      continue;
    }
    // No other side touches the slot at `filled` until it is counted.
    Batch &batch = batches[filled % slots.size()];
    const BatchRecord &record = slots[batch.slot];
    lock.unlock();
    const bool more = fillNext(batch, record);
    lock.lock();
    if (more)
      ++filled;
    else
      ended = true;
    changed.notify_all();
  }
}

bool BatchSource::fillNext(Batch &batch, const BatchRecord &record) {
  const uint64_t rows = tokens->rows(), own = uint64_t(share.rank) * shape.rows;
  BatchInfo &info = batch.info;
  std::span<const uint64_t> indices = stepRows;
  info = {};
  if (endless) {
    if (microBatch == 0)
      drawStep();
    indices = indices.subspan(microBatch * worldRows(), worldRows());
    info.step = step;
    info.stepTargets = stepTargets;
    info.last = microBatch + 1 == shape.accumulation;
  } else {
    if (microBatch == microBatches())
      return false;
    for (uint64_t r = 0; r < worldRows(); ++r) {
      const uint64_t row = microBatch * worldRows() + r;
      stepRows[r] = row < rows ? row : BatchFiller::PaddingRow;
    }
    info.stepTargets = totalTargets;
    info.last = microBatch + 1 == microBatches();
  }
  info.microBatch = microBatch;
  info.rows = worldRows();
  info.firstRow = microBatch * worldRows() + own;
  uint64_t rankTargets = 0; // of the rank that has the row
  for (uint64_t r = 0; r < indices.size(); ++r) {
    rankTargets = r % shape.rows == 0 ? 0 : rankTargets;
    if (indices[r] == BatchFiller::PaddingRow)
      continue;
    const TokenRow row = tokens->row(indices[r]);
    rankTargets += row.targets;
    info.mostTargets = std::max(info.mostTargets, rankTargets);
    info.targets += row.targets;
    info.documents += row.documentLens.size();
    info.tokens += std::accumulate(row.documentLens.begin(), row.documentLens.end(), uint64_t(0));
  }
  info.epoch = double(row + (microBatch + 1) * worldRows()) / double(rows);
  filler.fill(*tokens, indices.subspan(own, shape.rows), record);
  ++microBatch;
  if (endless && info.last) {
    microBatch = 0;
    ++step;
    row += stepRows.size();
  }
  return true;
}

/// The rows of step `step` on all ranks, and how many targets they have.
void BatchSource::drawStep() {
  stepTargets = 0;
  for (uint32_t i = 0; i < stepRows.size(); ++i) {
    stepRows[i] = order.at(row + i);
    stepTargets += tokens->row(stepRows[i]).targets;
  }
}

uint64_t totalSteps(const plan::Run &run, const BatchShape &shape, uint64_t rows, uint32_t world) {
  if (run.max_steps() > 0)
    return run.max_steps();
  const double steps = std::ceil(run.num_epochs() * double(rows) / (double(shape.rowsPerStep()) * world));
  return uint64_t(std::clamp(steps, 1.0, 0x1p53));
}

} // namespace ft::rt
