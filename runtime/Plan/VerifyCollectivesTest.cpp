// Faults of plans with several ranks: values that are not yet reduced or no longer fresh, shards, order.
#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/RankRegions.h"
#include "runtime/Plan/TestCollectives.h"
#include "runtime/Plan/Verify.h"

#include <algorithm>
#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

constexpr auto Initialize = Segment::INITIALIZE;
constexpr auto First = Segment::ACCUMULATE_FIRST;
constexpr auto Update = Segment::UPDATE;

void expectLegal(const plan::Plan &plan) {
  const Status status = verifyPlan(plan);
  EXPECT_TRUE(status.ok()) << status.message();
}

void expectError(const plan::Plan &plan, const std::string &part) {
  const Status status = verifyPlan(plan);
  ASSERT_FALSE(status.ok()) << "accepted, but should say: " << part;
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}

/// Moves a step of a segment to another place in its list.
void move(Segment &segment, const std::string &name, int to) {
  auto &steps = *segment.mutable_steps();
  int at = 0;
  while (steps[at].name() != name)
    ++at;
  for (; at > to; --at)
    steps.SwapElements(at, at - 1);
  for (; at < to; ++at)
    steps.SwapElements(at, at + 1);
}

void erase(Segment &segment, const std::string &name) {
  move(segment, name, segment.steps_size() - 1);
  segment.mutable_steps()->RemoveLast();
}

Step &stepOf(Segment &segment, const std::string &name) {
  return *std::find_if(segment.mutable_steps()->begin(), segment.mutable_steps()->end(),
                       [&](const Step &step) { return step.name() == name; });
}

} // namespace

TEST(VerifyCollectives, SamplePasses) {
  const plan::Plan plan = shardedPlan();
  const Status checked = checkPlan(plan, SampleSections().all());
  EXPECT_TRUE(checked.ok()) << checked.message();
  expectLegal(plan);
}

TEST(VerifyCollectives, UpdateBeforeTheReduction) {
  ShardedPlan t;
  move(t.segment(Update), "sgd", 0);
  expectError(t.plan, "UPDATE step 0 \"sgd\": operands[0]: reads version 2 from bytes [0, 64) of buffer "
                      "\"w.gradient\", of which some hold version 1 of buffer \"w.gradient\" then, written by "
                      "ACCUMULATE_NEXT step 0 \"backward\" (on the rank at dp = 0)");
}

TEST(VerifyCollectives, UpdateWithoutTheReduction) {
  ShardedPlan t;
  erase(t.segment(Update), "reduce");
  expectError(t.plan, "UPDATE step 0 \"sgd\": operands[0]: reads version 2");
}

TEST(VerifyCollectives, UpdateThatNamesTheUnreducedVersion) {
  ShardedPlan t;
  stepOf(t.segment(Update), "sgd").mutable_launch()->mutable_operands(0)->set_read(1);
  expectError(t.plan, "UPDATE step 1 \"sgd\": operands[0]: reads version 1 from bytes [0, 64) of buffer "
                      "\"w.gradient\", of which some hold version 2 of buffer \"w.gradient\" then, written by UPDATE "
                      "step 0 \"reduce\"");
}

TEST(VerifyCollectives, StaleWorkingCopyWithoutTheGather) {
  ShardedPlan t;
  erase(t.segment(Update), "gather");
  // The rank's own part is cast, the other's is of the step before.
  expectError(t.plan,
              "ACCUMULATE_FIRST step 0 \"backward\": operands[0]: reads version 1 from bytes [0, 128) of buffer "
              "\"w.working\", of which some hold version 2 of buffer \"w.working\" then, written by UPDATE step "
              "2 \"cast\"");
  erase(t.segment(Update), "cast");
  expectError(t.plan,
              "ACCUMULATE_FIRST step 0 \"backward\": operands[0]: reads version 1 from bytes [0, 128) of buffer "
              "\"w.working\", of which some hold version 3 of buffer \"w.working\" then, written by INITIALIZE "
              "step 1 \"gather\" as version 1 and renamed since");
}

TEST(VerifyCollectives, WithoutARenameTheStaleCopyWouldPass) {
  ShardedPlan t;
  erase(t.segment(Update), "gather");
  erase(t.segment(Update), "cast");
  t.segment(Update).clear_renames();
  expectLegal(t.plan);
}

