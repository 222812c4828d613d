#include "runtime/Plan/Kinds.h"

#include <gtest/gtest.h>

namespace ft::plan {
namespace {

TEST(Kinds, NamesLeadBackToTheirKinds) {
  for (int i = Segment::Kind_MIN; i <= Segment::Kind_MAX; ++i)
    EXPECT_EQ(segmentKind(segmentName(Segment::Kind(i))), Segment::Kind(i)) << i;
  EXPECT_EQ(segmentName(Segment::ACCUMULATE_FIRST), "accumulate_first");
  for (int i = BatchInput::Kind_MIN; i <= BatchInput::Kind_MAX; ++i)
    EXPECT_EQ(inputKind(BatchInput::Kind_Name(BatchInput::Kind(i))), i);
  for (int i = Output::Kind_MIN; i <= Output::Kind_MAX; ++i)
    EXPECT_EQ(outputKind(Output::Kind_Name(Output::Kind(i))), i);
}

TEST(Kinds, OtherNamesAreNoKind) {
  for (const char *name : {"forward", "UPDATE", "Update", "", "update "})
    EXPECT_EQ(segmentKind(name), Segment::KIND_UNSPECIFIED) << name;
  EXPECT_EQ(inputKind("LOSS"), BatchInput::KIND_UNSPECIFIED);
  EXPECT_EQ(outputKind("loss"), Output::KIND_UNSPECIFIED);
}

TEST(Kinds, ASegmentEitherTrainsOrRunsBetweenSteps) {
  Plan plan;
  Batch &batch = *plan.mutable_batch();
  batch.set_micro_batch_size(4), batch.set_gradient_accumulation_steps(3);
  for (int i = Segment::INITIALIZE; i <= Segment::Kind_MAX; ++i) {
    const auto kind = Segment::Kind(i);
    EXPECT_FALSE(runsBetweenSteps(kind) && runsPerStep(plan, kind) > 0) << segmentName(kind);
    EXPECT_FALSE(runsBetweenSteps(kind) && mayWrite(kind, Buffer::GRADIENT)) << segmentName(kind);
    EXPECT_EQ(rowsOf(batch, kind), kind == Segment::GENERATE ? 1u : 4u);
  }
  EXPECT_EQ(runsPerStep(plan, Segment::ACCUMULATE_NEXT), 2u);
  EXPECT_TRUE(runsOnTokens(Segment::GENERATE) && !runsOnTokens(Segment::UPDATE) && !runsOnTokens(Segment::INITIALIZE));
}

TEST(Kinds, TheLastMicroBatchMayHaveASegmentOfItsOwn) {
  Plan plan;
  plan.mutable_batch()->set_gradient_accumulation_steps(3);
  EXPECT_EQ(microBatchKind(plan, 2), Segment::ACCUMULATE_NEXT);
  plan.add_segments()->set_kind(Segment::ACCUMULATE_LAST);
  EXPECT_EQ(microBatchKind(plan, 0), Segment::ACCUMULATE_FIRST);
  EXPECT_EQ(microBatchKind(plan, 1), Segment::ACCUMULATE_NEXT);
  EXPECT_EQ(microBatchKind(plan, 2), Segment::ACCUMULATE_LAST);
  EXPECT_EQ(runsPerStep(plan, Segment::ACCUMULATE_NEXT), 1u);
  EXPECT_EQ(runsPerStep(plan, Segment::ACCUMULATE_LAST), 1u);
}

TEST(Kinds, TheFirstMicroBatchBehindAStepMayFinishItsUpdate) {
  Plan plan;
  plan.add_segments()->set_kind(Segment::ACCUMULATE_FIRST);
  EXPECT_EQ(runsPerStep(plan, Segment::ACCUMULATE_FIRST), 1u);
  EXPECT_EQ(runsPerStep(plan, Segment::FINISH_FIRST), 0u);
  plan.add_segments()->set_kind(Segment::FINISH_FIRST);
  EXPECT_EQ(microBatchKind(plan, 0), Segment::ACCUMULATE_FIRST) << "whatever is left of the step before";
  EXPECT_EQ(runsPerStep(plan, Segment::ACCUMULATE_FIRST), 0u);
  EXPECT_EQ(runsPerStep(plan, Segment::FINISH_FIRST), 1u);
  EXPECT_EQ(runsPerStep(plan, Segment::FINISH), 0u);
  EXPECT_EQ(finishingKindOf(Segment::ACCUMULATE_FIRST), Segment::FINISH_FIRST);
  EXPECT_EQ(finishingKindOf(targetsKindOf(Segment::ACCUMULATE_FIRST)), targetsKindOf(Segment::FINISH_FIRST));
  EXPECT_EQ(finishingKindOf(Segment::ACCUMULATE_NEXT), Segment::KIND_UNSPECIFIED);
  for (Segment::Kind kind : {Segment::FINISH, Segment::FINISH_FIRST, Segment::FINISH_FIRST_TARGETS})
    EXPECT_TRUE(finishes(kind) && mayWrite(kind, Buffer::WEIGHT) && !runsBetweenSteps(kind)) << segmentName(kind);
  EXPECT_TRUE(accumulates(Segment::FINISH_FIRST_TARGETS) && !accumulates(Segment::FINISH));
}

} // namespace
} // namespace ft::plan
