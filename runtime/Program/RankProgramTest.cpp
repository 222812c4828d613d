#include "runtime/Program/RankProgram.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Program/TinyPlan.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

namespace {
/// Why the plan does not load on this CPU, empty if it does.
std::string refusal(const plan::Plan &plan, Code code) {
  auto file = TinyPlan::write(plan, testing::TempDir() + "rank-program-test.bin");
  auto device = openCpuDevice(0);
  EXPECT_TRUE(file && device.ok());
  if (!file || !device.ok())
    return "not read";
  auto program = RankProgram::load(*file, std::move(*device), {});
  if (program.ok())
    return {};
  EXPECT_EQ(program.status().code(), code);
  return program.status().message();
}

plan::Arena *arenaNamed(plan::Plan &plan, const std::string &name) {
  for (plan::Arena &arena : *plan.mutable_arenas())
    if (arena.name() == name)
      return &arena;
  return nullptr;
}

testing::AssertionResult holds(const std::string &message, std::initializer_list<const char *> parts) {
  for (const char *part : parts)
    if (message.find(part) == std::string::npos)
      return testing::AssertionFailure() << "\"" << part << "\" is not in: " << message;
  return testing::AssertionSuccess();
}
} // namespace

TEST(RankProgram, LoadsAndZeroesItsArenas) {
  auto file = TinyPlan::write(TinyPlan::make(1), testing::TempDir() + "rank-program-test.bin");
  auto device = openCpuDevice(1);
  auto program = RankProgram::load(*file, std::move(*device), {});
  ASSERT_TRUE(program.ok()) << program.status().message();
  for (int i = 0; i < file->plan.arenas_size(); ++i)
    for (std::byte byte : (*program)->arenas().arena(i))
      ASSERT_EQ(byte, std::byte(0));
  EXPECT_TRUE((*program)->has(plan::Segment::EVALUATE));
  EXPECT_FALSE((*program)->has(plan::Segment::SAVE));
  Status missing = (*program)->run(plan::Segment::SAVE);
  EXPECT_TRUE(holds(missing.message(), {"no segment SAVE"}));
}

namespace {
/// The tiny plan with an update in two parts: FINISH clears the gradient, FINISH_FIRST adds the micro-batch's twice.
plan::Plan inTwoParts() {
  plan::Plan plan = TinyPlan::make(1);
  plan::Segment first;
  for (const plan::Segment &segment : plan.segments())
    if (segment.kind() == plan::Segment::ACCUMULATE_FIRST)
      first = segment;
  plan::Segment &finish = *plan.add_segments(), &both = *plan.add_segments();
  finish.set_kind(plan::Segment::FINISH);
  for (const plan::Step &step : first.steps())
    if (step.has_memset() && plan.buffers(int(step.memset().dst().buffer())).name() == "gradient")
      *finish.add_steps() = step;
  both = first;
  both.set_kind(plan::Segment::FINISH_FIRST);
  for (const plan::Step &step : first.steps())
    if (step.name() == "gradient")
      *both.add_steps() = step;
  plan.add_features("finish");
  return plan;
}

/// The tokens are all 1, and their labels 2.
void submit(RankProgram &program) {
  ASSERT_TRUE(program.beginRecord().ok());
  for (const auto &[kind, value] : {std::pair(plan::BatchInput::TOKENS, 1), {plan::BatchInput::LABELS, 2}}) {
    auto *ids = static_cast<int32_t *>(program.staging().input(kind));
    std::fill_n(ids, TinyPlan::rows * TinyPlan::sequenceLen, value);
  }
  static_cast<double *>(program.staging().input(plan::BatchInput::SCALARS))[plan::INVERSE_TARGETS] = 1;
  ASSERT_TRUE(program.submitRecord().ok());
}
} // namespace

