// Parts of fills, made where they are to lie.
#pragma once

#include "runtime/Weights/Fill.h"

#include <mutex>

namespace ft::rt {

/// The first element, in the order of fills and elements, that is not finite.
class FirstBad {
public:
  explicit FirstBad(const std::vector<Fill> &fills) : fills(fills) {}
  void add(const Fill &fill, uint64_t element); ///< from any thread
  Status status() const;

private:
  const std::vector<Fill> &fills;
  std::mutex mutex;
  std::pair<size_t, uint64_t> first{SIZE_MAX, 0};
};

/// A fill as far as it lies in bytes [begin, end) of what its layout counts in, and where they are made.
struct Placed {
  const Fill *fill = nullptr;
  std::byte *base = nullptr; ///< the address of byte `begin`
  uint64_t begin = 0, end = 0;
  bool isReadSoon = false; ///< what is made is to stay in the caches
};

/// Elements [first, first + count), as far as they lie in the range of `placed`, which divides at whole elements.
/// Returns how many bytes that were.
uint64_t fillElements(const Placed &placed, uint64_t first, uint64_t count, FirstBad &bad);

/// Whether pages of files keep counting as the process's memory once they have been read. Letting them go costs a tenth
/// of what copying does: for arenas in the host's memory, which the whole process has to fit beside.
enum class AfterReading { Keep, Release };

/// All of them, in pieces on `threads` threads; pieces are made in the order in which files hold them.
void fillAll(const std::vector<Placed> &all, const LoadTarget &target, uint32_t threads, FirstBad &bad,
             AfterReading after = AfterReading::Keep);

} // namespace ft::rt
