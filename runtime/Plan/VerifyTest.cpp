#include "runtime/Plan/Verify.h"

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/TestPlan.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

constexpr auto First = Segment::ACCUMULATE_FIRST;
constexpr auto Update = Segment::UPDATE;

Segment &segmentOf(plan::Plan &plan, Segment::Kind kind) {
  for (Segment &segment : *plan.mutable_segments())
    if (segment.kind() == kind)
      return segment;
  std::abort();
}

Step &stepOf(plan::Plan &plan, Segment::Kind kind, const std::string &name) {
  for (Step &step : *segmentOf(plan, kind).mutable_steps())
    if (step.name() == name)
      return step;
  std::abort();
}

void expectError(const plan::Plan &plan, const std::string &part) {
  const Status status = verifyPlan(plan);
  ASSERT_FALSE(status.ok()) << "accepted, but should say: " << part;
  EXPECT_EQ(status.code(), Code::BadInput);
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}

/// Whole-buffer steps on scratch buffers, for tests of order.
struct Streams : TestPlan {
  uint32_t a = buffer("a", Activations, 64, Buffer::ACTIVATION), b = buffer("b", Activations, 64, Buffer::ACTIVATION),
           c = buffer("c", Activations, 64, Buffer::ACTIVATION);
  Streams() { plan.set_event_count(9); }
  Step &write(const std::string &name, uint32_t buffer, uint32_t version, uint32_t stream, uint32_t record = 0,
              std::initializer_list<uint32_t> wait = {}) {
    return order(memset(First, name, whole(buffer, 0, version), stream), record, wait);
  }
  Step &read(const std::string &name, uint32_t buffer, uint32_t version, uint32_t stream, uint32_t record = 0,
             std::initializer_list<uint32_t> wait = {}) {
    return order(launch(First, name, {whole(buffer, version, 0)}, stream), record, wait);
  }
  static Step &order(Step &step, uint32_t record, std::initializer_list<uint32_t> wait) {
    step.set_record(record);
    for (uint32_t event : wait)
      step.add_wait(event);
    return step;
  }
};

} // namespace

TEST(Verify, SamplePasses) {
  const plan::Plan plan = samplePlan();
  const Status checked = checkPlan(plan, SampleSections().all());
  EXPECT_TRUE(checked.ok()) << checked.message();
  const Status verified = verifyPlan(plan);
  EXPECT_TRUE(verified.ok()) << verified.message();
}

TEST(Verify, ReadOfAWrongVersion) {
  plan::Plan plan = samplePlan();
  stepOf(plan, First, "linear.backward").mutable_gemm()->mutable_a()->set_read(1);
  expectError(plan,
              "ACCUMULATE_FIRST step 4 \"linear.backward\": a: reads version 1 from 4 rows of 16 bytes at pitch 24 "
              "from byte 0 of buffer \"y\", of which some hold version 2 of buffer \"y\" then, written by "
              "ACCUMULATE_FIRST step 3 \"loss\"");
}

TEST(Verify, ReadOfPaddingThatNobodyWrites) {
  plan::Plan plan = samplePlan();
  Operand &operand = *stepOf(plan, First, "loss").mutable_launch()->mutable_operands(0);
  operand.set_row_bytes(20);
  expectError(plan, "\"loss\": operands[0]: reads version 1 from 4 rows of 4 bytes at pitch 24 from byte 16 of buffer "
                    "\"y\", of which some hold no value then");
}

