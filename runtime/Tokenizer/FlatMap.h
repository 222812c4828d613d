// A hash map from 64-bit keys for tables that are built once and read often.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace ft::rt {

/// Open addressing with linear probing, at most half full. Keys must not be Empty. Not for keys that an adversary may
/// choose to collide: a token id, a pair of them, or a node and a byte are all small integers that the multiplication
/// spreads.
template <typename Value> class FlatMap {
public:
  static constexpr uint64_t Empty = UINT64_MAX;

  explicit FlatMap(size_t expected = 0) : slots(std::bit_ceil(2 * expected + 16), {Empty, Value()}) {}

  /// The value of `key`, made where it is missing.
  Value &operator[](uint64_t key) {
    if (2 * (count + 1) > slots.size())
      grow();
    auto &slot = slots[place(key)];
    if (slot.first == Empty) {
      slot.first = key;
      ++count;
    }
    return slot.second;
  }
  /// Null where there is none.
  const Value *find(uint64_t key) const {
    const auto &slot = slots[place(key)];
    return slot.first == Empty ? nullptr : &slot.second;
  }
  size_t size() const { return count; }

private:
  size_t place(uint64_t key) const {
    const size_t mask = slots.size() - 1;
    uint64_t hash = key * 0x9E3779B97F4A7C15u;
    size_t at = size_t(hash ^ (hash >> 32)) & mask;
    while (slots[at].first != Empty && slots[at].first != key)
      at = (at + 1) & mask;
    return at;
  }
  void grow() {
    FlatMap larger(slots.size());
    for (const auto &[key, value] : slots)
      if (key != Empty)
        larger[key] = value;
    *this = std::move(larger);
  }

  std::vector<std::pair<uint64_t, Value>> slots;
  size_t count = 0;
};

} // namespace ft::rt
