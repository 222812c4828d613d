// What backward makes again, or finds on the host, rather than keep on the device, layer by layer.
#pragma once

#include <cstdint>
#include <optional>

namespace ft {

/// Each makes again what the one before it does, and more.
enum class Recompute {
  Nothing,
  Rows,     ///< what one pass over kept rows gives: norms, SwiGLU, dropout
  Products, ///< and products with what is computed from their rows: q, k, v, gate and up
  Blocks,   ///< and attention and the residual stream: all of a block, from its input
  Never,    ///< no policy: of results that are kept under each
};

/// Of what is not made again, what the host holds between forward and backward; each as the one before it, and more.
enum class Park {
  Nothing,
  Inputs, ///< what a block begins with
  Stream, ///< and what Blocks alone makes again: attention's output, the residual stream inside a block
};

/// The first layers have the tighter policy: what they keep lives longest.
struct RecomputePolicy {
  Recompute rest = Recompute::Rows;
  Recompute early = Recompute::Rows; ///< of the first `earlyLayers`; at least `rest`
  int64_t earlyLayers = 0;
  Park park = Park::Nothing; ///< of all layers but the last, to whose values backward comes at once

  bool operator==(const RecomputePolicy &) const = default;

  /// Of a layer; of what is in none, where nothing repeats, as far as Rows.
  Recompute of(std::optional<int64_t> layer) const {
    if (layer)
      return *layer < earlyLayers ? early : rest;
    return rest == Recompute::Nothing ? Recompute::Nothing : Recompute::Rows;
  }
};

} // namespace ft
