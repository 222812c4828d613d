// Moments in codes of 8 bits (plan.proto, Tensor::EXP_AVG_SCALES): what a code stands for, and which one an element
// gets. Row programs and tests follow this one definition, whose values are those of bitsandbytes' dynamic maps.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace ft::plan {

/// Elements of a moment that share a scale.
inline constexpr uint64_t momentBlock = 256;

/// The values of a map from zero up, by their numbers: 0, seven decades in each of which they are equally far from each
/// other and twice as many as in the one below, and 1. Of one with signs the first decade has one value, of the other
/// one two. A number's value is the quotient of two integers, both exact in f32, rounded once.
struct DynamicMap {
  bool isSigned;

  static constexpr int decades = 7;
  /// In units of 1 / denominator(e) the values of decade e lie `step` apart, the first of them step / 2 behind its
  /// start.
  static constexpr float step = 18;
  /// The least scale that elements are divided by: its inverse is finite.
  static constexpr float leastScale = 0x1p-126f;

  uint32_t last() const { return isSigned ? 128 : 255; }
  /// Of the first value of decade e, in [0, 7].
  uint32_t first(int e) const { return isSigned ? 1u << e : (2u << e) - 1; }
  uint32_t count(int e) const { return (isSigned ? 1u : 2u) << e; }
  float start(int e) const { return 2 * float(count(e)); }
  float denominator(int e) const { return start(e) * float(std::pow(10.0, decades - e)); }
  /// The number nearest to x is of decade e or above where x is above this.
  float border(int e) const {
    if (e == 0)
      return value(1) * 0.5f;
    if (e == decades)
      return float((double(valueAbove(first(e) - 1, e - 1)) + 1) / 2);
    return float((valueAbove(first(e) - 1, e - 1) + valueAbove(first(e), e)) / 2);
  }

  /// What a number stands for where the scale is 1.
  float value(uint32_t number) const {
    if (number == 0 || number == last())
      return number == 0 ? 0.0f : 1.0f;
    const int e = decadeOf(number);
    return (start(e) + step / 2 + step * float(number - first(e))) / denominator(e);
  }
  /// The number that is nearest to x in [0, 1], of two the one with the even code of bitsandbytes; `denominator` times
  /// x is rounded once. Above 1 and where x is no number: the last.
  uint32_t nearest(float x) const {
    if (!(x < 1))
      return last();
    if (isSigned ? x < border(0) : x <= border(0))
      return 0;
    if (x > border(decades))
      return last();
    int e = 0;
    while (e + 1 < decades && x > border(e + 1))
      ++e;
    const float at = x * denominator(e), start = this->start(e);
    const auto edge = uint32_t(std::nearbyint(std::max((at - start) * (1 / step), 0.0f))); // the nearest between two
    const float threshold = start + step * float(edge);
    const bool above = at > threshold || (at == threshold && edge % 2 == 1);
    return first(e) + std::clamp(int(edge) - !above, 0, int(count(e)) - 1);
  }

  /// The byte of a number, of a negative element where `negative`. Zero's is 0, so that what is never written means 0;
  /// bitsandbytes' code is 127 more where there are signs.
  static uint8_t code(uint32_t number, bool negative) { return uint8_t(negative ? 256 - number : number); }
  bool isNegative(uint8_t code) const { return isSigned && code > 128; }
  float decoded(uint8_t code) const { return isNegative(code) ? -value(256u - code) : value(code); }
  /// Of an element times the inverse of its block's scale. A negative one stays negative, as of bitsandbytes.
  uint8_t encoded(float x) const {
    const bool negative = isSigned && x < 0;
    const uint32_t number = nearest(std::fabs(x));
    return negative ? code(std::clamp(number, 1u, 127u), true) : code(number, false);
  }

private:
  int decadeOf(uint32_t number) const { return std::bit_width(isSigned ? number : number + 1) - (isSigned ? 1 : 2); }
  double valueAbove(uint32_t number, int e) const {
    return double(start(e) + step / 2 + step * float(number - first(e))) / double(denominator(e));
  }
};

/// What codes of a block are made with: 1 / scale.
inline float inverseOfScale(float scale) { return 1 / std::max(scale, DynamicMap::leastScale); }

} // namespace ft::plan
