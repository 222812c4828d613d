// What one step of training or one evaluation tells people and files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ft::rt {

/// What a step had the host do beside its device.
struct OffloadMetrics {
  double updatesMs = 0;                        ///< kernels on the host's processors
  double toHostMs = 0, toDeviceMs = 0;         ///< copies between the two
  uint64_t toHostBytes = 0, toDeviceBytes = 0; ///< that these moved
  double exposedMs = 0;                        ///< in which the device waited for one of these
};

struct StepMetrics {
  uint64_t step = 0, totalSteps = 0;
  double loss = 0;           ///< mean over the step's target tokens
  double gradNorm = 0;       ///< unclipped; 0 where the plan computes none
  double lossScale = 0;      ///< of the next step; 0 where losses are not scaled
  uint64_t skippedSteps = 0; ///< so far, whose gradients overflowed and which changed nothing but the scale
  double learningRate = 0;
  uint64_t tokens = 0, targetTokens = 0; ///< of the step, padding excluded
  uint64_t paddedTokens = 0;             ///< rows × sequence_len
  double stepMs = 0;
  double hostMs = 0; ///< in which the host did not wait for the device; near stepMs, the device may wait for the host
  uint64_t ofTargets = 0;                ///< micro-batches that were computed for their targets alone
  uint64_t memoryBytes = 0;              ///< held now by this process on the device
  std::optional<OffloadMetrics> offload; ///< where it was measured
  double saveMs = 0; ///< in which training stood still behind the step so that it can be saved; 0: it is not saved

  double tokensPerSecond() const { return perSecond(tokens); }
  double paddedTokensPerSecond() const { return perSecond(paddedTokens); }
  double targetTokensPerSecond() const { return perSecond(targetTokens); }

private:
  double perSecond(uint64_t count) const { return stepMs > 0 ? count / stepMs * 1e3 : 0; }
};

struct EvaluationMetrics {
  uint64_t step = 0; ///< after this many steps
  double loss = 0;   ///< mean over all target tokens of the split
  uint64_t targetTokens = 0;
  double seconds = 0;

  double perplexity() const;
};

/// The columns' names and one line of values under them, without a newline.
std::string stepHeader();
std::string formatStep(const StepMetrics &metrics);
std::string formatEvaluation(const EvaluationMetrics &metrics);

/// "━━━━━━      18/40  loss 3.4312  lr 4.1e-04  812 tokens/s  eta 0:42", at most `columns` wide.
std::string formatBar(const StepMetrics &metrics, unsigned columns);

/// `share` of a bar with `text` behind it, at most `columns` wide.
std::string formatBar(double share, std::string_view text, unsigned columns);

/// "0:45", "1:02:03"; of what lies ahead, so that it may be anything.
std::string clockTime(double seconds);

/// One JSON object without a newline. Numbers that are not finite become strings: JSON has none.
std::string toJson(const StepMetrics &metrics);
std::string toJson(const OffloadMetrics &metrics);
std::string toJson(const EvaluationMetrics &metrics);

} // namespace ft::rt