TEST(Verify, ValueOverwrittenByABufferThatSharesItsBytes) {
  plan::Plan plan = samplePlan();
  // y over the last 64 bytes of x, which the backward pass still reads.
  plan.mutable_buffers(5)->set_offset(64);
  expectError(plan,
              "\"linear.forward\": a and d share bytes of buffers \"x\" and \"y\", and one is written; in-place must "
              "be one operand");
  TestPlan t;
  const uint32_t a = t.bufferAt("a", TestPlan::Activations, 0, 64, Buffer::ACTIVATION);
  const uint32_t b = t.bufferAt("b", TestPlan::Activations, 32, 64, Buffer::ACTIVATION);
  t.memset(First, "write a", t.whole(a, 0, 1));
  t.memset(First, "write b", t.whole(b, 0, 1));
  t.launch(First, "read head of a", {t.rows(a, 0, 1, 32, 0, 1, 0)});
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
  t.launch(First, "read a", {t.whole(a, 1, 0)});
  expectError(t.plan, "\"read a\": operands[0]: reads version 1 from bytes [0, 64) of buffer \"a\", of which "
                      "some hold version 1 of buffer \"b\" then, written by ACCUMULATE_FIRST step 1 \"write b\"");
}

TEST(Verify, StaleValueOfAnEarlierMicroBatch) {
  plan::Plan plan = samplePlan();
  // NEXT no longer makes x: what FIRST made is gone, though the version is the same.
  Segment &next = segmentOf(plan, Segment::ACCUMULATE_NEXT);
  next.mutable_steps()->DeleteSubrange(1, 1);
  expectError(plan,
              "ACCUMULATE_NEXT step 1 \"linear.forward\": a: reads version 1 from bytes [0, 128) of buffer \"x\", "
              "of which some hold no value then");
}

TEST(Verify, InputsMustBeReceivedInEachSegment) {
  plan::Plan plan = samplePlan();
  segmentOf(plan, Segment::EVALUATE).mutable_steps()->DeleteSubrange(0, 1);
  expectError(plan, "EVALUATE step 0 \"embed.forward\": operands[0]: reads version 1 from bytes [0, 16) of buffer "
                    "\"tokens\", of which some hold no value then");
}

TEST(Verify, FirstMustOverwriteTheGradientOfTheLastStep) {
  plan::Plan plan = samplePlan();
  Operand &d = *stepOf(plan, First, "linear.backward").mutable_gemm()->mutable_d();
  d.set_read(1);
  expectError(plan, "ACCUMULATE_FIRST step 4 \"linear.backward\": d: reads version 1 from bytes [0, 128) of buffer "
                    "\"w.gradient\", of which some hold no value then");
}

TEST(Verify, UpdateMustRestoreTheVersionsThatItFound) {
  plan::Plan plan = samplePlan();
  stepOf(plan, Update, "sgd").mutable_launch()->mutable_operands(3)->set_write(2);
  expectError(plan, "UPDATE step 0 \"sgd\": operands[3]: reads version 1 from bytes [0, 128) of buffer \"w.exp_avg\", "
                    "of which some hold version 2 of buffer \"w.exp_avg\" then, written by UPDATE step 0 \"sgd\"");
}

/// What is trained, and a copy of it that FINISH makes: both are stale behind UPDATE.
struct Finishing : TestPlan {
  uint32_t master = buffer("master", Weights, 64, Buffer::WEIGHT, 1),
           copy = buffer("copy", Weights, 64, Buffer::WEIGHT, 1),
           gradient = buffer("gradient", Gradients, 64, Buffer::GRADIENT),
           norm = buffer("norm", Gradients, 16, Buffer::GRADIENT);
  Finishing() {
    plan.mutable_batch()->set_gradient_accumulation_steps(1);
    forward(First);
    launch(Update, "norm", {whole(gradient, 1, 0), whole(norm, 0, 1)});
    for (uint32_t stale : {master, copy}) {
      plan::Rename &x = *segment(Update).add_renames();
      x.set_buffer(stale), x.set_from(1), x.set_to(2);
    }
    finish(Segment::FINISH);
    finish(Segment::FINISH_FIRST);
    forward(Segment::FINISH_FIRST);
    launch(Segment::EVALUATE, "evaluate", {whole(copy, 1, 0)});
  }
  void forward(Segment::Kind kind) { launch(kind, "forward", {whole(copy, 1, 0), whole(gradient, 0, 1)}); }
  void finish(Segment::Kind kind) {
    launch(kind, "update", {whole(master, 2, 1), whole(gradient, 1, 0), whole(norm, 1, 0)});
    launch(kind, "return", {whole(master, 1, 0), whole(copy, 0, 1)});
  }
  /// The plan with two steps of a segment in each other's place.
  plan::Plan swapped(Segment::Kind kind, int a, int b) {
    plan::Plan changed = plan;
    segmentOf(changed, kind).mutable_steps()->SwapElements(a, b);
    return changed;
  }
  /// The plan without a step.
  plan::Plan without(Segment::Kind kind, const std::string &name) {
    plan::Plan changed = plan;
    auto &steps = *segmentOf(changed, kind).mutable_steps();
    steps.erase(std::remove_if(steps.begin(), steps.end(), [&](const Step &step) { return step.name() == name; }),
                steps.end());
    return changed;
  }
};

