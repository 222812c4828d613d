// Serves micro-batches in order, made ahead of time on a thread of its own.
#pragma once

#include "runtime/Text/BatchRecord.h"
#include "runtime/Text/RowOrder.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace ft::rt {

/// Several ranks share a micro-batch of world × BatchShape::rows rows: rows [rank · rows, (rank + 1) · rows) of it are
/// a rank's. So a world of W ranks of m rows trains and evaluates what one rank of W · m rows does, in the same order.
struct BatchShare {
  uint32_t rank = 0, world = 1;
};

/// Of a micro-batch of all ranks, but for firstRow: every rank computes it from the file, and on all it is the same.
struct BatchInfo {
  uint64_t step = 0;        ///< optimizer step from 0; evaluation: 0
  uint64_t microBatch = 0;  ///< inside the step, or inside the split
  uint64_t stepTargets = 0; ///< N: targets of the whole step, or of the whole split; above 0
  uint64_t mostTargets = 0; ///< of this micro-batch, of the rank that has most of them
  uint64_t targets = 0;     ///< of this micro-batch; above 0, though a rank of evaluation's last one may have none
  uint64_t tokens = 0;      ///< of this micro-batch without padding
  uint64_t documents = 0;   ///< of this micro-batch without padding
  uint64_t rows = 0;        ///< of this micro-batch, padding rows too
  uint64_t firstRow = 0;    ///< this rank's, inside the step or inside the split
  double epoch = 0;         ///< epochs passed after this micro-batch
  bool last = false;        ///< of the step, or of the split

  bool operator==(const BatchInfo &) const = default;
};

/// A filled record; valid until release().
struct Batch {
  uint32_t slot = 0; ///< which of the caller's records
  BatchInfo info;
};

/// Owns a thread that fills the caller's records (`slots`, at least one, two to overlap) in turn and waits while all
/// are taken. After creation nothing is allocated. take() and release() are for one thread, the trainer's.
///
/// Training is endless, in RowOrder's order; a step that an epoch's end falls into goes on in the next one,
/// so all steps have the same number of rows. Any step, and any row, can be started from without the ones before.
/// Evaluation serves each row once in the file's order; the last micro-batch is filled up with padding rows, and a rank
/// may have nothing else of it.
class BatchSource {
public:
  /// Refuses a file whose shape or vocabulary is not the batch's, and a rank outside its world. The memory behind
  /// `slots` outlives the source. `firstRow`: the run's row that step `firstStep` begins with; absent: as if all steps
  /// before had had as many rows.
  static Expected<std::unique_ptr<BatchSource>> training(std::shared_ptr<const TokenFile> file, const BatchShape &shape,
                                                         std::vector<BatchRecord> slots, uint64_t seed,
                                                         BatchShare share = {}, uint64_t firstStep = 0,
                                                         std::optional<uint64_t> firstRow = {});
  static Expected<std::unique_ptr<BatchSource>> evaluation(std::shared_ptr<const TokenFile> file,
                                                           const BatchShape &shape, std::vector<BatchRecord> slots,
                                                           BatchShare share = {});
  ~BatchSource();
  BatchSource(const BatchSource &) = delete;
  BatchSource &operator=(const BatchSource &) = delete;

  /// The next micro-batch, waiting until it is filled; null behind evaluation's last one. The pointer is good until
  /// that batch is released. Take no more than there are slots.
  const Batch *take();
  /// Gives the oldest taken record back to the thread. On a GPU: once its copy has happened.
  void release();
  /// Evaluation: starts again from the first row. Every taken record must have been released.
  void rewind();

  uint64_t microBatches() const; ///< of evaluation
  const TokenFile &file() const { return *tokens; }

private:
  BatchSource(std::shared_ptr<const TokenFile> file, const BatchShape &shape, std::vector<BatchRecord> slots,
              BatchShare share);
  Status start();
  void work();
  bool fillNext(Batch &batch, const BatchRecord &record); ///< false at the end
  void drawStep();
  uint64_t worldRows() const { return uint64_t(shape.rows) * share.world; } ///< of a micro-batch

  std::shared_ptr<const TokenFile> tokens;
  BatchShape shape;
  BatchShare share;
  std::vector<BatchRecord> slots;
  BatchFiller filler;
  bool endless = false;
  uint64_t totalTargets = 0;

  // The thread's own.
  uint64_t step = 0, row = 0, microBatch = 0, stepTargets = 0;
  std::vector<uint64_t> stepRows;
  RowOrder order;

  // Shared, under `mutex`: batches [released, filled) are in records, [released, taken) with the trainer.
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Batch> batches;
  uint64_t filled = 0, taken = 0, released = 0;
  bool ended = false, stopping = false, rewinding = false;
  std::thread thread;
};

/// Optimizer steps of a run of `world` ranks: max_steps, or else num_epochs over the file's rows, rounded up, at least
/// 1.
uint64_t totalSteps(const plan::Run &run, const BatchShape &shape, uint64_t rows, uint32_t world = 1);

} // namespace ft::rt