TEST(VerifyCollectives, GatherBeforeTheUpdate) {
  ShardedPlan t;
  move(t.segment(Update), "gather", 1);
  expectError(t.plan,
              "UPDATE step 1 \"gather\": part[0]: reads version 2 from bytes [0, 64) of buffer \"w.working\", of "
              "which some hold version 3 of buffer \"w.working\" then, written by INITIALIZE step 1 \"gather\" "
              "as version 1 and renamed since");
}

TEST(VerifyCollectives, CastBeforeTheUpdate) {
  // The master keeps its version number in an update in place, so it takes one of its own to tell old from new.
  ShardedPlan t;
  plan::Rename &old = *t.segment(Update).add_renames();
  old.set_buffer(t.master), old.set_from(1), old.set_to(2);
  stepOf(t.segment(Update), "sgd").mutable_launch()->mutable_operands(1)->set_read(2);
  expectLegal(t.plan);
  move(t.segment(Update), "cast", 1);
  expectError(t.plan,
              "UPDATE step 1 \"cast\": operands[0]: reads version 1 from bytes [0, 64) of buffer \"w\", of which "
              "some hold version 2 of buffer \"w\" then, written by the initial fill as version 1 and renamed "
              "since");
}

TEST(VerifyCollectives, AShardReadAsIfItWereWhole) {
  ShardedPlan t;
  Operand &read = *stepOf(t.segment(Update), "sgd").mutable_launch()->mutable_operands(0);
  read = t.whole(t.gradient, 2, 0);
  expectError(t.plan, "UPDATE step 1 \"sgd\": operands[0]: reads version 2 from bytes [64, 128) of buffer "
                      "\"w.gradient\", of which some hold version 1 of buffer \"w.gradient\" then, written by "
                      "ACCUMULATE_NEXT step 0 \"backward\"");
  read = t.run(t.gradient, 0, 64, 2, 0); // rank 0's part, on all ranks
  expectError(t.plan, "reads version 2 from bytes [0, 64) of buffer \"w.gradient\", of which some hold version 1 of "
                      "buffer \"w.gradient\" then, written by ACCUMULATE_NEXT step 0 \"backward\" (on the rank at dp = "
                      "1)");
}

TEST(VerifyCollectives, BytesOverwrittenWhileTheCollectiveMayReadThem) {
  RankPlan t({{"dp", 2}});
  const uint32_t g = t.buffer("g", TestPlan::Gradients, 128, Buffer::GRADIENT);
  const uint32_t x = t.buffer("x", TestPlan::Activations, 64, Buffer::ACTIVATION);
  t.memset(First, "backward", t.whole(g, 0, 1)).set_record(1);
  Step &reduce = t.collective(First, "reduce", plan::Collective::REDUCE_SCATTER, plan::F32, {t.whole(g, 1, 0)},
                              {t.run(g, 0, 64, 0, 2, {64})}, 1);
  reduce.add_wait(1), reduce.set_record(2);
  Step &next = t.memset(First, "next", t.run(g, 64, 32, 0, 1)); // on rank 0 in what only peers read
  t.memset(First, "join", t.whole(x, 0, 1)).add_wait(2);
  expectError(t.plan, "ACCUMULATE_FIRST step 2 \"next\": dst: overwrites bytes [64, 96) of buffer \"g\" on stream 0 "
                      "without waiting for ACCUMULATE_FIRST step 1 \"reduce\" on stream 1, which reads bytes of buffer "
                      "\"g\" there; an event must order them (on the rank at dp = 0)");
  next.add_wait(2);
  expectLegal(t.plan);
}

TEST(VerifyCollectives, APartOverwrittenWhileItIsGathered) {
  RankPlan t({{"dp", 2}});
  const uint32_t w = t.buffer("w", TestPlan::Activations, 128, Buffer::ACTIVATION);
  const uint32_t own = t.buffer("own", TestPlan::Activations, 64, Buffer::ACTIVATION);
  t.memset(First, "make", t.whole(own, 0, 1)).set_record(1);
  Step &gather = t.collective(First, "gather", plan::Collective::ALL_GATHER, plan::U8, {t.whole(w, 0, 1)},
                              {t.whole(own, 1, 0)}, 1);
  gather.add_wait(1), gather.set_record(2);
  Step &again = t.memset(First, "again", t.whole(own, 0, 2));
  t.launch(First, "use", {t.whole(w, 1, 0)}).add_wait(2);
  expectError(t.plan, "ACCUMULATE_FIRST step 2 \"again\": dst: overwrites bytes [0, 64) of buffer \"own\" on stream 0 "
                      "without waiting for ACCUMULATE_FIRST step 1 \"gather\" on stream 1, which reads");
  again.add_wait(2);
  expectLegal(t.plan);
}

