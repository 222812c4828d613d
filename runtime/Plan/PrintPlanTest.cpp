#include "runtime/Plan/PrintPlan.h"

#include "runtime/Plan/TestCollectives.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

TEST(PrintPlan, ShowsMemoryAndSteps) {
  plan::Plan plan = samplePlan();
  plan.mutable_segments(1)->mutable_steps(2)->add_wait(3);
  plan.mutable_segments(1)->mutable_steps(2)->set_record(4);
  const std::string text = printPlan(plan);
  for (const char *line : {
           "plan \"sample\" by ftc test\n",
           "target cpu driver CPU arch x86-64-v3 attention tiled\n",
           "batch 1 × 4 tokens, 3 micro-batches a step, vocabulary 16\n",
           "arena activations DEVICE transient 224 bytes (224 B), alignment 64, largest live set 0\n"
           "  [0:128] x ACTIVATION\n"
           "  [128:224] y ACTIVATION\n",
           "  [0:128] w WEIGHT starts as version 1\n",
           "tensor model.w TRAINABLE F32 [4, 8] in w at 0: sizes [4, 8] strides [8, 1]\n",
           "kernel embed entry embed items 4 operands 2 threads 0 items_per_block 0 shared_bytes 0\n",
           "input TOKENS in tokens\n",
           "output LOSS in loss at 0\n",
           "segment ACCUMULATE_FIRST: 5 steps\n"
           "  0 receive: on main receive dst[0]=tokens[0:16]@→1 dst[1]=scalars[0:64]@→1\n"
           "  1 embed.forward: on main launch embed items 4 operands[0]=tokens[0:16]@1 operands[1]=x[0:128]@→1\n"
           "  2 linear.forward: on main wait 3 record 4 gemm m 4 n 4 k 8 ld 8 8 6 op NT F32 F32 F32 compute F32 alpha "
           "1 "
           "beta 0 a=x[0:128]@1 b=w.working[0:128]@1 d=y[0:88, 4×16/24]@→1\n",
           "  0 sgd: on main launch sgd items 4 operands[0]=w.gradient[0:128]@1 operands[1]=scalars[0:64]@1 "
           "operands[2]=w[0:128]@1→1",
           "segment EVALUATE: 5 steps\n",
       })
    EXPECT_NE(text.find(line), std::string::npos) << line << "not in\n" << text;
}

TEST(PrintPlan, ShowsCollectives) {
  ShardedPlan t;
  t.collective(Segment::INITIALIZE, "start", plan::Collective::BROADCAST, plan::BF16, {t.whole(t.master, 1, 1)})
      .mutable_collective()
      ->set_root(1);
  const std::string text = printPlan(t.plan);
  for (const char *line : {
           "mesh dp = 2\n",
           "segment UPDATE: 4 steps\n  rename w.working 1→3\n",
           "  0 reduce: on main collective REDUCE_SCATTER SUM F32 over dp, 128 bytes whole[0]=w.gradient[0:128]@1 "
           "part[0]=w.gradient[0:64]+64·dp@→2\n",
           "  1 sgd: on main launch sgd items 4 operands[0]=w.gradient[0:64]+64·dp@2 operands[1]=w[0:64]@1→1\n",
           "  1 gather: on main collective ALL_GATHER F32 over dp, 128 bytes whole[0]=w.working[0:128]@→1 "
           "part[0]=w.working[0:64]+64·dp@2\n",
           "  2 start: on main collective BROADCAST BF16 over dp from 1, 64 bytes whole[0]=w[0:64]@1→1\n",
       })
    EXPECT_NE(text.find(line), std::string::npos) << line << "not in\n" << text;
}

TEST(PrintPlan, OptionsLeaveOut) {
  const std::string text = printPlan(samplePlan(), {.steps = false, .buffers = false, .tensors = false});
  EXPECT_NE(text.find("segment UPDATE: 3 steps\n"), std::string::npos);
  for (const char *absent : {"sgd:", "[0:128]", "tensor "})
    EXPECT_EQ(text.find(absent), std::string::npos) << absent;
}

TEST(PrintPlan, UncheckedPlansPrint) {
  plan::Plan plan = samplePlan();
  Step &step = *plan.mutable_segments(1)->mutable_steps(1);
  step.set_stream(9);
  step.mutable_launch()->set_kernel(99);
  step.mutable_launch()->mutable_operands(0)->set_buffer(1000);
  step.mutable_launch()->mutable_operands(0)->set_rows(0);
  EXPECT_NE(printPlan(plan).find("on #9? launch #99? items 4 operands[0]=#1000?[?]@1"), std::string::npos);
  EXPECT_EQ(printStep(plan, Step()), "unknown");
  EXPECT_NE(printPlan(plan::Plan()).find("driver DRIVER_UNSPECIFIED"), std::string::npos);
}
