// Whether the weights that a run starts from are, byte by byte, those of another.
#pragma once

#include "runtime/Weights/Model.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace ft::rt {

/// XXH3 of every byte of a model's tensors, in the order of their names: the same however many files hold them,
/// whatever ranks load of them, and whatever threads read. Reading is done once, at the speed of memory where the files
/// are in it. Any thread may call.
class WeightsChecksum {
public:
  WeightsChecksum();
  ~WeightsChecksum(); ///< ends what is being read
  WeightsChecksum(const WeightsChecksum &) = delete;
  WeightsChecksum &operator=(const WeightsChecksum &) = delete;

  /// Begins to read beside whatever else is done: on one thread, which gives way to others. `model` must outlive this,
  /// and must have files.
  void begin(const ModelSource &model);
  /// Reads what has not been read, on `threads` threads, and waits for the rest.
  uint64_t of(const ModelSource &model, uint32_t threads);
  /// Where all has been read; does not wait.
  std::optional<uint64_t> known() const;

private:
  struct Reading;

  std::mutex mutex;
  std::unique_ptr<Reading> reading; ///< null before anybody asks
  std::thread beside;
  std::atomic<bool> isKnown{false};
  uint64_t sum = 0; ///< where it is known
};

} // namespace ft::rt
