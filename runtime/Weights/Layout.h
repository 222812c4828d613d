// Where a plan puts the elements of one tensor (plan::Tensor sizes, strides, offset), checked once and then walked.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace ft::rt {

/// The dense row-major elements 0..count-1 of a tensor as runs of consecutive elements in a buffer, or in the whole
/// that buffers of several ranks are shares of (Shares.h).
class Layout {
public:
  /// Fails with BadInput, naming the tensor and the field, unless the dtype is known, sizes and strides have one
  /// length, product(sizes) = product(shape), no two elements share an address, and all lie inside the buffer.
  static Expected<Layout> of(const plan::Plan &plan, const plan::Tensor &tensor);

  uint64_t count() const { return elements; }
  uint64_t elementBytes() const { return elementSize; }
  /// The longest run; elements that are contiguous in the buffer and in dense order.
  uint64_t runElements() const { return run; }
  /// Byte range of the buffer from the first to behind the last element.
  uint64_t begin() const { return first; }
  uint64_t end() const { return last; }

  /// Whether later elements lie at higher addresses.
  bool isAscending() const;
  /// Elements [first, last): those of an ascending layout that lie in bytes [begin, end), which cut none in two; all of
  /// another.
  std::pair<uint64_t, uint64_t> elementsIn(uint64_t begin, uint64_t end) const;

  /// Calls `visit(uint64_t byteOffset, uint64_t denseIndex, uint64_t n)` for each run of elements
  /// [from, from + number), in dense order.
  template <typename Visit> void forRuns(uint64_t from, uint64_t number, Visit visit) const {
    uint64_t to = from + number;
    while (from < to) {
      uint64_t inRun = from % run, n = std::min(run - inRun, to - from);
      visit(addressOfRun(from / run) + inRun * elementSize, from, n);
      from += n;
    }
  }

private:
  struct Dimension {
    uint64_t size, strideBytes;
  };
  uint64_t addressOfRun(uint64_t index) const {
    uint64_t address = first;
    for (auto it = outer.rbegin(); it != outer.rend(); ++it) {
      address += index % it->size * it->strideBytes;
      index /= it->size;
    }
    return address;
  }

  std::vector<Dimension> outer; ///< of runs, slowest first
  uint64_t elements = 0, elementSize = 0, run = 1, first = 0, last = 0;
};

/// Copies dense elements [from, from + number) of `layout` between a buffer and `dense`; `base` points at byte
/// `baseOffset` of the buffer.
void scatter(const Layout &layout, uint64_t from, uint64_t number, const std::byte *dense, std::byte *base,
             uint64_t baseOffset = 0);
void gather(const Layout &layout, uint64_t from, uint64_t number, const std::byte *base, uint64_t baseOffset,
            std::byte *dense);

} // namespace ft::rt