TEST(Verify, WhatAnUpdateHasBegunIsFinishedOnce) {
  Finishing t;
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
  const std::string stale = "hold version 2 of buffer \"copy\" then";
  expectError(t.swapped(Segment::FINISH_FIRST, 1, 2), "FINISH_FIRST step 1 \"forward\": operands[0]: reads version 1");
  expectError(t.swapped(Segment::FINISH_FIRST, 0, 1), "FINISH_FIRST step 0 \"return\": operands[0]: reads version 1");
  expectError(t.without(Segment::FINISH_FIRST, "return"), stale);
  expectError(t.without(Segment::FINISH, "return"), stale);
  expectError(t.without(Segment::FINISH, "update"), "FINISH step 0 \"return\": operands[0]: reads version 1");
  plan::Plan twice = t.plan;
  *segmentOf(twice, Segment::FINISH).add_steps() = stepOf(twice, Segment::FINISH, "update");
  expectError(twice, "FINISH step 2 \"update\": operands[0]: reads version 2");
  plan::Plan fresh = t.plan;
  segmentOf(fresh, Update).clear_renames();
  expectError(fresh, "\"update\": operands[0]: reads version 2");
  // Not begun: the first step reads what was loaded.
  EXPECT_FALSE(verifyPlan(t.swapped(Segment::FINISH, 0, 1)).ok());
}

TEST(Verify, PersistentStateHasItsWriters) {
  plan::Plan plan = samplePlan();
  TestPlan t;
  t.memset(Segment::EVALUATE, "clear", t.whole(t.buffer("w", TestPlan::Weights, 64, Buffer::WEIGHT, 1), 0, 1));
  expectError(t.plan,
              "EVALUATE step 0 \"clear\": dst writes buffer \"w\" of class WEIGHT, which EVALUATE must not write");
  TestPlan s;
  s.memset(Segment::SAVE, "clear", s.whole(s.buffer("g", TestPlan::Gradients, 64, Buffer::GRADIENT), 0, 1));
  expectError(s.plan, "SAVE step 0 \"clear\": dst writes buffer \"g\" of class GRADIENT, which SAVE must not write");
  TestPlan u;
  u.memset(Update, "clear", u.whole(u.buffer("c", TestPlan::Weights, 64, Buffer::CONSTANT, 1), 0, 1));
  expectError(u.plan, "class CONSTANT, which UPDATE must not write");
}

TEST(Verify, WhatRunsBetweenStepsMayRunAgainAndInAnyOrder) {
  const Segment::Kind evals[] = {Segment::EVALUATE, Segment::GENERATE, Segment::SAVE};
  // Each of the pair alone finds what it reads, whatever else there is; one behind the other does not.
  for (auto first : evals)
    for (auto second : evals) {
      TestPlan t;
      const uint32_t out = t.buffer("out", TestPlan::Io, 16, Buffer::OUTPUT, 1);
      if (first == second) {
        t.launch(second, "count", {t.whole(out, 1, 2)});
      } else {
        t.memset(first, "spoil", t.whole(out, 0, 2));
        t.launch(second, "use", {t.whole(out, 1, 0)});
      }
      for (auto other : evals)
        if (other != first && other != second)
          t.memset(other, "restore", t.whole(out, 0, 1));
      t.memset(First, "restore", t.whole(out, 0, 1));
      expectError(t.plan, "reads version 1 from bytes [0, 16) of buffer \"out\", of which some hold version 2");
    }
}

