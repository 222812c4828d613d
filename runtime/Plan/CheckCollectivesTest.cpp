// Each kind of malformed collective, rank_pitch and rename has its own message.
#include "runtime/Plan/PlanFaults.h"
#include "runtime/Plan/TestCollectives.h"
#include "runtime/Plan/Verify.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <random>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;
using plan::Collective;

namespace {

// Segments of shardedPlan: 0 INITIALIZE, 1 ACCUMULATE_FIRST, 2 ACCUMULATE_NEXT, 3 UPDATE, 4 EVALUATE.
Collective &reduce(plan::Plan &plan) { return *step(plan, 3, 0).mutable_collective(); }
Collective &gather(plan::Plan &plan) { return *step(plan, 3, 3).mutable_collective(); }
plan::Rename &rename(plan::Plan &plan) { return *plan.mutable_segments(3)->mutable_renames(0); }
/// The rank's part of the gradient, as the optimizer reads it.
Operand &shard(plan::Plan &plan) { return *step(plan, 3, 1).mutable_launch()->mutable_operands(0); }

/// Three collectives over both axes of {dp = 2, tp = 3}, the second listed outermost, in place.
plan::Plan meshPlan() {
  RankPlan t({{"dp", 2}, {"tp", 3}});
  const uint32_t g = t.buffer("g", TestPlan::Gradients, 96, Buffer::GRADIENT, 1);
  const uint32_t w = t.buffer("w", TestPlan::Weights, 32, Buffer::WEIGHT, 1);
  for (Step *step :
       {&t.collective(Segment::INITIALIZE, "scatter", Collective::REDUCE_SCATTER, plan::F32, {t.whole(g, 1, 0)},
                      {t.run(g, 0, 16, 0, 2, {16, 32})}),
        &t.collective(Segment::INITIALIZE, "broadcast", Collective::BROADCAST, plan::F32, {t.whole(w, 1, 1)})})
    step->mutable_collective()->mutable_axes()->SwapElements(0, 1);
  step(t.plan, 0, 1).mutable_collective()->set_root(5);
  return t.plan;
}

/// shardedPlan whose reduction has a kernel for each member, and a workspace for the other's share.
plan::Plan stagedPlan() {
  ShardedPlan t;
  for (int member : {0, 1}) {
    plan::Kernel &kernel = *t.plan.add_kernels();
    kernel = t.plan.kernels(2);
    kernel.set_name(fmt::format("rank_sum.{}", member));
    kernel.clear_operands();
    for (int i : {0, 1}) {
      plan::KernelOperand &operand = *kernel.add_operands();
      operand.set_bytes(64), operand.set_alignment(16), operand.set_written(i == member);
    }
    t.plan.mutable_images(0)->add_entry_offsets(40 + 8 * uint64_t(member));
    reduce(t.plan).add_kernels(uint32_t(t.plan.kernels_size() - 1));
  }
  const uint32_t peers = t.buffer("peers", TestPlan::Activations, 64, Buffer::ACTIVATION);
  *reduce(t.plan).mutable_workspace() = t.whole(peers, 0, 7);
  return t.plan;
}

} // namespace

TEST(CheckCollectives, KernelsOfMembersAndWhereTheyStage) {
  expectEach(
      {
          {[](auto &p) { reduce(p).mutable_kernels()->RemoveLast(); }, "has 1 kernels; must have none, or in an"},
          {[](auto &p) { *p.mutable_kernels(5)->add_operands() = p.kernels(5).operands(0); },
           "takes 3 operands; must take one for each of 2"},
          {[](auto &p) { reduce(p).mutable_kernels()->SwapElements(0, 1); }, "is not made to reduce equal shares"},
          {[](auto &p) {
             for (int kernel : {5, 6})
               for (plan::KernelOperand &operand : *p.mutable_kernels(kernel)->mutable_operands())
                 operand.set_bytes(32);
           },
           "reduces 32 bytes; whole[0] has 128: must be so many, or so many for each member"},
          {[](auto &p) { reduce(p).mutable_workspace()->set_row_bytes(60); },
           "workspace: has 60 bytes; must have 64 for each of the 1 other members"},
          {[](auto &p) {
             plan::Buffer &peers = *p.mutable_buffers(int(reduce(p).workspace().buffer()));
             peers.set_size(72), p.mutable_arenas(int(peers.arena()))->set_size(72);
             reduce(p).mutable_workspace()->set_offset(8);
           },
           "workspace: offset 8 and shares of 64 bytes must be multiples of 16, which the kernels move at once"},
      },
      stagedPlan);
}

