// When values travel beside computation: neither long before they are read nor long after they were made.
#pragma once

#include "compiler/Planning/ListSchedule.h"

namespace ft {

/// Tasks of a program that move values for stream 0, by number, in the program's order.
struct Movements {
  llvm::SmallVector<int64_t> fetches; ///< read by stream 0, each for the first time behind its own place in the program
  llvm::SmallVector<int64_t> leaves;  ///< made by stream 0, to whose memory they give room
};

/// Adds to `after` of the tasks what keeps memory for values that travel as small as predicted times allow.
///
/// Stream 0 alone says when: it computes without pause, a stream moves one value after the other. A fetch begins no
/// sooner than where it would be in time if it took twice as long, and those behind it as long as predicted, and not
/// before the value `depth` fetches earlier is read; a leave is waited for, at the latest, where stream 0 is so far
/// behind it, or has made the value `depth` leaves further:
///
///   compute   … | a | b | c | d | e | f | …      f reads what the fetch brings
///   fetch             ┊→(margin)[ fetch ]        it starts behind b
///
/// Wrong predictions cost time, never a value.
void keepNearCompute(llvm::MutableArrayRef<Task> tasks, const Movements &movements, int64_t depth);

} // namespace ft
