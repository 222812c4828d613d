// Small plans of several ranks for tests: a builder, and one sample that trains with split state.
#pragma once

#include "runtime/Plan/TestPlan.h"

namespace ft::rt::test {

class RankPlan : public TestPlan {
public:
  explicit RankPlan(const std::vector<std::pair<std::string, uint32_t>> &axes) {
    for (const auto &[name, size] : axes) {
      plan.add_mesh()->set_name(name);
      plan.mutable_mesh(plan.mesh_size() - 1)->set_size(size);
    }
    plan.set_event_count(9);
  }

  static Operand atRank(Operand operand, const std::vector<uint64_t> &pitch) {
    operand.mutable_rank_pitch()->Assign(pitch.begin(), pitch.end());
    return operand;
  }
  Operand run(uint32_t buffer, uint64_t offset, uint64_t bytes, uint32_t read, uint32_t write,
              const std::vector<uint64_t> &pitch = {}) const {
    return atRank(rows(buffer, offset, 1, bytes, 0, read, write), pitch);
  }

  /// Over all axes; sums where it reduces.
  Step &collective(Segment::Kind segment, const std::string &name, plan::Collective::Kind kind, plan::DType dtype,
                   const std::vector<Operand> &whole, const std::vector<Operand> &part = {}, uint32_t stream = 0) {
    Step &s = step(segment, name, stream);
    plan::Collective &x = *s.mutable_collective();
    x.set_kind(kind);
    x.set_dtype(dtype);
    if (kind == plan::Collective::ALL_REDUCE || kind == plan::Collective::REDUCE_SCATTER)
      x.set_reduction(plan::Collective::SUM);
    for (int axis = 0; axis < plan.mesh_size(); ++axis)
      x.add_axes(uint32_t(axis));
    x.mutable_whole()->Assign(whole.begin(), whole.end());
    x.mutable_part()->Assign(part.begin(), part.end());
    return s;
  }
};

/// A parameter of 32 floats whose master copy and gradient two ranks share, and whose working copy each holds whole.
/// Versions of the gradient: 1 accumulated, 2 reduced. Of the working copy: 1 gathered, 2 the rank's own part, cast
/// from its master; 3 that of the step before. Passes checkPlan (with sampleSections) and verifyPlan.
class ShardedPlan : public RankPlan {
public:
  ShardedPlan() : RankPlan({{"dp", 2}}) {
    for (const char *name : {"backward", "backward.next", "sgd", "cast", "forward"})
      kernel(name);
    plan::Image &image = *plan.add_images();
    image.set_format(plan::Image::CPU_BLOB), image.set_arch("x86-64-v3"), image.set_section(1);
    for (uint64_t entry : {0, 8, 16, 24, 32})
      image.add_entry_offsets(entry);

    copyWeights(Segment::INITIALIZE);
    call(Segment::ACCUMULATE_FIRST, "backward", 0, {whole(working, 1, 0), whole(gradient, 0, 1)});
    call(Segment::ACCUMULATE_NEXT, "backward", 1, {whole(working, 1, 0), whole(gradient, 1, 1)});
    Segment &update = segment(Segment::UPDATE);
    plan::Rename &stale = *update.add_renames();
    stale.set_buffer(working), stale.set_from(1), stale.set_to(3);
    collective(Segment::UPDATE, "reduce", plan::Collective::REDUCE_SCATTER, plan::F32, {whole(gradient, 1, 0)},
               {run(gradient, 0, 64, 0, 2, {64})});
    call(Segment::UPDATE, "sgd", 2, {run(gradient, 0, 64, 2, 0, {64}), whole(master, 1, 1)});
    copyWeights(Segment::UPDATE);
    call(Segment::EVALUATE, "forward", 4, {whole(working, 1, 0)});
    describeKernels(plan);
  }

  void call(Segment::Kind segment, const std::string &name, uint32_t kernel, const std::vector<Operand> &operands) {
    launch(segment, name, operands).mutable_launch()->set_kernel(kernel);
  }
  void copyWeights(Segment::Kind kind) {
    call(kind, "cast", 3, {whole(master, 1, 0), run(working, 0, 64, 0, 2, {64})});
    collective(kind, "gather", plan::Collective::ALL_GATHER, plan::F32, {whole(working, 0, 1)},
               {run(working, 0, 64, 2, 0, {64})});
  }

  uint32_t master = buffer("w", Weights, 64, Buffer::WEIGHT, 1);
  uint32_t working = buffer("w.working", Weights, 128, Buffer::WEIGHT);
  uint32_t gradient = buffer("w.gradient", Gradients, 128, Buffer::GRADIENT);
};

inline plan::Plan shardedPlan() { return ShardedPlan().plan; }

} // namespace ft::rt::test
