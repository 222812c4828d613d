#include "runtime/Text/BatchSource.h"

#include "runtime/Text/DataRandom.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>
#include <system_error>

namespace ft::rt {

namespace {
Status checkFile(const TokenFile &file, const BatchShape &shape, size_t slots) {
  const TokenFileIdentity &identity = file.identity();
  if (identity.shape != shape.row || identity.vocabSize != shape.vocabSize) {
    TokenFileIdentity wanted = identity;
    wanted.shape = shape.row;
    wanted.vocabSize = shape.vocabSize;
    return badInput(fmt::format("{}: {}", file.name(), identity.difference(file.name(), wanted)));
  }
  if (slots == 0)
    return badInput("a batch source needs at least one record to fill");
  if (file.rows() > UINT32_MAX)
    return badInput(fmt::format("{}: has {} rows; at most {}", file.name(), file.rows(), UINT32_MAX));
  return {};
}
} // namespace

BatchSource::BatchSource(std::shared_ptr<const TokenFile> file, const BatchShape &shape, std::vector<BatchRecord> slots)
    : tokens(std::move(file)), shape(shape), slots(std::move(slots)), filler(shape), batches(this->slots.size()) {
  for (size_t slot = 0; slot < batches.size(); ++slot)
    batches[slot].slot = uint32_t(slot);
}

Expected<std::unique_ptr<BatchSource>> BatchSource::training(std::shared_ptr<const TokenFile> file,
                                                             const BatchShape &shape, std::vector<BatchRecord> slots,
                                                             uint64_t seed, uint64_t firstStep) {
  FT_RETURN_IF_ERROR(checkFile(*file, shape, slots.size()));
  std::unique_ptr<BatchSource> source(new BatchSource(std::move(file), shape, std::move(slots)));
  source->endless = true;
  source->seed = seed;
  source->step = firstStep;
  source->stepRows.resize(shape.rowsPerStep());
  source->permutation.resize(source->tokens->rows());
  FT_RETURN_IF_ERROR(source->start());
  return source;
}

Expected<std::unique_ptr<BatchSource>> BatchSource::evaluation(std::shared_ptr<const TokenFile> file,
                                                               const BatchShape &shape,
                                                               std::vector<BatchRecord> slots) {
  FT_RETURN_IF_ERROR(checkFile(*file, shape, slots.size()));
  std::unique_ptr<BatchSource> source(new BatchSource(std::move(file), shape, std::move(slots)));
  source->stepRows.resize(shape.rows);
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

uint64_t BatchSource::microBatches() const { return (tokens->rows() + shape.rows - 1) / shape.rows; }

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
  const uint64_t rows = tokens->rows();
  BatchInfo &info = batch.info;
  std::span<const uint64_t> indices = stepRows;
  info = {};
  if (endless) {
    if (microBatch == 0)
      drawStep();
    indices = indices.subspan(microBatch * shape.rows, shape.rows);
    info.step = step;
    info.stepTargets = stepTargets;
    info.last = microBatch + 1 == shape.accumulation;
  } else {
    if (microBatch == microBatches())
      return false;
    for (uint32_t r = 0; r < shape.rows; ++r) {
      const uint64_t row = microBatch * shape.rows + r;
      stepRows[r] = row < rows ? row : BatchFiller::PaddingRow;
    }
    info.stepTargets = totalTargets;
    info.last = microBatch + 1 == microBatches();
  }
  info.microBatch = microBatch;
  info.firstRow = microBatch * shape.rows;
  for (uint64_t index : indices) {
    if (index == BatchFiller::PaddingRow)
      continue;
    const TokenRow row = tokens->row(index);
    info.targets += row.targets;
    info.documents += row.documentLens.size();
    info.tokens += std::accumulate(row.documentLens.begin(), row.documentLens.end(), uint64_t(0));
  }
  info.epoch = double(step * shape.rowsPerStep() + info.firstRow + shape.rows) / double(rows);
  filler.fill(*tokens, indices, record);
  ++microBatch;
  if (endless && info.last) {
    microBatch = 0;
    ++step;
  }
  return true;
}

/// The rows of step `step`, and how many targets they have.
void BatchSource::drawStep() {
  const uint64_t rows = tokens->rows();
  stepTargets = 0;
  for (uint32_t i = 0; i < stepRows.size(); ++i) {
    const uint64_t global = step * stepRows.size() + i;
    permute(global / rows);
    stepRows[i] = permutation[global % rows];
    stepTargets += tokens->row(stepRows[i]).targets;
  }
}

void BatchSource::permute(uint64_t epoch) {
  if (epoch == permutedEpoch)
    return;
  permutedEpoch = epoch;
  std::iota(permutation.begin(), permutation.end(), 0u);
  char name[32];
  const auto end = fmt::format_to_n(name, sizeof name, "epoch/{}", epoch);
  DataRandom(seed, std::string_view(name, end.size)).shuffle(std::span(permutation));
}

uint64_t totalSteps(const plan::Run &run, const BatchShape &shape, uint64_t rows) {
  if (run.max_steps() > 0)
    return run.max_steps();
  const double steps = std::ceil(run.num_epochs() * double(rows) / double(shape.rowsPerStep()));
  return uint64_t(std::clamp(steps, 1.0, 0x1p53));
}

} // namespace ft::rt