TEST(Verify, AnyOfThemMayComeFirst) {
  TestPlan t;
  const uint32_t out = t.buffer("out", TestPlan::Io, 16, Buffer::OUTPUT);
  t.memset(Segment::EVALUATE, "make", t.whole(out, 0, 1));
  t.memset(Update, "make", t.whole(out, 0, 1));
  t.launch(Segment::GENERATE, "use", {t.whole(out, 1, 0)});
  expectError(t.plan, "GENERATE step 0 \"use\": operands[0]: reads version 1 from bytes [0, 16) of buffer \"out\", of "
                      "which some hold no value then");
}

TEST(Verify, DeadValuesStillHideWhatTheyOverwrote) {
  // A gradient in `activations` whose bytes a transient of EVALUATE shares: gone after it, whatever the transient is.
  TestPlan t;
  const uint32_t g = t.bufferAt("g", TestPlan::Activations, 0, 64, Buffer::GRADIENT);
  const uint32_t x = t.bufferAt("x", TestPlan::Activations, 16, 16, Buffer::ACTIVATION);
  t.memset(First, "make g", t.whole(g, 0, 1));
  t.memset(Update, "x", t.whole(x, 0, 1));
  EXPECT_TRUE(verifyPlan(t.plan).ok());
  t.launch(Segment::EVALUATE, "read g", {t.whole(g, 1, 0)});
  expectError(t.plan, "EVALUATE step 0 \"read g\": operands[0]: reads version 1 from bytes [0, 64) of buffer \"g\"");
}

TEST(Verify, MissingEventBetweenWriteAndRead) {
  Streams t;
  t.write("make a", t.a, 1, 0, 1);
  t.write("fork", t.b, 1, 1, 2, {1});
  t.read("use b", t.b, 1, 0);
  expectError(t.plan, "\"use b\": operands[0]: reads version 1 from bytes [0, 64) of buffer \"b\" on stream 0 without "
                      "waiting for ACCUMULATE_FIRST step 1 \"fork\" on stream 1, which writes it; an event must order");
  t.segment(First).mutable_steps(2)->add_wait(2);
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
}

TEST(Verify, MissingEventBetweenReadAndOverwrite) {
  Streams t;
  t.write("make a", t.a, 1, 0, 1);
  t.read("use a", t.a, 1, 1, 2, {1});
  t.write("overwrite a", t.a, 2, 0);
  t.write("join", t.c, 1, 0, 0, {2});
  expectError(t.plan, "\"overwrite a\": dst: overwrites bytes [0, 64) of buffer \"a\" on stream 0 without waiting for "
                      "ACCUMULATE_FIRST step 1 \"use a\" on stream 1, which reads bytes of buffer \"a\" there");
  t.segment(First).mutable_steps(2)->add_wait(2);
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
}

TEST(Verify, EachReaderMustHaveFinished) {
  Streams t;
  t.plan.add_streams("third");
  t.write("make a", t.a, 1, 0, 1);
  t.read("use", t.a, 1, 1, 2, {1});
  t.read("use too", t.a, 1, 2, 3, {1});
  t.write("overwrite a", t.a, 2, 0, 0, {3});
  t.write("join", t.c, 1, 0, 0, {2, 3});
  expectError(t.plan, "\"overwrite a\": dst: overwrites bytes [0, 64) of buffer \"a\" on stream 0 without waiting for "
                      "ACCUMULATE_FIRST step 1 \"use\" on stream 1");
  t.segment(First).mutable_steps(3)->add_wait(2);
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
}

