#include "runtime/Metrics/StepMetrics.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

using namespace ft::rt;

namespace {
std::string jsonNumber(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : fmt::format("\"{}\"", value);
}
} // namespace

double EvaluationMetrics::perplexity() const { return std::exp(loss); }

std::string ft::rt::stepHeader() {
  return fmt::format("{:>6} {:>9} {:>9} {:>13} {:>9} {:>15} {:>9} {:>10}", "step", "loss", "grad_norm", "learning_rate",
                     "tokens/s", "target-tokens/s", "step_ms", "memory");
}

std::string ft::rt::formatStep(const StepMetrics &m) {
  return fmt::format("{:>6} {:>9.4f} {:>9.4f} {:>13.4e} {:>9.0f} {:>15.0f} {:>9.1f} {:>10}{}", m.step, m.loss,
                     m.gradNorm, m.learningRate, m.tokensPerSecond(), m.targetTokensPerSecond(), m.stepMs,
                     formatBytes(m.memoryBytes), m.saveMs > 0 ? fmt::format("   saving {:.1f} ms", m.saveMs) : "");
}

std::string ft::rt::formatEvaluation(const EvaluationMetrics &m) {
  return fmt::format("evaluation after step {}: eval_loss {:.4f}, perplexity {:.2f}, {} target tokens, {:.1f} s",
                     m.step, m.loss, m.perplexity(), m.targetTokens, m.seconds);
}

std::string ft::rt::formatBar(const StepMetrics &m, unsigned columns) {
  const double left = (m.totalSteps - std::min(m.step, m.totalSteps)) * m.stepMs * 1e-3;
  const std::string text = fmt::format(" {}/{}  loss {:.4f}  lr {:.1e}  {:.0f} tokens/s  eta {}", m.step, m.totalSteps,
                                       m.loss, m.learningRate, m.tokensPerSecond(), clockTime(left));
  return formatBar(m.totalSteps ? double(std::min(m.step, m.totalSteps)) / double(m.totalSteps) : 0, text, columns);
}

std::string ft::rt::formatBar(double share, std::string_view text, unsigned columns) {
  const size_t width = columns > text.size() + 8 ? std::min<size_t>(columns - text.size() - 1, 40) : 0;
  const auto full = size_t(double(width) * share + 1e-9);
  std::string bar;
  for (size_t i = 0; i < width; ++i)
    bar += i < full ? "━" : " ";
  return bar + std::string(text.substr(0, columns > 1 ? columns - 1 : text.size()));
}

std::string ft::rt::clockTime(double seconds) {
  const uint64_t whole = static_cast<uint64_t>(std::clamp(seconds, 0.0, 359999.0));
  return whole >= 3600 ? fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
                       : fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string ft::rt::toJson(const StepMetrics &m) {
  return fmt::format(
      "{{\"step\":{},\"loss\":{},\"grad_norm\":{},\"learning_rate\":{},\"tokens_per_second\":{},"
      "\"padded_tokens_per_second\":{},\"target_tokens_per_second\":{},\"step_ms\":{},\"host_ms\":{},\"tokens\":{},"
      "\"target_tokens\":{},\"memory_bytes\":{}{}{}{}{}}}",
      m.step, jsonNumber(m.loss), jsonNumber(m.gradNorm), jsonNumber(m.learningRate), jsonNumber(m.tokensPerSecond()),
      jsonNumber(m.paddedTokensPerSecond()), jsonNumber(m.targetTokensPerSecond()), jsonNumber(m.stepMs),
      jsonNumber(m.hostMs), m.tokens, m.targetTokens, m.memoryBytes,
      m.lossScale > 0 ? fmt::format(",\"loss_scale\":{},\"skipped_steps\":{}", jsonNumber(m.lossScale), m.skippedSteps)
                      : "",
      m.ofTargets > 0 ? fmt::format(",\"micro_batches_of_targets\":{}", m.ofTargets) : "",
      m.offload ? fmt::format(",\"offload\":{}", toJson(*m.offload)) : "",
      m.saveMs > 0 ? fmt::format(",\"save_ms\":{}", m.saveMs) : "");
}

std::string ft::rt::toJson(const OffloadMetrics &m) {
  return fmt::format("{{\"host_updates_ms\":{},\"to_host_ms\":{},\"to_host_bytes\":{},\"to_device_ms\":{},"
                     "\"to_device_bytes\":{},\"exposed_ms\":{}}}",
                     jsonNumber(m.updatesMs), jsonNumber(m.toHostMs), m.toHostBytes, jsonNumber(m.toDeviceMs),
                     m.toDeviceBytes, jsonNumber(m.exposedMs));
}

std::string ft::rt::toJson(const EvaluationMetrics &m) {
  return fmt::format("{{\"step\":{},\"eval_loss\":{},\"perplexity\":{},\"eval_target_tokens\":{},\"eval_seconds\":{}}}",
                     m.step, jsonNumber(m.loss), jsonNumber(m.perplexity()), m.targetTokens, jsonNumber(m.seconds));
}
