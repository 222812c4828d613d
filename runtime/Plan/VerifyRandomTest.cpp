// verifyPlan against an interpreter that keeps one record a byte, searches the graph of steps for every order, and
// walks through all orders of segments.
#include "runtime/Plan/ByteRegion.h"
#include "runtime/Plan/StepOperands.h"
#include "runtime/Plan/TestPlan.h"
#include "runtime/Plan/Verify.h"

#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

/// The meaning of Verify.h, byte by byte; shares nothing with the verifier but the walk over operands.
class Interpreter {
public:
  /// Without `complete`, a segment may end with streams that stream 0 has not waited for.
  Interpreter(const plan::Plan &plan, bool complete) : plan(plan), complete(complete) {}

  /// Walks through every order of segments, from each state that one leaves.
  bool accepts() {
    for (int i = 0; i < plan.buffers_size(); ++i)
      if (plan.buffers(i).initial_version() != 0)
        for (uint64_t b = 0; b < plan.buffers(i).size(); ++b)
          bytes[{plan.buffers(i).arena(), plan.buffers(i).offset() + b}] = {
              i, plan.buffers(i).initial_version(), -1, {}};
    std::set<State> reached;
    std::vector<State> open;
    // Runs the plan's segment of this kind, if it has one, and goes on behind it.
    auto go = [&](Segment::Kind kind, int microBatches) {
      for (const Segment &segment : plan.segments())
        if (segment.kind() == kind && !run(segment))
          return false;
      if (State state = stateAfter(microBatches); reached.insert(state).second)
        open.push_back(std::move(state));
      return true;
    };
    bool good = go(Segment::INITIALIZE, 0);
    while (good && !open.empty()) {
      const State from = std::move(open.back());
      open.pop_back();
      auto next = [&](Segment::Kind kind, int microBatches) {
        restore(from);
        return go(kind, microBatches);
      };
      const int done = from.first, all = int(plan.batch().gradient_accumulation_steps());
      if (done == 0)
        good = next(Segment::EVALUATE, 0) && next(Segment::GENERATE, 0) && next(Segment::SAVE, 0) &&
               next(Segment::ACCUMULATE_FIRST, 1);
      else
        good = done < all ? next(Segment::ACCUMULATE_NEXT, done + 1) : next(Segment::UPDATE, 0);
    }
    return good;
  }

private:
  struct Byte {
    int buffer = -1;
    uint32_t version = 0;
    int writer = -1; ///< step of this run; -1: before
    std::vector<int> readers;
  };
  using Place = std::pair<uint32_t, uint64_t>;
  /// Micro-batches since the last UPDATE, and where which version of which buffer is.
  using State = std::pair<int, std::vector<std::tuple<Place, int, uint32_t>>>;

  State stateAfter(int microBatches) const {
    State state{microBatches, {}};
    for (const auto &[place, byte] : bytes)
      if (byte.buffer >= 0)
        state.second.emplace_back(place, byte.buffer, byte.version);
    return state;
  }
  void restore(const State &state) {
    bytes.clear();
    for (const auto &[place, buffer, version] : state.second)
      bytes[place] = {buffer, version, -1, {}};
  }

  std::vector<Place> places(const Operand &operand) const {
    std::set<Place> found;
    const plan::Buffer &buffer = plan.buffers(int(operand.buffer()));
    for (uint64_t j = 0; j < std::max<uint64_t>(1, operand.batch()); ++j)
      for (uint64_t i = 0; i < operand.rows(); ++i)
        for (uint64_t b = 0; b < operand.row_bytes(); ++b)
          found.insert({buffer.arena(),
                        buffer.offset() + operand.offset() + j * operand.batch_pitch() + i * operand.pitch() + b});
    return {found.begin(), found.end()};
  }

  void clear(const std::function<bool(plan::Buffer::Class)> &dead) {
    for (auto &[place, byte] : bytes) {
      byte.writer = -1;
      byte.readers.clear();
      if (byte.buffer >= 0 && dead(plan.buffers(byte.buffer).class_()))
        byte.buffer = -1;
    }
  }

  bool run(const Segment &segment) {
    clear([&](plan::Buffer::Class c) { return c == Buffer::INPUT && segment.kind() != Segment::UPDATE; });
    // before[i]: the steps that have finished when step i starts.
    std::vector<std::set<int>> before;
    std::map<uint32_t, int> recorded, last;
    for (int i = 0; i < segment.steps_size(); ++i) {
      const Step &step = segment.steps(i);
      before.emplace_back();
      auto after = [&](int earlier) {
        before[size_t(i)].insert(before[size_t(earlier)].begin(), before[size_t(earlier)].end());
        before[size_t(i)].insert(earlier);
      };
      if (last.count(step.stream()))
        after(last[step.stream()]);
      for (uint32_t event : step.wait()) {
        if (!recorded.count(event))
          return false;
        after(recorded[event]);
      }
      bool forked = step.stream() == 0;
      for (int earlier : before[size_t(i)])
        forked |= segment.steps(earlier).stream() == 0;
      if (!forked || !runStep(segment, i, before[size_t(i)]))
        return false;
      last[step.stream()] = i;
      if (step.record() != 0)
        recorded[step.record()] = i;
    }
    if (complete)
      for (int i = 0; i < segment.steps_size(); ++i)
        if (segment.steps(i).stream() != 0 && (!last.count(0) || !before[size_t(last[0])].count(i)))
          return false;
    clear([](plan::Buffer::Class c) { return c == Buffer::ACTIVATION || c == Buffer::WORKSPACE; });
    return true;
  }

