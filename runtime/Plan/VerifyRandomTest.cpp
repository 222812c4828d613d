// verifyPlan against an interpreter that keeps one record a byte, on random plans and small faults in them.
#include "runtime/Plan/RankRegions.h"
#include "runtime/Plan/StepOperands.h"
#include "runtime/Plan/TestCollectives.h"
#include "runtime/Plan/Verify.h"
#include "runtime/Plan/VerifyInterpreter.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <random>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

std::vector<std::pair<std::string, uint32_t>> meshOf(uint32_t seed) {
  const std::vector<std::pair<std::string, uint32_t>> meshes[] = {
      {}, {{"dp", 2}}, {{"dp", 3}}, {{"dp", 1}, {"tp", 2}}, {{"dp", 2}, {"tp", 2}}};
  return meshes[seed % 5];
}

/// Grows plans step by step, keeping what the interpreter accepts.
class RandomPlan : public RankPlan {
public:
  explicit RandomPlan(uint32_t seed) : RankPlan(meshOf(seed)), random(seed), renamed(1 + below(2)) {
    plan.add_streams("third");
    plan.mutable_batch()->set_gradient_accumulation_steps(1 + below(3));
    plan.set_event_count(60);
    for (int i = 0; i < 5; ++i)
      bufferAt("shared" + std::to_string(i), Activations, 16 * below(4), 24 + 8 * below(8),
               below(4) ? Buffer::ACTIVATION : Buffer::GRADIENT);
    buffer("weight", Weights, 64, Buffer::WEIGHT, 1);
    buffer("state", Optimizer, 32, Buffer::OPTIMIZER_STATE, 2);
    buffer("gradient", Gradients, 64, Buffer::GRADIENT);
    buffer("input", Io, 16, Buffer::INPUT);
    buffer("output", Io, 16, Buffer::OUTPUT, below(2));
    ends = buffer("ends", Io, 16, Buffer::OUTPUT);
    for (auto kind : {Segment::INITIALIZE, Segment::ACCUMULATE_FIRST, Segment::ACCUMULATE_NEXT, Segment::UPDATE,
                      Segment::EVALUATE, Segment::GENERATE})
      grow(kind);
    if (below(2))
      for (auto kind : {Segment::FINISH, Segment::FINISH_FIRST})
        grow(kind);
  }

  uint32_t below(uint32_t n) { return random() % n; }

  Operand randomOperand(bool write) {
    while (true) {
      const uint32_t b = below(uint32_t(plan.buffers_size()) - 1);
      const uint64_t size = plan.buffers(int(b)).size(), pitches[] = {8, 12, 16, 24};
      Operand operand = whole(b, 0, 0);
      if (below(2)) {
        operand = rows(b, 4 * below(uint32_t(size / 4)), 1 + below(4), 4 * (1 + below(4)), pitches[below(4)], 0, 0);
        if (below(4) == 0)
          operand.set_batch(2), operand.set_batch_pitch(pitches[below(4)] / (1 + below(2)) * (1 + below(2)));
      }
      const uint32_t version = 1 + below(2);
      if (write)
        operand.set_write(version);
      if (!write || below(4) == 0)
        operand.set_read(1 + below(2));
      const auto region = makeRegion(operand, 0);
      if (region.ok() && uint64_t(region->end()) <= size) {
        if (below(3) == 0)
          spread(operand, size - uint64_t(region->end()));
        return operand;
      }
    }
  }

  /// Gives the operand another place on each rank, if `room` bytes behind it are enough.
  void spread(Operand &operand, uint64_t room) {
    std::vector<uint64_t> pitch;
    uint64_t reach = 0;
    for (const plan::MeshAxis &axis : plan.mesh()) {
      pitch.push_back(axis.size() > 1 ? 4 * below(5) : 0);
      reach += (axis.size() - 1) * pitch.back();
    }
    if (reach > 0 && reach <= room)
      operand = atRank(operand, pitch);
  }

