#include "runtime/Plan/VerifyInterpreter.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/StepOperands.h"

#include <functional>
#include <map>
#include <set>
#include <tuple>
#include <vector>

namespace ft::rt::test {

namespace {

using plan::Buffer;
using plan::Operand;
using plan::Segment;
using plan::Step;

/// One rank.
class Interpreter {
public:
  /// `at`: the rank's coordinates.
  Interpreter(const plan::Plan &plan, std::vector<uint64_t> at, bool complete)
      : plan(plan), at(std::move(at)), complete(complete) {}

  bool accepts() {
    for (int i = 0; i < plan.buffers_size(); ++i)
      if (plan.buffers(i).initial_version() != 0)
        for (uint64_t b = 0; b < plan.buffers(i).size(); ++b)
          bytes[{plan.buffers(i).arena(), plan.buffers(i).offset() + b}] = {
              i, plan.buffers(i).initial_version(), -1, {}};
    std::set<State> reached;
    std::vector<State> open;
    // Runs the plan's segment of this kind, if it has one, and goes on behind it.
    auto go = [&](Segment::Kind kind, int microBatches, bool begun) {
      for (const Segment &segment : plan.segments())
        if (segment.kind() == kind && !run(segment))
          return false;
      if (State state = stateAfter(microBatches, begun); reached.insert(state).second)
        open.push_back(std::move(state));
      return true;
    };
    bool good = go(Segment::INITIALIZE, 0, false);
    while (good && !open.empty()) {
      const State from = std::move(open.back());
      open.pop_back();
      auto next = [&](Segment::Kind kind, int microBatches) {
        restore(from);
        return go(kind, microBatches, kind == Segment::UPDATE && has(plan, Segment::FINISH));
      };
      const int done = std::get<0>(from), all = int(plan.batch().gradient_accumulation_steps());
      if (std::get<1>(from)) {
        const bool targets = has(plan, Segment::FINISH_FIRST_TARGETS);
        good = next(Segment::FINISH, 0) && next(Segment::FINISH_FIRST, 1) &&
               (!targets || next(Segment::FINISH_FIRST_TARGETS, 1));
        continue;
      }
      if (done == 0)
        good = next(Segment::EVALUATE, 0) && next(Segment::EVALUATE_TARGETS, 0) && next(Segment::GENERATE, 0) &&
               next(Segment::SAVE, 0) && next(Segment::ACCUMULATE_FIRST, 1);
      else
        good = done < all ? next(microBatchKind(plan, done), done + 1) : next(Segment::UPDATE, 0);
      if (const Segment::Kind few = targetsKindOf(microBatchKind(plan, done)); done < all && has(plan, few))
        good = good && next(few, done + 1);
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
  /// Micro-batches since the last UPDATE, whether that is still to be finished, and where which version of which buffer
  /// is.
  using State = std::tuple<int, bool, std::vector<std::tuple<Place, int, uint32_t>>>;

  State stateAfter(int microBatches, bool begun) const {
    State state{microBatches, begun, {}};
    for (const auto &[place, byte] : bytes)
      if (byte.buffer >= 0)
        std::get<2>(state).emplace_back(place, byte.buffer, byte.version);
    return state;
  }
  void restore(const State &state) {
    bytes.clear();
    for (const auto &[place, buffer, version] : std::get<2>(state))
      bytes[place] = {buffer, version, -1, {}};
  }

  std::vector<Place> places(const Operand &operand) const {
    std::set<Place> found;
    const plan::Buffer &buffer = plan.buffers(int(operand.buffer()));
    uint64_t start = buffer.offset() + operand.offset();
    for (int axis = 0; axis < operand.rank_pitch_size(); ++axis)
      start += operand.rank_pitch(axis) * at[size_t(axis)];
    for (uint64_t j = 0; j < std::max<uint64_t>(1, operand.batch()); ++j)
      for (uint64_t i = 0; i < operand.rows(); ++i)
        for (uint64_t b = 0; b < operand.row_bytes(); ++b)
          found.insert({buffer.arena(), start + j * operand.batch_pitch() + i * operand.pitch() + b});
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

  void rename(const Segment &segment) {
    std::vector<std::pair<Byte *, uint32_t>> changes;
    for (auto &[place, byte] : bytes)
      for (const plan::Rename &x : segment.renames())
        if (byte.buffer == int(x.buffer()) && byte.version == x.from())
          changes.emplace_back(&byte, x.to());
    for (auto [byte, version] : changes)
      byte->version = version;
  }

  /// The places of the part that goes with this rank, counted off byte by byte.
  std::vector<Place> ownPart(const plan::Collective &x, const Operand &whole) const {
    uint64_t member = 0, members = 1;
    for (uint32_t axis : x.axes()) {
      member = member * plan.mesh(int(axis)).size() + at[axis];
      members *= plan.mesh(int(axis)).size();
    }
    const std::vector<Place> all = places(whole);
    const size_t size = all.size() / members;
    if (all.size() % members != 0)
      return {};
    return {all.begin() + std::ptrdiff_t(member * size), all.begin() + std::ptrdiff_t((member + 1) * size)};
  }

  /// (V3), but for a part in place.
  bool operandsApart(const Step &step) const {
    std::vector<std::pair<Operand, std::set<Place>>> operands;
    plan::visitOperands(step, [&](std::string_view, int, const Operand &operand) {
      const std::vector<Place> where = places(operand);
      operands.emplace_back(operand, std::set<Place>(where.begin(), where.end()));
    });
    auto isInPlace = [&](size_t i, size_t j) {
      const plan::Collective &x = step.collective();
      const size_t items = size_t(x.part_size());
      if (i >= items || j != i + items || operands[i].first.buffer() != operands[j].first.buffer())
        return false;
      const std::vector<Place> own = ownPart(x, operands[i].first);
      return operands[j].second == std::set<Place>(own.begin(), own.end());
    };
    for (size_t i = 0; i < operands.size(); ++i)
      for (size_t j = i + 1; j < operands.size(); ++j)
        if ((operands[i].first.write() != 0 || operands[j].first.write() != 0) && !isInPlace(i, j))
          for (const Place &place : operands[i].second)
            if (operands[j].second.count(place) > 0)
              return false;
    return true;
  }

  bool run(const Segment &segment) {
    clear([&](plan::Buffer::Class c) { return c == Buffer::INPUT && segment.kind() != Segment::UPDATE; });
    rename(segment);
    int lastCollective = -1;
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
      if (step.has_collective()) {
        if (lastCollective >= 0 && !before[size_t(i)].count(lastCollective))
          return false;
        lastCollective = i;
      }
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
    const bool stepping = kind == Segment::INITIALIZE || kind == Segment::UPDATE || kind == Segment::FINISH ||
                          kind == Segment::FINISH_FIRST || kind == Segment::FINISH_FIRST_TARGETS;
    if (c == Buffer::WEIGHT || c == Buffer::OPTIMIZER_STATE)
      return stepping;
    if (c == Buffer::CONSTANT)
      return kind == Segment::INITIALIZE;
    return c != Buffer::GRADIENT || stepping || kind == Segment::ACCUMULATE_FIRST || kind == Segment::ACCUMULATE_NEXT ||
           kind == Segment::ACCUMULATE_LAST || kind == Segment::ACCUMULATE_FIRST_TARGETS ||
           kind == Segment::ACCUMULATE_NEXT_TARGETS || kind == Segment::ACCUMULATE_LAST_TARGETS;
  }

  bool runStep(const Segment &segment, int index, const std::set<int> &before) {
    auto finished = [&](int step) { return step < 0 || before.count(step) > 0; };
    std::vector<std::pair<Operand, std::vector<Place>>> operands;
    plan::visitOperands(segment.steps(index), [&](std::string_view, int, const Operand &operand) {
      operands.emplace_back(operand, places(operand));
    });
    if (!operandsApart(segment.steps(index)))
      return false;
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
  const std::vector<uint64_t> at;
  const bool complete;
  std::map<Place, Byte> bytes;
};

} // namespace

bool isLegalPlan(const plan::Plan &plan, bool complete) {
  std::vector<std::vector<uint64_t>> ranks{{}};
  for (const plan::MeshAxis &axis : plan.mesh()) {
    std::vector<std::vector<uint64_t>> longer;
    for (const std::vector<uint64_t> &rank : ranks)
      for (uint64_t value = 0; value < axis.size(); ++value) {
        longer.push_back(rank);
        longer.back().push_back(value);
      }
    ranks.swap(longer);
  }
  for (const std::vector<uint64_t> &rank : ranks)
    if (!Interpreter(plan, rank, complete).accepts())
      return false;
  return true;
}

} // namespace ft::rt::test
