// Draws of the Philox stream "data": order of samples and rows, synthetic tokens.
#pragma once

#include "runtime/Support/Philox.h"

#include <span>
#include <utility>

namespace ft::rt {

/// A sequence of draws that (seed, name) fixes. Own shuffle, because std::shuffle differs between libraries.
class DataRandom {
public:
  DataRandom(uint64_t seed, std::string_view name) : key(philoxKey(seed, "data", name)) {}

  uint32_t next() {
    if (used == 4) {
      block = philox4x32({uint32_t(counter), uint32_t(counter >> 32), 0, 0}, key);
      ++counter;
      used = 0;
    }
    return block[used++];
  }

  /// Uniform in [0, bound), bound > 0 (Lemire 2019: rejection makes it exact).
  uint32_t below(uint32_t bound) {
    uint64_t product = uint64_t(next()) * bound;
    if (uint32_t(product) < bound) {
      const uint32_t threshold = -bound % bound;
      while (uint32_t(product) < threshold)
        product = uint64_t(next()) * bound;
    }
    return uint32_t(product >> 32);
  }

  /// Fisher and Yates; at most 2³² − 1 items.
  template <typename T> void shuffle(std::span<T> items) {
    for (size_t last = items.size(); last > 1; --last)
      std::swap(items[last - 1], items[below(uint32_t(last))]);
  }

private:
  PhiloxKey key;
  PhiloxBlock block{};
  uint64_t counter = 0;
  int used = 4;
};

} // namespace ft::rt