TEST(Verify, MissingEventBetweenTwoWrites) {
  Streams t;
  t.write("fork", t.b, 1, 0, 1);
  t.write("first", t.a, 1, 1, 2, {1});
  t.write("second", t.a, 2, 0);
  t.write("join", t.c, 1, 0, 0, {2});
  expectError(t.plan, "\"second\": dst: overwrites bytes [0, 64) of buffer \"a\" on stream 0 without waiting for "
                      "ACCUMULATE_FIRST step 1 \"first\" on stream 1, which writes bytes of buffer \"a\" there");
}

TEST(Verify, OrderReachesThroughOtherStreams) {
  Streams t;
  t.plan.add_streams("third");
  t.write("make a", t.a, 1, 0, 1);
  t.write("make b", t.b, 1, 1, 2, {1});
  t.read("use b", t.b, 1, 2, 3, {2});
  t.write("overwrite both", t.a, 2, 0, 0, {3});
  t.write("overwrite b", t.b, 2, 0);
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
}

TEST(Verify, WaitForAnEventThatNothingRecorded) {
  Streams t;
  t.write("make a", t.a, 1, 0, 0, {4});
  expectError(t.plan, "\"make a\": waits for event 4, which no step before it in the segment records");
  // Recorded in another segment is not recorded.
  Streams s;
  s.write("make a", s.a, 1, 0, 4);
  s.launch(Update, "late", {s.whole(s.buffer("g", TestPlan::Io, 8, Buffer::OUTPUT, 1), 1, 0)}).add_wait(4);
  expectError(s.plan, "UPDATE step 0 \"late\": waits for event 4");
}

TEST(Verify, StreamsStartBehindStreamZeroAndEndBeforeIt) {
  Streams t;
  t.write("loose", t.a, 1, 1, 1);
  t.write("join", t.b, 1, 0, 0, {1});
  expectError(t.plan,
              "\"loose\": is the first step on stream 1 but waits for no event that follows a step of stream 0");
  Streams s;
  s.write("fork", s.a, 1, 0, 1);
  s.write("dangling", s.b, 1, 1, 2, {1});
  expectError(s.plan, "ACCUMULATE_FIRST ends before stream 0 has waited for the last step of stream 1 (\"side\")");
  s.write("join", s.c, 1, 0, 0, {2});
  EXPECT_TRUE(verifyPlan(s.plan).ok()) << verifyPlan(s.plan).message();
}

TEST(Verify, StreamsJoinACaptureBehindItsReceive) {
  TestPlan t;
  t.plan.set_event_count(2);
  const uint32_t in = t.buffer("in", TestPlan::Io, 16, Buffer::INPUT);
  Step &receive = t.step(First, "receive");
  *receive.mutable_receive()->add_dst() = t.whole(in, 0, 1);
  receive.set_record(1);
  Step &use = t.launch(First, "use", {t.whole(in, 1, 0)}, 1);
  use.add_wait(1), use.set_record(2);
  t.memset(First, "join", t.whole(t.buffer("x", TestPlan::Activations, 16, Buffer::ACTIVATION), 0, 1)).add_wait(2);
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
  t.segment(First).set_capture(true);
  expectError(t.plan, "\"use\": is the first step on stream 1 but waits for no event that follows a step of stream 0");
}

TEST(Verify, InterleavedWritesMakeOneValue) {
  // q, k, v into one buffer on two streams, rope in place on q and k, then one read of v and one of all.
  Streams t;
  const uint32_t qkv = t.buffer("qkv", TestPlan::Activations, 4 * 96, Buffer::ACTIVATION);
  t.memset(First, "q", t.rows(qkv, 0, 4, 64, 96, 0, 1)).set_record(1);
  Step &kv = t.memset(First, "kv", t.rows(qkv, 64, 4, 32, 96, 0, 1), 1);
  kv.add_wait(1), kv.set_record(2);
  t.launch(First, "rope", {t.rows(qkv, 0, 4, 80, 96, 1, 2)}).add_wait(2);
  t.launch(First, "v", {t.rows(qkv, 80, 4, 16, 96, 1, 0)});
  t.launch(First, "qk", {t.rows(qkv, 0, 4, 80, 96, 2, 0)});
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
  t.launch(First, "all", {t.whole(qkv, 2, 0)});
  expectError(t.plan,
              "\"all\": operands[0]: reads version 2 from 4 rows of 16 bytes at pitch 96 from byte 80 of buffer "
              "\"qkv\"");
}

