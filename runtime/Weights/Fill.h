// What fills one tensor of a plan, and the pass that fills many.
#pragma once

#include "runtime/Plan/Shares.h"
#include "runtime/Weights/Layout.h"
#include "runtime/Weights/Producer.h"

#include <functional>
#include <string>

namespace ft::rt {

struct Fill {
  uint32_t buffer = 0;
  Layout layout;
  plan::Share share; ///< what of the layout's range is filled here
  Producer produce;
  /// Of numbers that come from a file: their type as stored, and "FILE: tensor \"x\"" for the message where one of them
  /// is not finite. Empty: nothing is checked.
  plan::DType dtype = plan::DTYPE_UNSPECIFIED;
  std::string source;
};

/// BadInput that says which element of what source is not finite.
Status notFinite(const std::string &source, uint64_t element, uint64_t count, plan::DType dtype);

/// Takes bytes for `offset` of plan buffer `buffer`. Called from the thread that loads.
using Sink = std::function<Status(uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes)>;

/// Where loaded bytes go. All of it was zeroed when it was reserved.
struct LoadTarget {
  /// The host address of a buffer's first byte, or null where the host cannot write it: then its bytes take the way
  /// through `sink`. An empty function is null for all.
  std::function<std::byte *(uint32_t buffer)> hostBuffer;
  Sink sink;
  /// Returns when all that `sink` got has arrived: bytes stay where they are until then. Empty: it has when `sink`
  /// returns. Called from the thread that loads.
  std::function<Status()> arrived;
  /// mark(i) marks what `sink` has got so far, and reached(i) returns when that has arrived; i is below
  /// SlotQueue::MostSlots, and is marked again when it has been reached. Both may be empty: then arrived() is asked.
  std::function<Status(uint32_t)> mark, reached;
  /// Memory for what `sink` gets, pinned for fast uploads; unused below 1 MiB.
  std::span<std::byte> staging;
  /// Hears of bytes that have been made, from several threads. May be empty.
  std::function<void(uint64_t bytes)> made;

  /// Through `sink`, and waits.
  Status send(uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) const;
};

/// Runs all fills on `threads` threads; BadInput, naming source and element, where a checked one is not finite. What
/// goes through the sink is made in slots of the staging memory while others are on their way. Tensors of one buffer
/// whose byte ranges interleave (bordered weights) are one region of it, whose bytes between them are zero.
Status runFills(const std::vector<Fill> &fills, const LoadTarget &target, uint32_t threads);

} // namespace ft::rt