TEST(VerifyCollectives, CollectivesWithoutAnOrder) {
  RankPlan t({{"dp", 2}});
  const uint32_t a = t.buffer("a", TestPlan::Activations, 64, Buffer::ACTIVATION);
  const uint32_t b = t.buffer("b", TestPlan::Activations, 64, Buffer::ACTIVATION);
  t.launch(First, "make", {t.whole(a, 0, 1), t.whole(b, 0, 1)}).set_record(1);
  Step &first = t.collective(First, "first", plan::Collective::ALL_REDUCE, plan::F32, {t.whole(a, 1, 2)}, {}, 1);
  first.add_wait(1), first.set_record(2);
  t.collective(First, "second", plan::Collective::ALL_REDUCE, plan::F32, {t.whole(b, 1, 2)});
  t.launch(First, "join", {t.whole(b, 2, 0)}).add_wait(2);
  expectError(t.plan, "ACCUMULATE_FIRST step 2 \"second\" on stream 0 does not wait for the collective before it, "
                      "ACCUMULATE_FIRST step 1 \"first\" on stream 1; an event must order them");
  stepOf(t.segment(First), "second").add_wait(2);
  expectLegal(t.plan);
}

TEST(VerifyCollectives, APartInPlaceIsExactlyTheOwnOne) {
  for (const std::vector<uint64_t> &pitch : {std::vector<uint64_t>{}, {32}}) {
    ShardedPlan t;
    *stepOf(t.segment(Update), "reduce").mutable_collective()->mutable_part(0) = t.run(t.gradient, 0, 64, 0, 2, pitch);
    expectError(t.plan, "UPDATE step 0 \"reduce\": whole[0] and part[0] share bytes of buffers \"w.gradient\" and "
                        "\"w.gradient\", and one is written");
  }
}

TEST(VerifyCollectives, APartApartFromItsWhole) {
  RankPlan t({{"dp", 2}, {"tp", 3}});
  const uint32_t g = t.buffer("g", TestPlan::Activations, 96, Buffer::ACTIVATION);
  const uint32_t own = t.buffer("own", TestPlan::Activations, 16, Buffer::ACTIVATION);
  t.memset(First, "make", t.whole(g, 0, 1));
  t.collective(First, "reduce", plan::Collective::REDUCE_SCATTER, plan::F32, {t.whole(g, 1, 0)}, {t.whole(own, 0, 1)});
  t.launch(First, "use", {t.whole(own, 1, 0), t.whole(g, 1, 0)});
  expectLegal(t.plan);
  EXPECT_EQ(ranksToVerify(t.plan)->size(), 6u); // a part means another place on each rank
}

TEST(VerifyCollectives, AWorkspaceIsNoPartInPlace) {
  RankPlan t({{"dp", 1}});
  const uint32_t a = t.buffer("a", TestPlan::Activations, 64, Buffer::ACTIVATION);
  t.memset(First, "make", t.whole(a, 0, 1));
  *t.collective(First, "reduce", plan::Collective::ALL_REDUCE, plan::F32, {t.whole(a, 1, 2)})
       .mutable_collective()
       ->mutable_workspace() = t.whole(a, 0, 9);
  expectError(t.plan, "\"reduce\": whole[0] and workspace share bytes");
}

