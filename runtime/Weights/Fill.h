// What fills one tensor of a plan, and the pass that fills many.
#pragma once

#include "runtime/Plan/Shares.h"
#include "runtime/Weights/Layout.h"
#include "runtime/Weights/TensorView.h"

#include <functional>
#include <string>

namespace ft::rt {

/// Writes dense elements [first, first + count) of a tensor, in its stored dtype, at `out`. Called from several threads
/// at once.
using Producer = std::function<void(uint64_t first, uint64_t count, std::byte *out)>;

/// Converts from a file. `ropeHeads` > 0: the file's rows (first dimension) are those of this many heads with the two
/// halves of each head interleaved, as llama.cpp stores q and k: row h·D + 2j + p of the file is row h·D + p·D/2 + j.
/// `view` must outlive the producer.
Producer fileProducer(const TensorView &view, plan::DType dtype, uint32_t ropeHeads);

/// The same with `offset` added to each number, in double.
Producer shiftedProducer(const TensorView &view, plan::DType dtype, double offset);

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

/// Takes bytes for `offset` of plan buffer `buffer`. Called from the thread that loads, once per contiguous region;
/// the bytes are gone after the call.
using Sink = std::function<Status(uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes)>;

/// Where loaded bytes go. All of it was zeroed when it was reserved.
struct LoadTarget {
  /// The host address of a buffer's first byte, or null where the host cannot write it: then its bytes take the way
  /// through `sink`. An empty function is null for all.
  std::function<std::byte *(uint32_t buffer)> hostBuffer;
  Sink sink;
  /// Memory for the images that `sink` gets, pinned for fast uploads; unused below 1 MiB. Larger regions, such as an
  /// embedding, are built in memory of their own.
  std::span<std::byte> staging;
  /// Hears of bytes that have been made, from several threads. May be empty.
  std::function<void(uint64_t bytes)> made;
};

/// Runs all fills on `threads` threads; BadInput, naming source and element, where a checked one is not finite. Tensors
/// of one buffer whose byte ranges interleave (bordered weights) reach the sink as one region, whose bytes between them
/// are zero.
Status runFills(const std::vector<Fill> &fills, const LoadTarget &target, uint32_t threads);

} // namespace ft::rt
