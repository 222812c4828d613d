#include "runtime/Communication/Reduce.h"

#include "runtime/Support/Bfloat16.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ft::rt {

namespace {

/// An element as it lies in memory, and as it is summed.
template <typename Stored_, typename Sum_> struct Plain {
  using Stored = Stored_;
  using Sum = Sum_;
  static Sum load(Stored x) { return Sum(x); }
  static Stored store(Sum x) { return Stored(x); }
};
using F64 = Plain<double, double>;
using F32 = Plain<float, float>;
using I32 = Plain<int32_t, int32_t>;
struct Bf16 {
  using Stored = uint16_t;
  using Sum = float;
  static float load(uint16_t x) { return bf16ToF32(x); }
  static uint16_t store(float x) { return f32ToBf16(x); }
};

struct Sum {
  template <typename T> static T first(T x) { return x; }
  template <typename T> static T next(T a, T x) { return a + x; }
  static int32_t next(int32_t a, int32_t x) { return int32_t(uint32_t(a) + uint32_t(x)); } // wraps
  template <typename T> static T last(T a) { return a; }
};
struct Max {
  template <typename T> static T first(T x) { return x; }
  template <typename T> static T next(T a, T x) { return a < x || x != x ? x : a; } // a NaN wins, and stays
  template <typename T> static T last(T a) { return a; }
};
struct Norm2 {
  template <typename T> static T first(T x) { return x * x; }
  template <typename T> static T next(T a, T x) { return a + x * x; }
  template <typename T> static T last(T a) { return std::sqrt(a); }
};

/// In pieces that stay in the first cache: a target is written after the piece has been read from every source.
template <typename Type, typename Operation>
void reduceAs(std::span<const std::byte *const> sources, std::span<std::byte *const> targets, uint64_t elements) {
  using Stored = typename Type::Stored;
  constexpr uint64_t piece = 1024;
  typename Type::Sum sums[piece];
  Stored values[piece];
  for (uint64_t begin = 0; begin < elements; begin += piece) {
    const uint64_t count = std::min(piece, elements - begin), offset = begin * sizeof(Stored);
    for (size_t s = 0; s < sources.size(); ++s) {
      std::memcpy(values, sources[s] + offset, count * sizeof(Stored));
      for (uint64_t i = 0; i < count; ++i) {
        const auto x = Type::load(values[i]);
        sums[i] = s == 0 ? Operation::first(x) : Operation::next(sums[i], x);
      }
    }
    for (uint64_t i = 0; i < count; ++i)
      values[i] = Type::store(Operation::last(sums[i]));
    for (std::byte *target : targets)
      std::memcpy(target + offset, values, count * sizeof(Stored));
  }
}

template <typename Type>
void reduceType(plan::Collective::Reduction reduction, std::span<const std::byte *const> sources,
                std::span<std::byte *const> targets, uint64_t elements) {
  if (reduction == plan::Collective::SUM)
    return reduceAs<Type, Sum>(sources, targets, elements);
  if (reduction == plan::Collective::MAX)
    return reduceAs<Type, Max>(sources, targets, elements);
  if constexpr (std::is_floating_point_v<typename Type::Sum>)
    return reduceAs<Type, Norm2>(sources, targets, elements);
}

} // namespace

void reduce(plan::DType dtype, plan::Collective::Reduction reduction, std::span<const std::byte *const> sources,
            std::span<std::byte *const> targets, uint64_t elements) {
  switch (dtype) {
  case plan::F64:
    return reduceType<F64>(reduction, sources, targets, elements);
  case plan::F32:
    return reduceType<F32>(reduction, sources, targets, elements);
  case plan::BF16:
    return reduceType<Bf16>(reduction, sources, targets, elements);
  case plan::I32:
    return reduceType<I32>(reduction, sources, targets, elements);
  default:
    return;
  }
}

} // namespace ft::rt