  /// Over one axis or all, in place or not; of a value that is likely to exist.
  void setCollective(plan::Collective &x) {
    const Operand source = likelyRead();
    const uint64_t size = plan.buffers(int(source.buffer())).size();
    x.set_kind(plan::Collective::Kind(1 + below(4)));
    x.set_dtype(plan::F32);
    for (int axis = 0; axis < plan.mesh_size(); ++axis)
      x.add_axes(uint32_t(axis));
    if (x.axes_size() == 2 && below(2))
      x.mutable_axes()->SwapElements(0, 1);
    if (x.axes_size() == 2 && below(2))
      x.mutable_axes()->RemoveLast();
    const uint32_t members = plan::Mesh(plan).members(plan::axesOf(x)), version = 1 + below(2);
    const bool scatter = x.kind() == plan::Collective::REDUCE_SCATTER,
               gather = x.kind() == plan::Collective::ALL_GATHER;
    const uint64_t part = 4 * (below(2) ? size / 4 / members : 1 + below(2));
    *x.add_whole() = run(source.buffer(), 0, part * members, gather ? 0 : source.read(), scatter ? 0 : version);
    if (!scatter && !gather)
      return;
    std::vector<uint64_t> pitch(size_t(plan.mesh_size()), 0);
    uint64_t step = part;
    for (int i = x.axes_size() - 1; i >= 0; step *= plan.mesh(int(x.axes(i--))).size())
      pitch[x.axes(i)] = step;
    const uint32_t apart = below(uint32_t(plan.buffers_size()) - 1);
    const bool inPlace = below(3) > 0;
    *x.add_part() = run(inPlace ? source.buffer() : apart, 0, part, gather ? source.read() : 0, scatter ? version : 0,
                        inPlace ? pitch : std::vector<uint64_t>());
  }

  /// Version `renamed` of some buffers becomes the other, if that leaves the plan legal.
  void addRenames(Segment::Kind kind) {
    if (kind != Segment::ACCUMULATE_FIRST && kind != Segment::ACCUMULATE_NEXT && kind != Segment::UPDATE &&
        kind != Segment::FINISH_FIRST)
      return;
    for (uint32_t i = 0; i < uint32_t(plan.buffers_size()); ++i) {
      const Buffer::Class c = plan.buffers(int(i)).class_();
      if ((c != Buffer::GRADIENT && c != Buffer::WEIGHT && c != Buffer::OPTIMIZER_STATE) || below(3) > 0)
        continue;
      const plan::Plan before = plan;
      addRename(segment(kind), i);
      if (!isLegalPlan(plan, false))
        plan = before;
    }
  }
  void addRename(Segment &segment, uint32_t buffer) {
    plan::Rename &x = *segment.add_renames();
    x.set_buffer(buffer), x.set_from(renamed), x.set_to(3 - renamed);
  }

  /// A value that is likely to exist: what a step of this segment or the start has written, or rows of it, or the whole
  /// buffer, which several steps may have filled.
  Operand likelyRead() {
    if (written.empty() || below(5) == 0)
      return randomOperand(false);
    Operand operand = written[below(uint32_t(written.size()))];
    operand.set_read(operand.write());
    operand.set_write(0);
    if (below(3) == 0)
      operand = whole(operand.buffer(), operand.read(), 0);
    else if (operand.rows() > 1 && below(2))
      operand.set_rows(1 + below(uint32_t(operand.rows())));
    return operand;
  }

  /// The halves of a buffer, side by side in rows of 8 bytes, as one step each may write them.
  Operand half(uint32_t which) {
    const uint32_t b = below(5);
    return rows(b, 4 * which, plan.buffers(int(b)).size() / 8, 4, 8, 0, 1);
  }

  void grow(Segment::Kind kind) {
    std::vector<uint32_t> recorded;
    addRenames(kind);
    written.clear();
    for (uint32_t i = 0; i < uint32_t(plan.buffers_size()); ++i)
      if (plan.buffers(int(i)).initial_version() != 0)
        written.push_back(whole(i, 0, plan.buffers(int(i)).initial_version()));
    for (int i = 0, n = 3 + int(below(6)); i < n; ++i)
      for (int attempt = 0; attempt < 12; ++attempt) {
        const plan::Plan before = plan;
        Step &step = launch(kind, "step" + std::to_string(i), {}, below(3));
        auto add = [&](const Operand &operand) { *step.mutable_launch()->add_operands() = operand; };
        const bool isCollective = plan.mesh_size() > 0 && below(3) == 0;
        if (isCollective) {
          setCollective(*step.mutable_collective());
        } else if (below(4) == 0) {
          add(half(0));
          if (below(2))
            add(half(1));
        } else if (below(3)) {
          add(randomOperand(true));
        }
        for (int reads = int(below(3)); !isCollective && (reads > 0 || step.launch().operands_size() == 0); --reads)
          add(likelyRead());
        for (uint32_t event : recorded)
          if (below(2))
            step.add_wait(event);
        if (step.stream() != 0 || below(2))
          step.set_record(nextEvent);
        const uint32_t record = step.record();
        if (isLegalPlan(plan, false)) {
          if (record != 0)
            recorded.push_back(record), ++nextEvent;
          plan::visitOperands(*segment(kind).steps().rbegin(), [&](std::string_view, int, const Operand &operand) {
            if (operand.write() != 0)
              written.push_back(operand);
          });
          break;
        }
        plan = before;
      }
    Step &join = memset(kind, "join", whole(ends, 0, 1));
    for (uint32_t event : recorded)
      join.add_wait(event);
  }

