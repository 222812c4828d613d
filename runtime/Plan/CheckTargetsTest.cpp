// Segments for micro-batches of few targets: what checkPlan refuses, what verifyPlan finds in their mixes with others,
// and how long their steps take.
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/PlanFaults.h"
#include "runtime/Plan/Targets.h"
#include "runtime/Plan/Timeline.h"
#include "runtime/Plan/Verify.h"
#include "runtime/Plan/VerifyInterpreter.h"

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

/// The sample, with a segment for at most two targets beside each for all four tokens; for one in evaluation.
plan::Plan targetsPlan() {
  plan::Plan plan = samplePlan();
  plan.add_features("targets");
  plan.mutable_batch()->set_max_target_tokens(2);
  plan.mutable_batch()->set_max_eval_target_tokens(1);
  Buffer &rows = *plan.add_buffers();
  rows.set_name("target_rows");
  rows.set_arena(TestPlan::Io);
  rows.set_offset(32); // between tokens and scalars
  rows.set_size(8);
  rows.set_class_(Buffer::INPUT);
  const auto buffer = uint32_t(plan.buffers_size() - 1);
  plan.add_inputs()->set_kind(plan::BatchInput::TARGET_ROWS);
  plan.mutable_inputs(plan.inputs_size() - 1)->set_buffer(buffer);
  for (int i = 0, count = plan.segments_size(); i < count; ++i) {
    Segment few = plan.segments(i);
    few.set_kind(plan::targetsKindOf(few.kind()));
    if (few.kind() == Segment::KIND_UNSPECIFIED)
      continue;
    Operand &dst = *few.mutable_steps(0)->mutable_receive()->add_dst();
    dst.set_buffer(buffer), dst.set_rows(1), dst.set_write(1);
    dst.set_row_bytes(few.kind() == Segment::EVALUATE_TARGETS ? 4 : 8);
    *plan.add_segments() = few;
  }
  return plan;
}

Segment &segmentOf(plan::Plan &plan, Segment::Kind kind) {
  for (Segment &segment : *plan.mutable_segments())
    if (segment.kind() == kind)
      return segment;
  std::abort();
}

void erase(plan::Plan &plan, Segment::Kind kind) {
  for (int i = 0; i < plan.segments_size(); ++i)
    if (plan.segments(i).kind() == kind)
      return plan.mutable_segments()->DeleteSubrange(i, 1);
}

Operand &rowsOf(plan::Plan &plan, Segment::Kind kind) {
  plan::Receive &receive = *segmentOf(plan, kind).mutable_steps(0)->mutable_receive();
  return *receive.mutable_dst(receive.dst_size() - 1);
}

} // namespace

TEST(CheckTargets, RefusesWhatDoesNotHoldTogether) {
  expectEach(
      {
          {[](auto &p) { p.clear_features(); }, "has a bound on targets, and features do not name \"targets\""},
          {[](auto &p) { p.mutable_batch()->set_max_target_tokens(4); },
           "batch: max_target_tokens is 4; must be in [0, 3]"},
          {[](auto &p) { p.mutable_batch()->set_max_eval_target_tokens(huge); },
           "batch: max_eval_target_tokens is 18446744073709551615; must be in [0, 3]"},
          {[](auto &p) { erase(p, Segment::ACCUMULATE_NEXT_TARGETS); },
           "has ACCUMULATE_NEXT and no ACCUMULATE_NEXT_TARGETS, and batch.max_target_tokens is 2"},
          {[](auto &p) { erase(p, Segment::EVALUATE); },
           "has EVALUATE_TARGETS, which stands beside EVALUATE where batch.max_eval_target_tokens is not 0; it is 1"},
          {[](auto &p) { p.mutable_batch()->set_max_eval_target_tokens(0); },
           "has EVALUATE_TARGETS, which stands beside EVALUATE where batch.max_eval_target_tokens is not 0; it is 0"},
          {[](auto &p) { rowsOf(p, Segment::ACCUMULATE_FIRST_TARGETS).set_row_bytes(4); },
           "ACCUMULATE_FIRST_TARGETS receives 4 bytes of TARGET_ROWS; must be 8, for batch.max_target_tokens 2"},
          {[](auto &p) { rowsOf(p, Segment::EVALUATE_TARGETS).set_row_bytes(8); },
           "EVALUATE_TARGETS receives 8 bytes of TARGET_ROWS; must be 4, for batch.max_eval_target_tokens 1"},
          {[](auto &p) {
             plan::Receive &receive =
                 *segmentOf(p, Segment::ACCUMULATE_NEXT_TARGETS).mutable_steps(0)->mutable_receive();
             receive.mutable_dst()->RemoveLast();
           },
           "ACCUMULATE_NEXT_TARGETS does not receive TARGET_ROWS, which it is for"},
      },
      targetsPlan);
  expectEach({
      {[](auto &p) {
         p.add_segments()->set_kind(Segment::EVALUATE_TARGETS),
             *p.mutable_segments(5) = p.segments(4), p.mutable_segments(5)->set_kind(Segment::EVALUATE_TARGETS);
       },
       "has EVALUATE_TARGETS, which stands beside EVALUATE where batch.max_eval_target_tokens is not 0; it is 0"},
  });
}