TEST(Verify, AdversarialGeometryIsRefusedInTime) {
  TestPlan t;
  const uint64_t size = uint64_t(1) << 50;
  const uint32_t a = t.bufferAt("a", TestPlan::Activations, 0, size, Buffer::ACTIVATION);
  const uint32_t b = t.bufferAt("b", TestPlan::Activations, 16, size, Buffer::ACTIVATION);
  Operand x = t.rows(a, 0, 1 << 16, 1, 8, 0, 1), y = t.rows(b, 2, 1 << 16, 1, 12, 0, 1);
  x.set_batch(1 << 20), x.set_batch_pitch(1 << 24);
  y.set_batch(1 << 20), y.set_batch_pitch((1 << 24) + 4);
  t.memset(First, "x", x);
  t.memset(First, "y", y);
  expectError(t.plan, "\"y\": the regions up to here are too irregular to be verified");
}

TEST(Verify, ManyOverlappingHullsAreRefusedInTime) {
  // Columns of one matrix: no two share a byte, all of their hulls do.
  TestPlan t;
  constexpr uint64_t columns = 1 << 14;
  const uint32_t a = t.buffer("a", TestPlan::Activations, 2 * 16 * columns, Buffer::ACTIVATION);
  for (uint64_t column = 0; column < columns; ++column)
    t.memset(First, "column", t.rows(a, 16 * column, 2, 16, 16 * columns, 0, 1));
  expectError(t.plan, "the regions up to here are too irregular to be verified");
}

TEST(Verify, ManyOperandsAreRefusedInTime) {
  TestPlan t;
  const uint32_t a = t.buffer("a", TestPlan::Weights, 1 << 20, Buffer::WEIGHT, 1);
  t.launch(First, "many", std::vector<Operand>(1 << 16, t.whole(a, 1, 0)));
  expectError(t.plan, "\"many\": the regions up to here are too irregular to be verified");
}

TEST(Verify, BuffersInAnOrderMadeForAHashDoNotExhaustTheStack) {
  auto hash = [](uint32_t x) {
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
  };
  std::vector<uint32_t> ids(1 << 19);
  std::iota(ids.begin(), ids.end(), 0u);
  std::sort(ids.begin(), ids.end(), [&](uint32_t x, uint32_t y) { return hash(x) > hash(y); });
  TestPlan t;
  std::vector<uint64_t> place(ids.size());
  for (size_t i = 0; i < ids.size(); ++i)
    place[ids[i]] = 16 * i;
  for (uint64_t offset : place)
    t.bufferAt("w", TestPlan::Weights, offset, 16, Buffer::WEIGHT, 1);
  t.launch(First, "read", {t.whole(0, 1, 0)});
  EXPECT_TRUE(verifyPlan(t.plan).ok()) << verifyPlan(t.plan).message();
}

TEST(Verify, UncheckedPlansAreRefusedNotFollowed) {
  plan::Plan plan = samplePlan();
  plan.mutable_buffers(0)->set_arena(99);
  expectError(plan, "buffer \"w\" lies in no arena; run checkPlan first");
  plan = samplePlan();
  stepOf(plan, First, "loss").mutable_launch()->mutable_operands(0)->set_buffer(77);
  expectError(plan, "an operand names no buffer; run checkPlan first");
  plan = samplePlan();
  stepOf(plan, First, "loss").set_stream(7);
  expectError(plan, "\"loss\": stream is 7; must be below 2");
}
