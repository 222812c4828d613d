// Real plans of ranks that hold shares, each with one fault planted that a compiler could make: the verifier says which
// step reads what is not there, or the checks say which table does not fit.
#include "compiler/Pipeline/Pipeline.h"

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/Verify.h"

#include <gtest/gtest.h>

#include <functional>

using namespace ft;

namespace {

using Change = std::function<void(plan::Plan &)>;

plan::Plan planOf(std::vector<std::string> overrides) {
  CompileRequest request;
  request.recipePath = "recipes/tiny_llama_cpu.textproto";
  request.recipesFolder = "recipes";
  request.overrides = std::move(overrides);
  auto inputs = loadInputs(request);
  EXPECT_TRUE(inputs.ok()) << inputs.status().message();
  auto compiled = planFrom(*inputs, choose(*inputs));
  EXPECT_TRUE(compiled.ok()) << compiled.status().message();
  return compiled->plan;
}

plan::Plan zero1() {
  return planOf({"gradient_accumulation_steps=2", "precision=BF16_MIXED", "parallelism.strategy=ZERO1",
                 "parallelism.dp_shard_size=2"});
}

plan::Plan fsdp() { return planOf({"parallelism.strategy=FSDP", "parallelism.dp_shard_size=2"}); }

plan::Segment &segmentOf(plan::Plan &plan, plan::Segment::Kind kind) {
  for (plan::Segment &segment : *plan.mutable_segments())
    if (segment.kind() == kind)
      return segment;
  ADD_FAILURE() << "no segment " << plan::Segment::Kind_Name(kind);
  return *plan.add_segments();
}

/// The first collective of `kind` in a segment that is not of a scalar.
plan::Step &collectiveOf(plan::Segment &segment, plan::Collective::Kind kind) {
  for (plan::Step &step : *segment.mutable_steps())
    if (step.collective().kind() == kind && step.collective().whole(0).row_bytes() > 64)
      return step;
  ADD_FAILURE() << "no " << plan::Collective::Kind_Name(kind) << " in " << plan::Segment::Kind_Name(segment.kind());
  return *segment.add_steps();
}

/// The step does nothing, at the same place in its stream and with the same events: it zeroes a workspace that nobody
/// reads.
void forget(plan::Plan &plan, plan::Step &step) {
  plan::Operand scratch;
  for (int i = 0; i < plan.buffers_size(); ++i)
    if (plan.buffers(i).class_() == plan::Buffer::WORKSPACE)
      scratch.set_buffer(uint32_t(i));
  scratch.set_rows(1), scratch.set_row_bytes(16), scratch.set_pitch(16), scratch.set_write(1);
  *step.mutable_memset()->mutable_dst() = scratch;
}

void expectRefused(plan::Plan plan, const std::string &part, const Change &change) {
  ASSERT_TRUE(rt::verifyPlan(plan).ok()) << rt::verifyPlan(plan).message();
  change(plan);
  const rt::Status status = rt::verifyPlan(plan);
  EXPECT_NE(status.message().find(part), std::string::npos) << "wanted: " << part << "\n   got: " << status.message();
}

TEST(ShardFaults, AnUpdateBeforeItsReduction) {
  expectRefused(zero1(), "UPDATE step", [](plan::Plan &p) {
    forget(p, collectiveOf(segmentOf(p, plan::Segment::ACCUMULATE_LAST), plan::Collective::REDUCE_SCATTER));
  });
}

TEST(ShardFaults, AnUpdateThatReadsTheWholeGradient) {
  expectRefused(zero1(), "UPDATE step 3 \"grad_norm\": operands[0]: reads version", [](plan::Plan &p) {
    for (plan::Step &step : *segmentOf(p, plan::Segment::UPDATE).mutable_steps())
      for (plan::Operand &operand : *step.mutable_launch()->mutable_operands())
        if (p.buffers(int(operand.buffer())).name() == "bucket0.gradient")
          operand.clear_rank_pitch(); // rank 1 reads the share of rank 0
  });
}

TEST(ShardFaults, AParameterThatIsNotGathered) {
  expectRefused(zero1(), "of buffer \"bucket0.parameter\", of which some hold version", [](plan::Plan &p) {
    forget(p, collectiveOf(segmentOf(p, plan::Segment::UPDATE), plan::Collective::ALL_GATHER));
  });
}

TEST(ShardFaults, AWorkingCopyThatIsNotGatheredAtTheStart) {
  expectRefused(zero1(), "of buffer \"bucket1.copy\", of which some hold version", [](plan::Plan &p) {
    forget(p, collectiveOf(segmentOf(p, plan::Segment::INITIALIZE), plan::Collective::ALL_GATHER));
  });
}

TEST(ShardFaults, AShareThatIsReadAsIfItWereAll) {
  expectRefused(fsdp(), "of which some hold", [](plan::Plan &p) {
    forget(p, collectiveOf(segmentOf(p, plan::Segment::ACCUMULATE_FIRST), plan::Collective::ALL_GATHER));
  });
}

TEST(ShardFaults, AShareThatIsNotBroughtToItsWhole) {
  expectRefused(fsdp(), "of buffer \"accumulate_first.0.", [](plan::Plan &p) {
    for (plan::Step &step : *segmentOf(p, plan::Segment::ACCUMULATE_FIRST).mutable_steps())
      if (step.has_copy() && step.copy().dst().rank_pitch_size() > 0)
        return forget(p, step);
    ADD_FAILURE() << "no share is copied";
  });
}

TEST(ShardFaults, AGatherThatNobodyWaitsFor) {
  expectRefused(fsdp(), "an event must order them", [](plan::Plan &p) {
    plan::Segment &segment = segmentOf(p, plan::Segment::ACCUMULATE_FIRST);
    uint32_t event = 0;
    for (const plan::Step &step : segment.steps()) // the first of those that are ahead of their use
      if (event == 0 && step.collective().kind() == plan::Collective::ALL_GATHER)
        event = step.record();
    ASSERT_NE(event, 0u);
    for (plan::Step &step : *segment.mutable_steps())
      step.mutable_wait()->erase(std::remove(step.mutable_wait()->begin(), step.mutable_wait()->end(), event),
                                 step.mutable_wait()->end());
  });
}

TEST(ShardFaults, SharesThatDoNotFitTheirBuffers) {
  auto expectBad = [](const std::string &part, const Change &change) {
    plan::Plan plan = zero1();
    change(plan);
    const rt::Status status = rt::checkPlan(plan, {});
    EXPECT_NE(status.message().find(part), std::string::npos) << "wanted: " << part << "\n   got: " << status.message();
  };
  auto shared = [](plan::Plan &p) -> plan::Shares & {
    for (plan::Buffer &buffer : *p.mutable_buffers())
      if (buffer.has_shares())
        return *buffer.mutable_shares();
    ADD_FAILURE() << "no buffer has shares";
    return *p.mutable_buffers(0)->mutable_shares();
  };
  expectBad("features do not name \"shares\"", [](plan::Plan &p) { p.clear_features(); });
  expectBad("shares has no axes", [&](plan::Plan &p) { shared(p).clear_axes(); });
  expectBad("shares.axes[0] is 7", [&](plan::Plan &p) { shared(p).set_axes(0, 7); });
  expectBad("shares.axes names axis 0 twice", [&](plan::Plan &p) { shared(p).add_axes(0); });
  expectBad("shares.bytes is 48; must be a positive multiple of 16 for each of 2 members",
            [&](plan::Plan &p) { shared(p).set_bytes(48); });
  expectBad("one of them", [&](plan::Plan &p) { shared(p).set_bytes(shared(p).bytes() * 4); });
}

} // namespace
