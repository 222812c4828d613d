#include "runtime/Metrics/StepMetrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace ft::rt;

namespace {
StepMetrics sample() {
  StepMetrics m;
  m.step = 18, m.totalSteps = 40, m.loss = 3.43125, m.gradNorm = 0.75, m.learningRate = 4.1e-4;
  m.tokens = 900, m.targetTokens = 300, m.paddedTokens = 1024, m.stepMs = 1500, m.hostMs = 20, m.memoryBytes = 3u << 29;
  return m;
}
} // namespace

TEST(StepMetrics, LineStandsUnderTheColumnNames) {
  EXPECT_EQ(stepHeader(), "  step      loss grad_norm learning_rate  tokens/s target-tokens/s   step_ms     memory");
  EXPECT_EQ(formatStep(sample()),
            "    18    3.4312    0.7500    4.1000e-04       600             200    1500.0   1.50 GiB");
}

TEST(StepMetrics, JsonHasUnits) {
  EXPECT_EQ(toJson(sample()),
            "{\"step\":18,\"loss\":3.43125,\"grad_norm\":0.75,\"learning_rate\":0.00041,\"tokens_per_second\":600,"
            "\"padded_tokens_per_second\":682.6666666666666,\"target_tokens_per_second\":200,\"step_ms\":1500,"
            "\"host_ms\":20,\"tokens\":900,\"target_tokens\":300,\"memory_bytes\":1610612736}");
}

TEST(StepMetrics, JsonStaysJsonWhereNumbersAreNotFinite) {
  StepMetrics m = sample();
  m.loss = std::nan("");
  m.gradNorm = std::numeric_limits<double>::infinity();
  const std::string json = toJson(m);
  EXPECT_NE(json.find("\"loss\":\"nan\",\"grad_norm\":\"inf\""), std::string::npos) << json;
}

TEST(StepMetrics, BarFitsTheTerminal) {
  for (unsigned columns : {20u, 60u, 80u, 200u}) {
    const std::string bar = formatBar(sample(), columns);
    size_t width = 0;
    for (unsigned char byte : bar)
      width += (byte & 0xC0) != 0x80;
    EXPECT_LT(width, columns) << bar;
  }
  EXPECT_NE(formatBar(sample(), 120).find("18/40  loss 3.4312"), std::string::npos);
  EXPECT_NE(formatBar(sample(), 120).find("eta 0:33"), std::string::npos) << formatBar(sample(), 120);
}

TEST(EvaluationMetrics, PerplexityIsExpOfTheLoss) {
  EvaluationMetrics m;
  m.step = 40, m.loss = 3.0, m.targetTokens = 1000, m.seconds = 2.5;
  EXPECT_DOUBLE_EQ(m.perplexity(), std::exp(3.0));
  EXPECT_EQ(formatEvaluation(m),
            "evaluation after step 40: eval_loss 3.0000, perplexity 20.09, 1000 target tokens, 2.5 s");
}
