// Which steps of a segment have finished when another one starts.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace ft {

/// The order of steps on several streams: a stream runs its steps one after the other, all else is by waiting. Steps
/// are numbered in the order in which they are appended, which is the order in which they are issued. One number a
/// step and stream: how many steps of that stream have finished.
class HappensBefore {
public:
  explicit HappensBefore(unsigned streamCount) : streams(streamCount) {}

  /// A step of `stream` that starts when the steps `after` have finished.
  void append(unsigned stream, llvm::ArrayRef<int64_t> after);

  /// Whether `a` has finished when `b` starts.
  bool isBefore(int64_t a, int64_t b) const { return steps[a].position < steps[b].finished[steps[a].stream]; }

  /// Of the steps that the next one of `stream` must follow, those that it has to wait for: the others are before the
  /// stream's last step, or before one that is waited for.
  llvm::SmallVector<int64_t, 2> waitsFor(unsigned stream, llvm::ArrayRef<int64_t> after) const;

  /// The last step that may start before `a` has finished, of those that count (none: all do); `a` itself where all
  /// later ones follow it.
  int64_t lastBeside(int64_t a, llvm::function_ref<bool(int64_t)> counts = nullptr) const;

private:
  struct Step {
    unsigned stream;
    int64_t position; ///< in the stream
    llvm::SmallVector<int64_t, 3> finished;
  };
  llvm::SmallVector<Step> steps;
  llvm::SmallVector<llvm::SmallVector<int64_t>, 3> streams; ///< the steps of each
};

} // namespace ft