TEST(CheckCollectives, KindTypeAndReduction) {
  expectEach(
      {
          {[](auto &p) { reduce(p).set_kind(Collective::KIND_UNSPECIFIED); },
           "UPDATE step 0 \"reduce\": collective: kind is 0; must be one of Collective.Kind"},
          {[](auto &p) { reduce(p).set_dtype(plan::DType(99)); }, "collective: dtype is 99; must be one of DType"},
          {[](auto &p) { reduce(p).set_dtype(plan::F16); }, "dtype is F16; reductions are of F64, F32, BF16 or I32"},
          {[](auto &p) { reduce(p).set_dtype(plan::U8); }, "dtype is U8; reductions are of F64, F32, BF16 or I32"},
          {[](auto &p) { reduce(p).clear_reduction(); }, "reduction is 0; must be SUM, MAX or NORM2"},
          {[](auto &p) { reduce(p).set_reduction(Collective::Reduction(9)); }, "reduction is 9; must be SUM, MAX"},
          {[](auto &p) { reduce(p).set_dtype(plan::I32), reduce(p).set_reduction(Collective::NORM2); },
           "reduction is NORM2 of I32; must be SUM or MAX"},
          {[](auto &p) { gather(p).set_reduction(Collective::SUM); }, "reduction is 1; ALL_GATHER has none"},
      },
      shardedPlan);
}

TEST(CheckCollectives, AxesAndRoot) {
  expectEach(
      {
          {[](auto &p) { reduce(p).set_axes(0, 1); },
           "collective: axes[0] is 1; must be below 1, the number of axes of the mesh"},
          {[](auto &p) { reduce(p).add_axes(0); }, "axes names axis 0 (\"dp\") twice; must name it once"},
          {[](auto &p) { reduce(p).set_root(1); }, "root is 1; must be 0 where nothing is broadcast"},
      },
      shardedPlan);
  expectEach({{[](auto &p) { step(p, 0, 1).mutable_collective()->set_root(6); },
               "\"broadcast\": collective: root is 6; must be below 6, the number of members"}},
             meshPlan);
}

TEST(CheckCollectives, WholesAndParts) {
  expectEach(
      {
          {[](auto &p) { reduce(p).clear_part(); },
           "has 1 whole and 0 part operands; REDUCE_SCATTER must have at least one whole and as many parts"},
          {[](auto &p) { reduce(p).set_kind(Collective::ALL_REDUCE); },
           "has 1 whole and 1 part operands; ALL_REDUCE must have at least one whole and no part"},
          {[](auto &p) { reduce(p).clear_whole(), reduce(p).clear_part(); }, "has 0 whole and 0 part operands"},
          {[](auto &p) { reduce(p).mutable_part(0)->set_row_bytes(32); },
           "collective: part[0] has 32 bytes and whole[0] 128; the whole must be 2 parts, one for each member"},
          {[](auto &p) { reduce(p).clear_axes(); }, "part[0] has 64 bytes and whole[0] 128; the whole must be 1 parts"},
          {[](auto &p) { reduce(p).mutable_whole(0)->set_write(3); },
           "whole[0]: must have a read version and no write version"},
          {[](auto &p) { reduce(p).mutable_part(0)->set_read(3); },
           "part[0]: must have a write version and no read version"},
          {[](auto &p) { gather(p).mutable_whole(0)->set_read(3); },
           "whole[0]: must have a write version and no read version"},
          {[](auto &p) { gather(p).mutable_part(0)->set_write(3); },
           "part[0]: must have a read version and no write version"},
          {[](auto &p) {
             Operand &whole = *reduce(p).mutable_whole(0);
             whole.set_rows(2), whole.set_row_bytes(32), whole.set_pitch(64);
           },
           "whole[0]: is 2 rows; must be one run of bytes"},
          {[](auto &p) {
             Operand &whole = *reduce(p).mutable_whole(0);
             whole.set_row_bytes(64), whole.set_batch(2);
           },
           "whole[0]: is 2 rows; must be one run of bytes"},
          {[](auto &p) { reduce(p).set_dtype(plan::F64), reduce(p).mutable_part(0)->set_rank_pitch(0, 60); },
           "part[0]: offset 0, rank_pitch [60] and 64 bytes must be multiples of 8, the size of F64"},
          {[](auto &p) { gather(p).mutable_whole(0)->set_row_bytes(126); },
           "whole[0]: offset 0, rank_pitch [] and 126 bytes must be multiples of 4, the size of F32"},
          {[](auto &p) { *reduce(p).mutable_workspace() = shard(p); }, "workspace: must have a write version"},
      },
      shardedPlan);
}

TEST(CheckCollectives, APartInPlaceGoesWithTheMembersNumber) {
  expectEach(
      {
          {[](auto &p) { reduce(p).mutable_part(0)->clear_rank_pitch(); },
           "part[0]: shares bytes with its whole, and starts 0 bytes into it and [0] further along the axes; in place "
           "it must be the member's own piece: 0 and [64]"},
          {[](auto &p) { gather(p).mutable_part(0)->set_rank_pitch(0, 32); }, "and [32] further along the axes"},
          {[](auto &p) {
             gather(p).mutable_part(0)->set_offset(64);
             gather(p).mutable_part(0)->clear_rank_pitch();
           },
           "starts 64 bytes into it and [0] further along the axes"},
      },
      shardedPlan);
  expectEach({{[](auto &p) {
                 Operand &part = *step(p, 0, 0).mutable_collective()->mutable_part(0);
                 part.set_rank_pitch(0, 48), part.set_rank_pitch(1, 16); // as if dp were outermost
               },
               "[48, 16] further along the axes; in place it must be the member's own piece: 0 and [16, 32]"}},
             meshPlan);
}

