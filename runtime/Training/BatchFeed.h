// Batches on their way from the data to a plan's staging area.
#pragma once

#include "runtime/Program/RankProgram.h"
#include "runtime/Text/BatchSource.h"

namespace ft::rt {

/// Host memory for one batch record of a plan: all inputs but the scalars.
class HostRecord {
public:
  HostRecord(const plan::Plan &plan, const BatchShape &shape);
  const BatchRecord &pointers() const { return record; }
  /// Copies every input that the plan has into the current record of the staging area.
  void copyTo(StagingArea &staging) const;

private:
  struct Input {
    plan::BatchInput::Kind kind;
    std::vector<int32_t> values;
  };
  std::vector<Input> inputs;
  BatchRecord record;
};

/// A rank's BatchSource with two records of its own, so that training's next batches wait undisturbed while evaluation
/// and generation use the staging area.
class BatchFeed {
public:
  static Expected<std::unique_ptr<BatchFeed>> training(const plan::Plan &plan, std::shared_ptr<const TokenFile> file,
                                                       uint64_t seed, BatchShare share = {}, uint64_t firstStep = 0,
                                                       std::optional<uint64_t> firstRow = {});
  static Expected<std::unique_ptr<BatchFeed>> evaluation(const plan::Plan &plan, std::shared_ptr<const TokenFile> file,
                                                         BatchShare share = {});

  BatchSource &source() { return *batches; }
  /// The next micro-batch, copied into the staging area's current record; nothing behind evaluation's last one.
  std::optional<BatchInfo> next(StagingArea &staging);

private:
  BatchFeed() = default;
  void makeRecords(const plan::Plan &plan, const BatchShape &shape);

  std::vector<HostRecord> records;
  std::unique_ptr<BatchSource> batches; // behind the records: its thread stops first
};

/// The numbers of the SCALARS input, by plan::Scalar.
struct BatchScalars {
  double inverseTargets = 1, learningRate = 0, biasCorrection1 = 1, biasCorrection2 = 1;
  uint64_t step = 0, microBatch = 0, firstPosition = 0;
  /// Writes them into the current record, where the plan has them.
  void writeTo(StagingArea &staging) const;
};

} // namespace ft::rt
