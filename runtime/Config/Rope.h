// Rotary embeddings (Su et al., RoFormer) and the ways in which models scale them to longer contexts.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace ft::rt {

/// One kind of rotation. Fields have Transformers' meaning (modeling_rope_utils.py); those of a type that is not `type`
/// mean nothing.
struct Rope {
  enum class Type : uint8_t {
    Default, ///< theta^(−2i / head_dim)
    Linear,  ///< that, divided by factor
    Llama3,  ///< slow pairs divided, fast ones not, and a ramp between
    Yarn,    ///< the same by turns in the original context (Peng et al., YaRN), and larger scores
  };
  double theta = 10000;
  Type type = Type::Default;
  double factor = 1;                          ///< Linear, Llama3, Yarn
  int64_t originalPositions = 0;              ///< Llama3, Yarn: tokens of the context before scaling
  double lowFrequency = 1, highFrequency = 4; ///< Llama3: turns in the original context
  double fastTurns = 32, slowTurns = 1;       ///< Yarn: beta_fast, beta_slow
  bool wholePairs = true;                     ///< Yarn: the ramp starts and ends at pairs (`truncate`)
  double amplitude = 1;                       ///< Yarn: what cosines and sines are multiplied by

  bool operator==(const Rope &) const = default;
};

/// Transformers' name of a type: "default", "linear", "llama3", "yarn".
std::string_view ropeTypeName(Rope::Type type);

/// Radians per token for each of the head_dim / 2 pairs.
std::vector<double> ropeFrequencies(const Rope &rope, int64_t headDim);

/// Yarn's amplitude where a file gives none: 0.1 · m · ln(factor) + 1.
double yarnAmplitude(double factor, double multiplier = 1);

} // namespace ft::rt
