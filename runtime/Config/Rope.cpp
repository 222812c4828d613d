#include "runtime/Config/Rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ft::rt {

namespace {

/// A frequency of Llama 3.1 scaled by the turns that it makes in the original context.
double llama3Frequency(const Rope &rope, double frequency) {
  const double turns = double(rope.originalPositions) * frequency / (2 * std::numbers::pi);
  if (turns > rope.highFrequency)
    return frequency;
  if (turns < rope.lowFrequency)
    return frequency / rope.factor;
  const double smooth = (turns - rope.lowFrequency) / (rope.highFrequency - rope.lowFrequency);
  return (1 - smooth) * frequency / rope.factor + smooth * frequency;
}

/// Where a pair is between those that YaRN leaves alone (0) and those that it divides (1).
class YarnRamp {
public:
  YarnRamp(const Rope &rope, int64_t headDim) {
    begin = pairOf(rope, rope.fastTurns, headDim), end = pairOf(rope, rope.slowTurns, headDim);
    if (rope.wholePairs)
      begin = std::floor(begin), end = std::ceil(end);
    begin = std::max(begin, 0.0), end = std::min(end, double(headDim - 1));
    if (begin == end)
      end += 0.001; // as Transformers does: no ramp is a step
  }
  double at(int64_t pair) const { return std::clamp((double(pair) - begin) / (end - begin), 0.0, 1.0); }

private:
  /// The pair, as a real number, that makes so many turns in the original context.
  static double pairOf(const Rope &rope, double turns, int64_t headDim) {
    const double perRadian = double(rope.originalPositions) / (turns * 2 * std::numbers::pi);
    return double(headDim) * std::log(perRadian) / (2 * std::log(rope.theta));
  }
  double begin, end;
};

} // namespace

std::string_view ropeTypeName(Rope::Type type) {
  constexpr std::string_view names[] = {"default", "linear", "llama3", "yarn"};
  return names[size_t(type)];
}

double yarnAmplitude(double factor, double multiplier) {
  return factor <= 1 ? 1 : 0.1 * multiplier * std::log(factor) + 1;
}

std::vector<double> ropeFrequencies(const Rope &rope, int64_t headDim) {
  const int64_t pairs = headDim / 2;
  std::vector<double> frequencies;
  for (int64_t i = 0; i < pairs; ++i)
    frequencies.push_back(std::pow(rope.theta, -double(i) / double(pairs)));
  if (rope.type == Rope::Type::Linear)
    for (double &frequency : frequencies)
      frequency /= rope.factor;
  if (rope.type == Rope::Type::Llama3)
    for (double &frequency : frequencies)
      frequency = llama3Frequency(rope, frequency);
  if (rope.type == Rope::Type::Yarn) {
    const YarnRamp ramp(rope, headDim);
    for (int64_t i = 0; i < pairs; ++i) {
      const double divided = ramp.at(i);
      frequencies[i] = frequencies[i] / rope.factor * divided + frequencies[i] * (1 - divided);
    }
  }
  return frequencies;
}

} // namespace ft::rt
