// A step run twice: nothing changes where the processor is sound, and one flipped bit is found.
#include "runtime/Training/StepVerifier.h"

#include "runtime/Program/ReorderingDevice.h"
#include "runtime/Program/TinyPlan.h"
#include "runtime/Training/TinyData.h"
#include "runtime/Training/Trainer.h"
#include "runtime/Weights/Load.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// Flips a bit of `target`, high enough to outlive a rounding, when a graph is launched for the n-th time.
class FlippingDevice final : public ReorderingDevice {
public:
  FlippingDevice() : ReorderingDevice(std::move(*openCpuDevice(1)), Order::Lazy) {}
  Status launchGraph(uint32_t graph) override {
    if (++launches == when)
      *target ^= 1;
    return ReorderingDevice::launchGraph(graph);
  }
  uint64_t launches = 0, when = 0;
  char *target = nullptr;
};

class StepVerifierTest : public testing::Test {
protected:
  /// Six steps of two micro-batches, so three graphs a step; the run's error, or none.
  Status train(uint64_t every, uint64_t flippedLaunch = 0) {
    plan::Plan plan = TinyPlan::makeForGpu(2);
    TinyPlan::addCheckpointRoom(plan);
    file = TinyPlan::write(plan, testing::TempDir() + "step-verifier-test.bin");
    auto own = std::make_unique<FlippingDevice>();
    FlippingDevice &device = *own;
    auto program = RankProgram::load(*file, std::move(own), {});
    EXPECT_TRUE(program.ok()) << program.status().message();
    LoadOptions load;
    load.section = [&](uint32_t index) { return file->section(index); };
    LoadTarget target;
    target.hostBuffer = [&](uint32_t b) {
      return reinterpret_cast<std::byte *>((*program)->arenas().bufferAddress(b));
    };
    EXPECT_TRUE(loadModel(file->plan, *ModelSource::open("seeded:5"), load, target).ok());
    auto feed = BatchFeed::training(file->plan, tinyData(8), 42);
    auto interrupts = Interrupts::create([] {});
    OneRank lockstep(**interrupts);
    const int nowhere = open("/dev/null", O_WRONLY);
    Console console(nowhere);
    Journal journal(console, 1);
    StepVerifier verifier(**program, std::max<uint64_t>(every, 1));
    TrainerOptions options;
    options.totalSteps = 6;
    options.verifier = every ? &verifier : nullptr;
    plan::Run run;
    run.set_learning_rate(10), run.set_lr_scheduler_type("constant");
    device.launches = 0, device.when = flippedLaunch;
    device.target = (*program)->arenas().bufferAddress(0) + 14;
    Trainer trainer(**program, **feed, nullptr, *Schedule::create(run, 6), options, journal, lockstep);
    auto result = trainer.run();
    launches = device.launches;
    const auto *w = reinterpret_cast<const float *>((*program)->arenas().bufferAddress(0));
    weights.assign(w, w + TinyPlan::vocab);
    close(nowhere);
    return result.status();
  }

  std::unique_ptr<PlanFile> file;
  std::vector<float> weights;
  uint64_t launches = 0;
};
} // namespace

TEST_F(StepVerifierTest, ChangesNothing) {
  ASSERT_TRUE(train(0).ok());
  EXPECT_EQ(launches, 18u);
  const std::vector<float> once = weights;
  for (uint64_t every : {1, 2, 5}) {
    const Status status = train(every);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(weights, once) << "every " << every;
    EXPECT_EQ(launches, 18 + 3 * (6 / every));
  }
}

TEST_F(StepVerifierTest, FindsAFlippedBit) {
  // Step 2 is launches 4 to 6, and 7 to 9 again.
  for (uint64_t launch : {4, 5, 6, 7, 8, 9}) {
    const Status status = train(2, launch);
    EXPECT_EQ(status.code(), Code::Failed) << "launch " << launch;
    EXPECT_NE(status.message().find("step 2 gave other bits when it was run again"), std::string::npos)
        << status.message();
  }
  // In a step that is not run twice it is not seen.
  EXPECT_TRUE(train(2, 2).ok());
}
