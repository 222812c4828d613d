#include "runtime/Training/BatchFeed.h"

#include <algorithm>

using namespace ft;
using namespace ft::rt;

HostRecord::HostRecord(const plan::Plan &plan, const BatchShape &shape) {
  for (const plan::BatchInput &input : plan.inputs())
    if (uint64_t elements = shape.elements(input.kind()))
      inputs.push_back({input.kind(), std::vector<int32_t>(elements)});
  for (Input &input : inputs)
    if (int32_t **pointer = record.of(input.kind))
      *pointer = input.values.data();
}

void HostRecord::copyTo(StagingArea &staging) const {
  for (const Input &input : inputs)
    std::copy(input.values.begin(), input.values.end(), static_cast<int32_t *>(staging.input(input.kind)));
}

void BatchFeed::makeRecords(const plan::Plan &plan, const BatchShape &shape) {
  for (int i = 0; i < 2; ++i)
    records.emplace_back(plan, shape);
}

Expected<std::unique_ptr<BatchFeed>> BatchFeed::training(const plan::Plan &plan, std::shared_ptr<const TokenFile> file,
                                                         uint64_t seed, BatchShare share, uint64_t firstStep,
                                                         std::optional<uint64_t> firstRow) {
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(plan.batch()));
  std::unique_ptr<BatchFeed> feed(new BatchFeed);
  feed->makeRecords(plan, shape);
  FT_ASSIGN_OR_RETURN(feed->batches, BatchSource::training(std::move(file), shape,
                                                           {feed->records[0].pointers(), feed->records[1].pointers()},
                                                           seed, share, firstStep, firstRow));
  return feed;
}

Expected<std::unique_ptr<BatchFeed>> BatchFeed::evaluation(const plan::Plan &plan,
                                                           std::shared_ptr<const TokenFile> file, BatchShare share) {
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(plan.batch()));
  std::unique_ptr<BatchFeed> feed(new BatchFeed);
  feed->makeRecords(plan, shape);
  FT_ASSIGN_OR_RETURN(feed->batches,
                      BatchSource::evaluation(std::move(file), shape,
                                              {feed->records[0].pointers(), feed->records[1].pointers()}, share));
  return feed;
}

std::optional<BatchInfo> BatchFeed::next(StagingArea &staging) {
  const Batch *batch = batches->take();
  if (!batch)
    return std::nullopt;
  const BatchInfo info = batch->info;
  records[batch->slot].copyTo(staging);
  batches->release();
  return info;
}

void BatchScalars::writeTo(StagingArea &staging) const {
  auto *scalars = static_cast<double *>(staging.input(plan::BatchInput::SCALARS));
  if (!scalars)
    return;
  scalars[plan::INVERSE_TARGETS] = inverseTargets;
  scalars[plan::LEARNING_RATE] = learningRate;
  scalars[plan::BIAS_CORRECTION1] = biasCorrection1;
  scalars[plan::BIAS_CORRECTION2] = biasCorrection2;
  scalars[plan::STEP] = static_cast<double>(step);
  scalars[plan::MICRO_BATCH] = static_cast<double>(microBatch);
  scalars[plan::FIRST_POSITION_LOW] = static_cast<double>(firstPosition & 0xFFFFFFFFu);
  scalars[plan::FIRST_POSITION_HIGH] = static_cast<double>(firstPosition >> 32);
}
