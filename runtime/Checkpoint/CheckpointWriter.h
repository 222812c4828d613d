// Writes checkpoints beside the training.
#pragma once

#include "runtime/Checkpoint/CheckpointFolder.h"

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

namespace ft::rt {

/// A thread of its own for the one checkpoint that is being written. What it reads must not change until it is done.
/// One thread calls.
class CheckpointWriter {
public:
  /// What a write came to: its own status, and what went wrong when old ones were removed.
  struct Outcome {
    uint64_t step = 0;
    Status written, removed;
  };

  CheckpointWriter(Files &files, std::string folder) : files(files), folder(std::move(folder)) {}
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter &) = delete;
  CheckpointWriter &operator=(const CheckpointWriter &) = delete;

  /// What is written, and what then goes: `limit` 0 removes nothing; `keep` is a step whose checkpoint stays.
  struct Order {
    const plan::Plan &plan;
    BufferReader read;
    CheckpointState state;
    uint64_t limit = 0;
    std::optional<uint64_t> keep = {};
    std::function<std::vector<RunFact>()> lateFacts = {}; ///< go behind those of `state`; may be empty
  };
  /// Starts one; none may be on its way. A machine without a thread for it writes before it returns.
  void start(Order order);
  /// Writes one before it returns, where what is read can be had on the caller's thread alone.
  void writeNow(const Order &order);
  /// Waits for the one on its way; what it came to, once. Nothing where there was none.
  std::optional<Outcome> wait();
  /// The same without waiting: nothing while it is on its way.
  std::optional<Outcome> poll();

private:
  Files &files;
  const std::string folder;
  std::thread thread;
  std::atomic<bool> done{true};
  std::optional<Outcome> outcome; ///< the thread's until `done`
};

} // namespace ft::rt
