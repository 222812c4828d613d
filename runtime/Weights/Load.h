// Fills a plan's arenas before the first step.
#pragma once

#include "runtime/Support/WorkProgress.h"
#include "runtime/Weights/Adapter.h"
#include "runtime/Weights/Model.h"

namespace ft::rt {

struct LoadOptions {
  /// Run.seed, or what replaces it: adapters and dropout keys. Base weights of a seeded model use the model's own.
  uint64_t seed = 0;
  uint32_t rank = 0; ///< whose arenas are filled: it gets its shares
  /// Adapters that would start as zero start as N(0, 0.02²), so that no gradient vanishes.
  bool initAdaptersNormal = false;
  /// Goes before model and Init for the tensors that it holds. Null: none.
  const TensorSource *before = nullptr;
  /// The bytes of a container section of the plan, or nothing where there is no such section.
  std::function<std::span<const std::byte>(uint32_t section)> section;
  uint32_t threads = 0;             ///< 0: as many as the machine has
  WorkProgress *progress = nullptr; ///< hears of bytes that have been made; may be null
};

/// Checks `model` against the plan (ModelSource::check), then fills every tensor that does not start as zero: FROZEN
/// and TRAINABLE from the model, with REMAINDER where they have one, ADAPTER by its Init, CONSTANT_TABLE from the
/// plan's sections, RANDOM_KEYS from (seed, stream, name), optimizer state and gradients by their Init where they have
/// one; each from `before` where that holds it. Everything is checked before the first byte is written. Errors:
/// BadInput naming file, tensor, and expected against found; whatever the sink returns.
Status loadModel(const plan::Plan &plan, const ModelSource &model, const LoadOptions &options,
                 const LoadTarget &target);

} // namespace ft::rt