TEST(RankProgram, FinishesAnUpdateBesideTheNextStepOrBeforeWhatReads) {
  auto file = TinyPlan::write(inTwoParts(), testing::TempDir() + "rank-program-test.bin");
  ASSERT_TRUE(file);
  auto loaded = RankProgram::load(*file, std::move(*openCpuDevice(1)), {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  RankProgram &program = **loaded;
  auto named = [&](const std::string &name) {
    int i = 0;
    while (file->plan.buffers(i).name() != name)
      ++i;
    return program.arenas().bufferAddress(uint32_t(i));
  };
  *reinterpret_cast<float *>(named("vocab")) = TinyPlan::vocab;
  *reinterpret_cast<int32_t *>(named("count")) = TinyPlan::rows * TinyPlan::sequenceLen;
  auto gradient = [&] { return reinterpret_cast<const float *>(named("gradient"))[1]; };
  auto run = [&](plan::Segment::Kind kind) {
    if (kind != plan::Segment::UPDATE)
      submit(program);
    const Status status = program.run(kind);
    EXPECT_TRUE(status.ok()) << status.message();
    return gradient();
  };
  const float once = run(plan::Segment::ACCUMULATE_FIRST);
  ASSERT_NE(once, 0);
  EXPECT_EQ(run(plan::Segment::UPDATE), once);
  const float twice = run(plan::Segment::ACCUMULATE_FIRST);
  EXPECT_NE(twice, once) << "ran beside the rest of the update";
  EXPECT_EQ(run(plan::Segment::UPDATE), twice);
  EXPECT_EQ(run(plan::Segment::EVALUATE), 0) << "behind the rest of the update";
  EXPECT_NE(run(plan::Segment::ACCUMULATE_FIRST), 0);
  const float third = gradient();
  EXPECT_TRUE(program.finish().ok());
  EXPECT_EQ(gradient(), third) << "nothing was begun";
  run(plan::Segment::UPDATE);
  EXPECT_TRUE(program.finish().ok());
  EXPECT_EQ(gradient(), 0);
  EXPECT_NE(run(plan::Segment::ACCUMULATE_FIRST), 0);
  EXPECT_TRUE(program.finish().ok());
  EXPECT_NE(gradient(), 0) << "it was finished";
}

namespace {
/// The tiny plan, whose first micro-batch copies a number of four bytes to the host.
plan::Plan withATransfer() {
  plan::Plan plan = TinyPlan::make(1);
  plan::Operand number;
  for (int i = 0; i < plan.buffers_size(); ++i)
    if (plan.buffers(i).name() == "vocab")
      number.set_buffer(uint32_t(i));
  number.set_rows(1), number.set_row_bytes(4), number.set_pitch(4), number.set_read(1);
  plan::Operand there = number;
  there.set_buffer(uint32_t(plan.buffers_size())), there.set_read(0), there.set_write(1);
  plan::Buffer &away = *plan.add_buffers();
  away.set_name("away"), away.set_arena(uint32_t(plan.arenas_size())), away.set_class_(plan::Buffer::ACTIVATION);
  away.set_size(4);
  plan::Arena &arena = *plan.add_arenas();
  arena.set_name("host_transfers"), arena.set_space(plan::Arena::PINNED), arena.set_transient(true);
  arena.set_size(64), arena.set_alignment(64);
  for (plan::Segment &segment : *plan.mutable_segments())
    if (segment.kind() == plan::Segment::ACCUMULATE_FIRST) {
      plan::Step &step = *segment.add_steps();
      step.set_name("away");
      *step.mutable_copy()->mutable_src() = number, *step.mutable_copy()->mutable_dst() = there;
    }
  return plan;
}
} // namespace

TEST(RankProgram, TellsTheHostsTimesOfAStepUntilAnotherBegins) {
  auto file = TinyPlan::write(withATransfer(), testing::TempDir() + "rank-program-test.bin");
  ASSERT_TRUE(file);
  auto loaded = RankProgram::load(*file, std::move(*openCpuDevice(1)), {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  RankProgram &program = **loaded;
  ASSERT_TRUE(program.timesHost());
  auto run = [&](plan::Segment::Kind kind) {
    if (kind != plan::Segment::UPDATE)
      submit(program);
    EXPECT_TRUE(program.run(kind).ok());
  };
  auto bytesOf = [&](uint64_t step) -> uint64_t { // 0: nothing is told
    const auto times = program.hostTimes(step);
    EXPECT_TRUE(times.ok());
    return times.ok() && *times ? (*times)->toHostBytes : 0;
  };
  ASSERT_TRUE(program.mark(0).ok());
  run(plan::Segment::ACCUMULATE_FIRST), run(plan::Segment::UPDATE);
  EXPECT_EQ(bytesOf(1), 0u) << "is not marked";
  ASSERT_TRUE(program.mark(1).ok());
  EXPECT_EQ(bytesOf(1), 4u);
  run(plan::Segment::ACCUMULATE_FIRST);
  EXPECT_EQ(bytesOf(1), 0u) << "its stamps are the next step's";
  run(plan::Segment::ACCUMULATE_FIRST), run(plan::Segment::UPDATE);
  ASSERT_TRUE(program.mark(2).ok());
  EXPECT_EQ(bytesOf(1), 0u);
  EXPECT_EQ(bytesOf(2), 8u) << "of two runs";
  ASSERT_TRUE(program.mark(3).ok());
  EXPECT_EQ(bytesOf(3), 0u) << "ran nothing";
}

TEST(RankProgram, TellsNothingOfAHostWhereNothingIs) {
  auto file = TinyPlan::write(TinyPlan::make(1), testing::TempDir() + "rank-program-test.bin");
  auto program = RankProgram::load(*file, std::move(*openCpuDevice(1)), {});
  ASSERT_TRUE(program.ok());
  EXPECT_FALSE((*program)->timesHost());
  EXPECT_TRUE((*program)->mark(1).ok());
  const auto times = (*program)->hostTimes(1);
  EXPECT_TRUE(times.ok() && !*times);
}

TEST(RankProgram, RefusesWhatDoesNotFitNamingTheArenas) {
  plan::Plan plan = TinyPlan::make(1);
  arenaNamed(plan, "activations")->set_size(uint64_t(1) << 45);
  EXPECT_TRUE(holds(refusal(plan, Code::CannotRun),
                    {"32.00 TiB", "activations", " free of ", ": end other programs, or compile", "micro_batch_size"}));
}

TEST(RankProgram, CountsWhatNcclTakesBesideThePlan) {
  auto file = TinyPlan::write(TinyPlan::make(1), testing::TempDir() + "rank-program-test.bin");
  RankProgramOptions options;
  options.ncclBytes = 1000;
  auto program = RankProgram::load(*file, std::move(*openCpuDevice(1)), options);
  ASSERT_TRUE(program.ok()) << program.status().message();
  EXPECT_EQ((*program)->arenas().outsideBytes(), file->plan.target().outside_arenas() + 1000);
  options.ncclBytes = uint64_t(1) << 45;
  const Status status = RankProgram::load(*file, std::move(*openCpuDevice(1)), options).status();
  EXPECT_EQ(status.code(), Code::CannotRun);
  EXPECT_TRUE(holds(status.message(), {"outside the arenas, 32.00 TiB of them NCCL's)", "free"}));
}

TEST(RankProgram, RefusesAnotherDriver) {
  EXPECT_TRUE(
      holds(refusal(TinyPlan::makeForGpu(1), Code::CannotRun), {"target h200", "driver cuda", "ftrun --devices"}));
}

TEST(RankProgram, ComparesTheHostsMemoryForAllRanksOnIt) {
  plan::Plan plan = TinyPlan::makeForGpu(1);
  plan::Arena &masters = *plan.add_arenas();
  masters.set_name("host_masters"), masters.set_space(plan::Arena::PINNED), masters.set_size(uint64_t(1) << 30);
  const uint64_t one = (uint64_t(1) << 30) + arenaNamed(plan, "staging")->size() + weightStagingBytes(plan);
  EXPECT_TRUE(checkHostMemory(plan, 1, one).ok());
  EXPECT_TRUE(checkHostMemory(plan, 2, 2 * one).ok());
  const Status status = checkHostMemory(plan, 2, 2 * one - 1);
  EXPECT_EQ(status.code(), Code::CannotRun);
  EXPECT_TRUE(holds(status.message(), {"needs 2.00 GiB of the host's memory", "host_masters 1.00 GiB",
                                       "for each of 2 ranks", "offload_optimizer.fraction", "activation_offload"}));
  plan.mutable_target()->set_driver(plan::CPU); // where every arena is counted before it is reserved
  EXPECT_TRUE(checkHostMemory(plan, 1, 0).ok());
}