  static bool mayWrite(Segment::Kind kind, plan::Buffer::Class c) {
    const bool stepping = kind == Segment::INITIALIZE || kind == Segment::UPDATE;
    if (c == Buffer::WEIGHT || c == Buffer::OPTIMIZER_STATE)
      return stepping;
    if (c == Buffer::CONSTANT)
      return kind == Segment::INITIALIZE;
    return c != Buffer::GRADIENT || stepping || kind == Segment::ACCUMULATE_FIRST || kind == Segment::ACCUMULATE_NEXT;
  }

  bool runStep(const Segment &segment, int index, const std::set<int> &before) {
    auto finished = [&](int step) { return step < 0 || before.count(step) > 0; };
    std::vector<std::pair<Operand, std::vector<Place>>> operands;
    plan::visitOperands(segment.steps(index), [&](std::string_view, int, const Operand &operand) {
      operands.emplace_back(operand, places(operand));
    });
    std::map<Place, std::pair<int, bool>> touched; // operands there, one of them a write
    for (auto &[operand, where] : operands)
      for (const Place &place : where) {
        auto &[count, write] = touched[place];
        write |= operand.write() != 0;
        if (++count > 1 && write)
          return false;
      }
    for (auto &[operand, where] : operands)
      for (const Place &place : where) {
        const Byte &byte = bytes[place];
        if (operand.read() != 0 &&
            (byte.buffer != int(operand.buffer()) || byte.version != operand.read() || !finished(byte.writer)))
          return false;
        if (operand.write() == 0)
          continue;
        if (!mayWrite(segment.kind(), plan.buffers(int(operand.buffer())).class_()) || !finished(byte.writer))
          return false;
        for (int reader : byte.readers)
          if (!finished(reader))
            return false;
      }
    for (auto &[operand, where] : operands)
      for (const Place &place : where) {
        Byte &byte = bytes[place];
        if (operand.write() != 0)
          byte = {int(operand.buffer()), operand.write(), index, {}};
        else
          byte.readers.push_back(index);
      }
    return true;
  }

  const plan::Plan &plan;
  bool complete;
  std::map<Place, Byte> bytes;
};

/// Grows plans step by step, keeping what the interpreter accepts.
class RandomPlan : public TestPlan {
public:
  explicit RandomPlan(uint32_t seed) : random(seed) {
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
      if (region.ok() && uint64_t(region->end()) <= size)
        return operand;
    }
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
    written.clear();
    for (uint32_t i = 0; i < uint32_t(plan.buffers_size()); ++i)
      if (plan.buffers(int(i)).initial_version() != 0)
        written.push_back(whole(i, 0, plan.buffers(int(i)).initial_version()));
    for (int i = 0, n = 3 + int(below(6)); i < n; ++i)
      for (int attempt = 0; attempt < 12; ++attempt) {
        const plan::Plan before = plan;
        Step &step = launch(kind, "step" + std::to_string(i), {}, below(3));
        auto add = [&](const Operand &operand) { *step.mutable_launch()->add_operands() = operand; };
        if (below(4) == 0) {
          add(half(0));
          if (below(2))
            add(half(1));
        } else if (below(3)) {
          add(randomOperand(true));
        }
        for (int reads = int(below(3)); reads > 0 || step.launch().operands_size() == 0; --reads)
          add(likelyRead());
        for (uint32_t event : recorded)
          if (below(2))
            step.add_wait(event);
        if (step.stream() != 0 || below(2))
          step.set_record(nextEvent);
        const uint32_t record = step.record();
        if (Interpreter(plan, false).accepts()) {
          if (record != 0)
            recorded.push_back(record), ++nextEvent;
          for (const Operand &operand : segment(kind).steps().rbegin()->launch().operands())
            if (operand.write() != 0)
              written.push_back(operand);
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
    switch (below(7)) {
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
    default:
      if (!step.has_launch())
        return;
      if (below(2)) // an operand once more, reading or writing
        *step.mutable_launch()->add_operands() = step.launch().operands(0);
      else
        *step.mutable_launch()->mutable_operands(0) = randomOperand(below(2));
    }
  }

private:
  std::mt19937 random;
  uint32_t ends = 0, nextEvent = 1;
  std::vector<Operand> written; ///< by steps of the segment that grows
};

} // namespace

TEST(VerifyRandom, AgreesWithTheInterpreter) {
  int accepted = 0, refused = 0, steps = 0;
  for (uint32_t seed = 0; seed < 120; ++seed) {
    RandomPlan random(seed);
    for (int disturbances = 0; disturbances < 12; ++disturbances) {
      const bool legal = Interpreter(random.plan, true).accepts();
      const Status status = verifyPlan(random.plan);
      ASSERT_EQ(status.ok(), legal) << "seed " << seed << ", " << disturbances << " disturbances: " << status.message();
      (legal ? accepted : refused) += 1;
      if (disturbances == 0)
        for (const Segment &segment : random.plan.segments())
          steps += segment.steps_size();
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
}