TEST(CheckCollectives, RankPitch) {
  expectEach(
      {
          {[](auto &p) { shard(p).add_rank_pitch(64); },
           "UPDATE step 1 \"sgd\": operands[0]: rank_pitch has 2 entries; must have one for each of the 1 axes"},
          {[](auto &p) { shard(p).set_rank_pitch(0, 0); }, "rank_pitch is 0 on every axis; must be left out"},
          {[](auto &p) { shard(p).set_rank_pitch(0, 68); },
           "operands[0]: ends at byte 132 of buffer \"w.gradient\", which has 128, on the last rank (dp = 1)"},
          {[](auto &p) { shard(p).set_rank_pitch(0, huge); }, "of buffer \"w.gradient\", which has 128, on the last"},
          {[](auto &p) { p.mutable_mesh(0)->set_size(1); },
           "rank_pitch is 64 on axis \"dp\", which has one rank; must be 0"},
          {[](auto &p) { p.clear_mesh(); }, "rank_pitch has 1 entries; must have one for each of the 0 axes"},
          {[](auto &p) {
             p.mutable_kernels(2)->mutable_operands(0)->set_alignment(16);
             shard(p).set_rank_pitch(0, 56);
           },
           "with rank_pitch it must be a multiple of 16, which the kernel moves at once"},
      },
      shardedPlan);
}

TEST(CheckCollectives, TheHostsRegionsAreTheSameOnAllRanks) {
  auto split = [] {
    plan::Plan plan = samplePlan();
    plan.add_mesh()->set_name("dp");
    plan.mutable_mesh(0)->set_size(2);
    return plan;
  };
  expectEach({{[](auto &p) {
                 step(p, 1, 0).mutable_receive()->mutable_dst(0)->set_row_bytes(8),
                     step(p, 1, 0).mutable_receive()->mutable_dst(0)->add_rank_pitch(8);
               },
               "are not the head of an input"},
              {[](auto &p) {
                 p.mutable_buffers(8)->set_size(16), p.mutable_arenas(4)->set_size(256);
                 step(p, 3, 2).mutable_emit()->mutable_src(0)->add_rank_pitch(8);
               },
               "are not an output"},
              {[](auto &p) {
                 step(p, 1, 2).mutable_gemm()->mutable_a()->set_row_bytes(16),
                     step(p, 1, 2).mutable_gemm()->mutable_a()->add_rank_pitch(2);
               },
               "must be a multiple of 4, the size of F32, and its rank_pitch too"}},
             split);
}

TEST(CheckCollectives, Renames) {
  expectEach(
      {
          {[](auto &p) { rename(p).set_buffer(3); },
           "UPDATE renames[0]: buffer is 3; must be below 3, the number of buffers"},
          {[](auto &p) { rename(p).set_from(0); },
           "renames[0]: from is 0 and to is 3; must be two versions, neither 0"},
          {[](auto &p) { rename(p).set_to(1); }, "from is 1 and to is 1; must be two versions"},
          {[](auto &p) { p.mutable_buffers(1)->set_class_(Buffer::OUTPUT); },
           "buffer \"w.working\" is of class OUTPUT; must be WEIGHT, OPTIMIZER_STATE or GRADIENT"},
          {[](auto &p) { *p.mutable_segments(3)->add_renames() = rename(p); },
           "UPDATE renames[1]: renames version 1 of buffer \"w.working\" twice"},
          {[](auto &p) { *p.mutable_segments(4)->add_renames() = rename(p); },
           "EVALUATE renames[0]: must be in ACCUMULATE_FIRST, ACCUMULATE_NEXT, ACCUMULATE_LAST or UPDATE"},
          {[](auto &p) {
             plan::Rename &x = *p.mutable_segments(1)->add_renames();
             x.set_buffer(1), x.set_from(3), x.set_to(4);
           },
           "version 3 of buffer \"w.working\" is renamed, and another is renamed to it; must be one of the two"},
      },
      shardedPlan);
}

TEST(CheckCollectives, DamagedMessagesDoNoHarm) {
  // A damaged message is refused, or accepted as a legal plan, which verifyPlan then takes without crashing.
  const std::string bytes = shardedPlan().SerializeAsString();
  const SampleSections sections;
  google::protobuf::LogSilencer silence;
  std::mt19937 random(7);
  int parsed = 0, accepted = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string damaged = bytes;
    for (uint32_t changes = 1 + random() % 3; changes > 0; --changes)
      damaged[random() % damaged.size()] = char(random());
    plan::Plan plan;
    if (!plan.ParseFromString(damaged))
      continue;
    ++parsed;
    (void)verifyPlan(plan).ok();
    if (checkPlan(plan, sections.all()).ok())
      ++accepted;
  }
  EXPECT_GT(parsed, 400);
  EXPECT_GT(accepted, 40);
}
