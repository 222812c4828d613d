// Dynamic loss scaling against PyTorch's GradScaler, rewritten here (amp_update_scale_ and unscale_), with overflows at
// chosen steps.
#include "compiler/Fusion/ProgramTesting.h"
#include "runtime/Plan/plan.pb.h"

#include <limits>
#include <set>

using namespace mlir;

namespace ft {
namespace {

/// GradScaler, and what AdamW does beside it: a step that is skipped does not count.
struct Reference {
  float scale;
  int tracker = 0, skipped = 0, taken = 0;

  bool step(bool overflow, float growth, float backoff, int interval) {
    if (overflow) {
      scale *= backoff;
      tracker = 0;
      ++skipped;
      return false;
    }
    ++taken;
    if (++tracker == interval) {
      if (std::isfinite(scale * growth))
        scale *= growth;
      tracker = 0;
    }
    return true;
  }
};

class LossScale : public ProgramTest {
protected:
  std::vector<double> state{65536, 0, 0, 1, 1}, scalars = std::vector<double>(8, 7);
  std::vector<int32_t> status{0, 0, 0, 0}, updateStatus = std::vector<int32_t>(4, -1);
  std::vector<double> updateScalars = std::vector<double>(8, -1);
  double norm = 0, trueNorm = -1, inverse = -1;
  LossScaleOptions options{2, 0.5, 3, 0.9, 0.999};

  void adjust() {
    run([&](OpBuilder &b) { return buildAdjustScale(b, "adjust", options); },
        {&norm, state.data(), status.data(), scalars.data(), &trueNorm, &inverse, updateStatus.data(),
         updateScalars.data()});
  }
};

TEST_F(LossScale, GoesAsGradScalerGoesWithOverflowsAtChosenSteps) {
  Reference reference{65536};
  const std::set<int> overflows{1, 2, 6, 11, 12, 13};
  double power1 = 1, power2 = 1;
  for (int step = 1; step <= 20; ++step) {
    const double scale = state[plan::CURRENT_SCALE];
    norm = overflows.contains(step) ? (step % 2 ? std::numeric_limits<double>::infinity() : std::nan("")) : 3 * scale;
    adjust();
    const bool taken = reference.step(overflows.contains(step), 2, 0.5, 3);
    if (taken)
      power1 *= 0.9, power2 *= 0.999;
    EXPECT_EQ(inverse, 1 / scale);
    if (taken)
      EXPECT_EQ(trueNorm, 3);
    EXPECT_EQ(updateStatus[0], taken ? 0 : 1) << step;
    EXPECT_EQ(status[0], 0) << "the run goes on";
    EXPECT_EQ(state, (std::vector<double>{reference.scale, double(reference.tracker), double(reference.skipped), power1,
                                          power2}))
        << step;
    EXPECT_EQ(updateScalars[plan::BIAS_CORRECTION1], 1 - power1);
    EXPECT_EQ(updateScalars[plan::BIAS_CORRECTION2], 1 - power2);
    EXPECT_EQ(updateScalars[plan::LEARNING_RATE], 7);
  }
  EXPECT_GT(reference.taken, 0);
}

TEST_F(LossScale, DoesNotGrowOutOfF32) {
  state[plan::CURRENT_SCALE] = 0x1p127, options.interval = 1;
  norm = 1;
  adjust();
  EXPECT_EQ(state[plan::CURRENT_SCALE], 0x1p127);
  EXPECT_EQ(state[plan::GOOD_STEPS], 0);
}

TEST_F(LossScale, LeavesARunThatHasFailedAsItIs) {
  status = {1, 5, 6, 1};
  const std::vector<double> before = state;
  norm = std::nan("");
  adjust();
  EXPECT_EQ(state, before);
  EXPECT_EQ(updateStatus, status);
}

} // namespace
} // namespace ft
