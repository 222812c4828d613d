// A hand-made plan that trains, evaluates and generates, for tests of what runs it.
#pragma once

#include "runtime/Plan/PlanFile.h"

#include <memory>

namespace ft::rt {

/// One number for each of `vocab` tokens, trained by plain gradient descent to be (next token) / vocab: see
/// Fixtures/TinyModel.c. Two rows of 16 tokens a micro-batch.
struct TinyPlan {
  static constexpr uint32_t vocab = 19, rows = 2, sequenceLen = 16;

  /// The plan, with the kernels as section 1 (CPU) and constants as section 2.
  static plan::Plan make(uint64_t accumulation);
  /// The same for a GPU that ReorderingDevice plays: its image is called a cubin.
  static plan::Plan makeForGpu(uint64_t accumulation);
  /// Gives a plan memory for checkpoints.
  static void addCheckpointRoom(plan::Plan &plan);
  static std::vector<std::byte> kernelImage();
  static std::vector<std::byte> constants();
  /// Writes plan.bin and reads it back; the plan passes checkPlan and verifyPlan.
  static std::unique_ptr<PlanFile> write(const plan::Plan &plan, const std::string &path);
};

} // namespace ft::rt