  /// One small fault, or a harmless change.
  void disturb() {
    Segment &segment = *plan.mutable_segments(int(below(uint32_t(plan.segments_size()))));
    Step &step = *segment.mutable_steps(int(below(uint32_t(segment.steps_size()))));
    auto &waits = *step.mutable_wait();
    if (step.has_collective() && below(2))
      return disturbCollective(*step.mutable_collective());
    switch (below(9)) {
    case 0:
    case 5:
      if (!waits.empty())
        return void(waits.erase(waits.begin() + below(uint32_t(waits.size()))));
      return step.set_record(0);
    case 1:
      return step.set_stream(below(3));
    case 2:
      return segment.mutable_steps()->SwapElements(int(below(uint32_t(segment.steps_size()))),
                                                   int(below(uint32_t(segment.steps_size()))));
    case 3:
      return plan.mutable_buffers(int(below(5)))->set_offset(16 * below(4));
    case 4:
      return plan.mutable_batch()->set_gradient_accumulation_steps(1 + below(3));
    case 7:
      return disturbRenames(segment);
    case 8:
      return makeCollective(step);
    default:
      if (!step.has_launch())
        return;
      if (below(2)) // an operand once more, reading or writing
        *step.mutable_launch()->add_operands() = step.launch().operands(0);
      else
        *step.mutable_launch()->mutable_operands(0) = randomOperand(below(2));
    }
  }

  /// Another place, version or form of a whole or a part.
  void disturbCollective(plan::Collective &x) {
    Operand &operand = x.part_size() > 0 && below(2) ? *x.mutable_part(0) : *x.mutable_whole(0);
    switch (below(4)) {
    case 0:
      return operand.clear_rank_pitch();
    case 1:
      if (operand.rank_pitch_size() > 0)
        operand.set_rank_pitch(int(below(uint32_t(operand.rank_pitch_size()))), 4 * below(6));
      return;
    case 2:
      return operand.read() != 0 ? operand.set_read(3 - operand.read()) : operand.set_write(3 - operand.write());
    default:
      return operand.set_offset(4 * below(3));
    }
  }

  /// The same bytes at the same time, so all that can go wrong is the order of collectives.
  void makeCollective(Step &step) {
    const auto operands = step.launch().operands();
    if (!operands.empty())
      *step.mutable_collective()->mutable_whole() = operands;
  }

  void disturbRenames(Segment &segment) {
    if (segment.renames_size() > 0)
      return segment.mutable_renames()->RemoveLast();
    if (segment.kind() == Segment::UPDATE || segment.kind() == Segment::ACCUMULATE_FIRST)
      addRename(segment, 5 + below(3)); // weight, state or gradient
  }

private:
  std::mt19937 random;
  const uint32_t renamed;
  uint32_t ends = 0, nextEvent = 1;
  std::vector<Operand> written; ///< by steps of the segment that grows
};

} // namespace

TEST(VerifyRandom, AgreesWithTheInterpreter) {
  int accepted = 0, refused = 0, steps = 0, collectives = 0, renames = 0, faultyCollectives = 0, unordered = 0;
  for (uint32_t seed = 0; seed < 120; ++seed) {
    RandomPlan random(seed);
    for (int disturbances = 0; disturbances < 12; ++disturbances) {
      const bool legal = isLegalPlan(random.plan, true);
      const Status status = verifyPlan(random.plan);
      ASSERT_EQ(status.ok(), legal) << "seed " << seed << ", " << disturbances << " disturbances: " << status.message();
      (legal ? accepted : refused) += 1;
      if (disturbances == 0)
        for (const Segment &segment : random.plan.segments()) {
          steps += segment.steps_size();
          renames += segment.renames_size();
          collectives += int(std::count_if(segment.steps().begin(), segment.steps().end(),
                                           [](const Step &step) { return step.has_collective(); }));
        }
      auto says = [&](const char *part) { return status.message().find(part) != std::string::npos; };
      faultyCollectives += says("whole[") || says("part[");
      unordered += says("does not wait for the collective before it");
      const plan::Plan before = random.plan;
      random.disturb();
      if (!legal && disturbances % 3 == 0)
        random.plan = before;
    }
  }
  // Both verdicts are common, and the plans are not empty.
  EXPECT_GT(accepted, 240);
  EXPECT_GT(refused, 240);
  EXPECT_GT(steps, 120 * 10);
  EXPECT_GT(collectives, 60);
  EXPECT_GT(renames, 60);
  EXPECT_GT(faultyCollectives, 30);
  EXPECT_GT(unordered, 20);
}