TEST(CheckTargets, AMicroBatchGoesWhereItFits) {
  const plan::Plan plan = targetsPlan();
  EXPECT_EQ(plan::kindFor(plan, Segment::ACCUMULATE_FIRST, 0), Segment::ACCUMULATE_FIRST_TARGETS);
  EXPECT_EQ(plan::kindFor(plan, Segment::ACCUMULATE_NEXT, 2), Segment::ACCUMULATE_NEXT_TARGETS);
  EXPECT_EQ(plan::kindFor(plan, Segment::ACCUMULATE_NEXT, 3), Segment::ACCUMULATE_NEXT);
  EXPECT_EQ(plan::kindFor(plan, Segment::EVALUATE, 1), Segment::EVALUATE_TARGETS);
  EXPECT_EQ(plan::kindFor(plan, Segment::EVALUATE, 2), Segment::EVALUATE);
  EXPECT_EQ(plan::kindFor(plan, Segment::UPDATE, 0), Segment::UPDATE);
  EXPECT_EQ(plan::kindFor(samplePlan(), Segment::ACCUMULATE_FIRST, 0), Segment::ACCUMULATE_FIRST);
}

TEST(VerifyTargets, EveryMixOfMicroBatchesIsProved) {
  const Status status = verifyPlan(targetsPlan());
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(isLegalPlan(targetsPlan(), true));
  // What one kind leaves another must find, in whatever order they come.
  for (const Segment::Kind kind : {Segment::ACCUMULATE_FIRST_TARGETS, Segment::ACCUMULATE_NEXT_TARGETS}) {
    plan::Plan plan = targetsPlan();
    for (Step &x : *segmentOf(plan, kind).mutable_steps())
      if (x.name() == "linear.backward")
        x.mutable_gemm()->mutable_d()->set_write(7);
    const Status found = verifyPlan(plan);
    ASSERT_FALSE(found.ok());
    EXPECT_NE(found.message().find("written by " + plan::Segment::Kind_Name(kind)), std::string::npos)
        << found.message();
    EXPECT_FALSE(isLegalPlan(plan, true));
  }
}

TEST(VerifyTargets, EvaluationLeavesTrainingAsItWas) {
  plan::Plan plan = targetsPlan();
  Segment &evaluate = segmentOf(plan, Segment::EVALUATE_TARGETS);
  for (const Step &x : segmentOf(plan, Segment::ACCUMULATE_FIRST).steps())
    if (x.name() == "linear.backward") {
      Step copy = x;
      *evaluate.add_steps() = copy;
      evaluate.mutable_steps()->SwapElements(evaluate.steps_size() - 1, evaluate.steps_size() - 2); // the emit is last
    }
  EXPECT_FALSE(verifyPlan(plan).ok());
  EXPECT_FALSE(isLegalPlan(plan, true));
}

TEST(TimelineOfTargets, CountsTheirSegmentsInThePlaceOfOthers) {
  plan::Plan plan = targetsPlan();
  for (Segment &segment : *plan.mutable_segments())
    for (Step &x : *segment.mutable_steps())
      x.set_predicted_us(segment.kind() == Segment::UPDATE                     ? 100
                         : plan::wholeKindOf(segment.kind()) == segment.kind() ? 10
                                                                               : 1);
  const double perMicroBatch = segmentOf(plan, Segment::ACCUMULATE_FIRST).steps_size(); // of three
  const double update = 100.0 * segmentOf(plan, Segment::UPDATE).steps_size();
  EXPECT_EQ(timelineOf(plan).us, 30 * perMicroBatch + update);
  EXPECT_EQ(timelineOfTargets(plan).us, 3 * perMicroBatch + update);
  EXPECT_EQ(timelineOfTargets(samplePlan()).us, timelineOf(samplePlan()).us);
}
