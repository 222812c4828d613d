// List scheduling of tasks on streams.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace ft {

/// Work of `us` microseconds on a stream. The tasks that it follows stand before it in the program: those in `inputs`
/// make what it reads, those in `after` must be done for another reason. It takes room where what it makes lies in
/// memory that others want before and behind it.
struct Task {
  unsigned stream = 0;
  double us = 0;
  llvm::SmallVector<int64_t, 4> inputs = {}, after = {};
  /// Of a value that others wait for: it needs room until it is read. False: it has a place of its own.
  bool takesRoom = true;
  unsigned room = 0; ///< which of the stream's: values of each are counted by themselves
};

struct TaskOrder {
  llvm::SmallVector<int64_t> order;                          ///< in which the tasks are issued
  llvm::SmallVector<llvm::SmallVector<int64_t, 2>, 0> waits; ///< by task: what it waits for on other streams
  double us = 0;                                             ///< from the first start to the last end
};

/// Issues, one after the other, the task that can start first; among equals the one with the longest path to the end.
///
/// Stream 0, which computes, keeps the order of the program: its total is the sum of its tasks whatever their order,
/// and lifetimes are best as the program has them. The other streams move what it needs and are free to run ahead of
/// it, but each by at most `depth` tasks of a room whose values have not been read: further ones wait for the last
/// reader of an earlier one, so that what is fetched ahead has room for `depth` values and no more. What has a place is
/// not counted.
///
/// Waits are the fewest that the order needs: an edge that the order of a stream or other waits imply gets none.
/// Deterministic. Cost: n · (tasks of the other streams that are ready).
TaskOrder listSchedule(llvm::ArrayRef<Task> tasks, unsigned streams, int64_t depth);

} // namespace ft