TEST(VerifyCollectives, RanksAreProvedWhereTheyDiffer) {
  auto ranks = [](std::vector<std::pair<std::string, uint32_t>> axes, std::vector<uint64_t> pitch) {
    RankPlan t(axes);
    const uint32_t a = t.buffer("a", TestPlan::Activations, 1 << 16, Buffer::ACTIVATION);
    t.memset(First, "make", RankPlan::atRank(t.rows(a, 0, 1, 16, 0, 0, 1), pitch));
    return *ranksToVerify(t.plan);
  };
  using Ranks = std::vector<plan::Coordinates>;
  EXPECT_EQ(ranks({}, {}), Ranks{{}});
  EXPECT_EQ(ranks({{"dp", 64}}, {}), Ranks{{0}});
  EXPECT_EQ(ranks({{"dp", 3}}, {16}), (Ranks{{0}, {1}, {2}}));
  EXPECT_EQ(ranks({{"dp", 2}, {"tp", 2}}, {0, 16}), (Ranks{{0, 0}, {0, 1}}));
  EXPECT_EQ(ranks({{"dp", 2}, {"tp", 4}}, {64, 16}).size(), 8u);
  EXPECT_EQ(ranks({{"dp", 64}}, {16}), (Ranks{{0}, {1}, {63}}));
  EXPECT_EQ(ranks({{"dp", 64}, {"tp", 2}}, {32, 16}), (Ranks{{0, 0}, {0, 1}, {1, 0}, {1, 1}, {63, 0}, {63, 1}}));
}

TEST(VerifyCollectives, AFaultOfTheLastRankAlone) {
  RankPlan t({{"dp", 16}});
  const uint32_t a = t.buffer("a", TestPlan::Activations, 256, Buffer::ACTIVATION);
  t.memset(First, "own", t.run(a, 0, 16, 0, 1, {16}));
  t.memset(First, "tail", t.run(a, 240, 16, 0, 2));
  t.launch(First, "use", {t.run(a, 0, 16, 1, 0, {16})});
  expectError(t.plan,
              "\"use\": operands[0]: reads version 1 from bytes [240, 256) of buffer \"a\", of which some hold "
              "version 2 of buffer \"a\" then, written by ACCUMULATE_FIRST step 1 \"tail\" (on the rank at dp = "
              "15)");
}

TEST(VerifyCollectives, ARenameChangesTheBytesThatHoldTheVersion) {
  RankPlan t({});
  const uint32_t g = t.buffer("g", TestPlan::Gradients, 64, Buffer::GRADIENT);
  auto rename = [&](Segment::Kind kind, uint32_t from, uint32_t to) {
    plan::Rename &x = *t.segment(kind).add_renames();
    x.set_buffer(g), x.set_from(from), x.set_to(to);
  };
  t.memset(First, "head", t.run(g, 0, 32, 0, 1));
  t.memset(First, "tail", t.run(g, 32, 32, 0, 2));
  t.plan.mutable_batch()->set_gradient_accumulation_steps(1);
  rename(Update, 1, 3);
  t.launch(Update, "read", {t.run(g, 0, 32, 3, 0), t.run(g, 32, 32, 2, 0)});
  expectLegal(t.plan);
  t.launch(Update, "read all", {t.whole(g, 3, 0)});
  expectError(t.plan,
              "\"read all\": operands[0]: reads version 3 from bytes [0, 64) of buffer \"g\", of which some hold "
              "version 2 of buffer \"g\" then, written by ACCUMULATE_FIRST step 1 \"tail\"");
  rename(Update, 2, 3);
  *stepOf(t.segment(Update), "read").mutable_launch()->mutable_operands(1) = t.run(g, 32, 32, 3, 0);
  expectLegal(t.plan);
  // What is written in the segment keeps its version until the next one begins.
  t.launch(Update, "again", {t.whole(g, 3, 1)});
  t.launch(Update, "read again", {t.whole(g, 1, 0)});
  expectLegal(t.plan);
}

TEST(VerifyCollectives, UncheckedPlansAreRefusedNotFollowed) {
  plan::Plan plan = shardedPlan();
  plan.mutable_mesh(0)->set_size(0);
  expectError(plan, "the mesh has too many axes or ranks, or none; run checkPlan first");
  plan = shardedPlan();
  plan.clear_mesh();
  expectError(plan, "run checkPlan first");
  ShardedPlan t;
  stepOf(t.segment(Update), "reduce").mutable_collective()->set_axes(0, 7);
  expectError(t.plan, "a collective is over an axis that the mesh does not have; run checkPlan first");
  ShardedPlan s;
  s.segment(Update).mutable_renames(0)->set_buffer(99);
  expectError(s.plan, "a rename names no buffer; run checkPlan first");
  ShardedPlan u;
  stepOf(u.segment(Initialize), "cast").mutable_launch()->mutable_operands(1)->set_rank_pitch(0, ~uint64_t(0));
  expectError(u.plan, "must be below 2^56");
}
