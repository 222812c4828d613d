#include "runtime/Plan/Verify.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/LiveRegions.h"
#include "runtime/Plan/RankRegions.h"
#include "runtime/Plan/StepOperands.h"
#include "runtime/Plan/StreamClocks.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>

namespace ft::rt {

namespace {

using plan::Buffer;
using Kind = plan::Segment::Kind;

struct FlatOperand {
  ByteRegion region;
  uint32_t buffer, arena, read, write;
};

/// A segment with its operands as regions, computed once for all its runs.
struct FlatSegment {
  const plan::Segment *segment = nullptr;
  uint32_t index = 0;
  std::vector<FlatOperand> operands;
  std::vector<size_t> firstOperand; ///< of each step, and the end
};

std::string kindName(Kind kind) { return plan::Segment::Kind_Name(kind); }

/// Proves the plan for one rank.
class Verifier {
public:
  Verifier(const plan::Plan &plan, const plan::Coordinates &rank)
      : plan(plan), mesh(plan), rank(rank), clocks(plan.streams_size()) {}
  Status run();

private:
  Status flatten();
  void fillInitialValues();
  std::vector<std::vector<Kind>> sequences() const;
  void addTargets(uint64_t micro, const std::vector<Kind> &evals, std::vector<std::vector<Kind>> &all) const;
  Status runSegment(const FlatSegment &flat);
  Status runStep(const FlatSegment &flat, uint32_t step);
  Status startStep(const FlatSegment &flat, uint32_t step);
  Status checkOperandsApart(const FlatSegment &flat, uint32_t step);
  bool inPlace(const FlatSegment &flat, uint32_t step, size_t earlier, size_t later) const;
  Status checkCollectiveOrder(const FlatSegment &flat, uint32_t step);
  Status checkJoined(const FlatSegment &flat) const;
  void forget(bool atStart, Kind kind);
  void rename(const plan::Segment &segment);

  std::string nameOf(uint32_t segment, uint32_t step) const;
  std::string operandNameOf(const Touch &touch, size_t operand) const;
  std::string where(const ByteRegion &region, uint32_t buffer) const;
  Status report(const Conflict &conflict, const Touch &touch, size_t operand) const;

  const plan::Plan &plan;
  const plan::Mesh mesh;
  const plan::Coordinates rank;
  WorkBudget budget;
  StreamClocks clocks;
  std::vector<FlatSegment> segments;
  std::vector<LiveRegions> arenas;
  uint32_t currentRun = 0;
  std::optional<uint32_t> lastCollective; ///< step of the current run
  int32_t lastCollectivePosition = 0;
};

Status Verifier::flatten() {
  for (const Buffer &buffer : plan.buffers())
    if (buffer.arena() >= uint32_t(plan.arenas_size()) || buffer.offset() >= maxPlanBytes || buffer.size() == 0 ||
        buffer.size() >= maxPlanBytes - buffer.offset())
      return badInput(fmt::format("buffer \"{}\" lies in no arena; run checkPlan first", buffer.name()));
  for (int i = 0; i < plan.segments_size(); ++i) {
    FlatSegment flat{&plan.segments(i), uint32_t(i), {}, {}};
    for (const plan::Rename &x : flat.segment->renames())
      if (x.buffer() >= uint32_t(plan.buffers_size()))
        return badInput("a rename names no buffer; run checkPlan first");
    for (const plan::Step &step : flat.segment->steps()) {
      flat.firstOperand.push_back(flat.operands.size());
      Status status;
      plan::visitOperands(step, [&](std::string_view, int, const plan::Operand &operand) {
        if (!status.ok())
          return;
        if (operand.buffer() >= uint32_t(plan.buffers_size()))
          return void(status = badInput("an operand names no buffer; run checkPlan first"));
        const Buffer &buffer = plan.buffers(int(operand.buffer()));
        Expected<ByteRegion> region = makeRegion(operand, buffer.offset(), rank);
        if (!region.ok())
          return void(status = region.status());
        flat.operands.push_back({*region, operand.buffer(), buffer.arena(), operand.read(), operand.write()});
      });
      FT_RETURN_IF_ERROR(status);
    }
    flat.firstOperand.push_back(flat.operands.size());
    segments.push_back(std::move(flat));
  }
  return {};
}

void Verifier::fillInitialValues() {
  auto ordered = [](const void *context, const Touch &earlier, const Touch &later) {
    return earlier.segment == initialFill || earlier.run != later.run ||
           static_cast<const StreamClocks *>(context)->finished(earlier.stream, earlier.position, later.stream);
  };
  arenas.clear();
  for (int i = 0; i < plan.arenas_size(); ++i)
    arenas.emplace_back(ordered, &clocks, budget);
  for (int i = 0; i < plan.buffers_size(); ++i) {
    const Buffer &buffer = plan.buffers(i);
    Touch touch;
    touch.region = {int64_t(buffer.offset()), int64_t(buffer.size())};
    touch.buffer = uint32_t(i);
    touch.version = buffer.initial_version();
    touch.segment = initialFill;
    if (touch.version != 0)
      arenas[buffer.arena()].fill(touch);
  }
}

/// Runs that lead from each kind of segment to each that may come next, directly and through what must lie between.
/// That covers all orders: which value a byte holds is a matter of who wrote it last, and others may come between only
/// if they leave it. A step has as many micro-batches as the plan, but at most three: further ones find the same.
std::vector<std::vector<Kind>> Verifier::sequences() const {
  std::vector<Kind> evals;
  for (const FlatSegment &flat : segments)
    if (plan::runsBetweenSteps(flat.segment->kind()))
      evals.push_back(flat.segment->kind());
  const uint64_t micro = plan.batch().gradient_accumulation_steps();
  std::vector<std::vector<Kind>> all{{plan::Segment::INITIALIZE}};
  std::vector<Kind> &training = all[0];
  // `next`: micro-batches between the first and a last one of its own kind, or all behind the first.
  const bool last = plan::has(plan, plan::Segment::ACCUMULATE_LAST), finishes = plan::has(plan, plan::Segment::FINISH);
  auto step = [&](uint64_t next, Kind first = plan::Segment::ACCUMULATE_FIRST) {
    training.push_back(first);
    training.insert(training.end(), next - last, plan::Segment::ACCUMULATE_NEXT);
    if (last)
      training.push_back(plan::Segment::ACCUMULATE_LAST);
    training.push_back(plan::Segment::UPDATE);
  };
  step(micro > 1 ? std::min<uint64_t>(micro - 1, last ? 3 : 2) : 0);
  step(micro > 1, finishes ? plan::Segment::FINISH_FIRST : plan::Segment::ACCUMULATE_FIRST);
  if (finishes) { // beside a step behind one that did so as well, and alone
    step(micro > 1, plan::Segment::FINISH_FIRST);
    for (int i = 0; i < 2; ++i) {
      training.push_back(plan::Segment::FINISH);
      step(micro > 1);
    }
  }
  for (size_t i = 0; i < evals.size(); ++i) {
    // Behind UPDATE, behind itself, before and behind each other, and before the next step.
    if (finishes)
      training.push_back(plan::Segment::FINISH);
    training.insert(training.end(), {evals[i], evals[i]});
    for (size_t j = i + 1; j < evals.size(); ++j)
      training.insert(training.end(), {evals[j], evals[i]});
    step(micro > 1);
  }
  for (Kind eval : evals)
    all.push_back({plan::Segment::INITIALIZE, eval});
  if (plan::has(plan, plan::Segment::ACCUMULATE_FIRST_TARGETS))
    addTargets(micro, evals, all);
  return all;
}

/// Each micro-batch may be one of few targets. Steps of up to three in which each two of them, next to each other or
/// not, are of either kind; and behind each segment that runs between steps one that begins with few. Bit i of a mix:
/// the i-th micro-batch has few.
void Verifier::addTargets(uint64_t micro, const std::vector<Kind> &evals, std::vector<std::vector<Kind>> &all) const {
  const uint64_t count = std::clamp<uint64_t>(micro, 1, 3);
  std::vector<Kind> &training = all.emplace_back(1, plan::Segment::INITIALIZE);
  const bool finishes = plan::has(plan, plan::Segment::FINISH);
  bool begun = false; // an update that is not finished
  auto step = [&](uint64_t few) {
    for (uint64_t i = 0; i < count; ++i) {
      const Kind whole = plan::microBatchKind(plan, i + 1 == count ? std::max(micro, count) - 1 : i);
      const Kind kind = few >> i & 1 ? plan::targetsKindOf(whole) : whole;
      training.push_back(i == 0 && begun ? plan::finishingKindOf(kind) : kind);
    }
    training.push_back(plan::Segment::UPDATE);
    begun = finishes;
  };
  auto finish = [&] {
    if (begun)
      training.push_back(plan::Segment::FINISH);
    begun = false;
  };
  static const std::vector<uint64_t> mixes[] = {{1}, {1, 2, 3}, {1, 2, 4, 5, 7}};
  for (uint64_t few : mixes[count - 1])
    step(few);
  finish();
  step(1);
  for (Kind eval : evals) {
    finish();
    training.push_back(eval);
    step(1);
  }
}

/// What buffers hold across the border of a segment, by class (V1).
void Verifier::forget(bool atStart, Kind kind) {
  std::vector<bool> dead(size_t(plan.buffers_size()));
  for (int i = 0; i < plan.buffers_size(); ++i) {
    const Buffer::Class c = plan.buffers(i).class_();
    dead[size_t(i)] = atStart ? c == Buffer::INPUT && kind != plan::Segment::UPDATE
                              : c == Buffer::ACTIVATION || c == Buffer::WORKSPACE;
  }
  for (LiveRegions &arena : arenas) {
    arena.forgetReads();
    arena.forgetValues(dead);
  }
}

/// No version is both renamed and renamed to (checkPlan), so their order does not matter.
void Verifier::rename(const plan::Segment &segment) {
  for (const plan::Rename &x : segment.renames()) {
    const Buffer &buffer = plan.buffers(int(x.buffer()));
    arenas[buffer.arena()].rename({int64_t(buffer.offset()), int64_t(buffer.size())}, x.buffer(), x.from(), x.to());
  }
}

std::string Verifier::nameOf(uint32_t segment, uint32_t step) const {
  if (segment == initialFill)
    return "the initial fill";
  const plan::Segment &s = plan.segments(int(segment));
  return fmt::format("{} step {} \"{}\"", kindName(s.kind()), step, s.steps(int(step)).name());
}

std::string Verifier::operandNameOf(const Touch &touch, size_t operand) const {
  std::string name;
  size_t i = 0;
  plan::visitOperands(plan.segments(int(touch.segment)).steps(int(touch.step)),
                      [&](std::string_view field, int index, const plan::Operand &) {
                        if (i++ == operand)
                          name = plan::operandName(field, index);
                      });
  return name;
}

std::string Verifier::where(const ByteRegion &region, uint32_t buffer) const {
  return fmt::format("{} of buffer \"{}\"", describe(region, int64_t(plan.buffers(int(buffer)).offset())),
                     plan.buffers(int(buffer)).name());
}

Status Verifier::report(const Conflict &conflict, const Touch &touch, size_t operand) const {
  const Touch &other = conflict.other;
  const std::string place = fmt::format("{}: {}", nameOf(touch.segment, touch.step), operandNameOf(touch, operand));
  const std::string bytes = where(conflict.region, touch.buffer);
  const std::string otherName = nameOf(other.segment, other.step);
  switch (conflict.kind) {
  case Conflict::Undefined:
    return badInput(
        fmt::format("{}: reads version {} from {}, of which some hold no value then: nothing has written them "
                    "(ACTIVATION and WORKSPACE end with a segment; INPUT must be received in it)",
                    place, touch.version, bytes));
  case Conflict::WrongValue:
    return badInput(
        fmt::format("{}: reads version {} from {}, of which some hold version {} of buffer \"{}\" then, written by "
                    "{}{}",
                    place, touch.version, bytes, other.version, plan.buffers(int(other.buffer)).name(), otherName,
                    other.writtenAs == 0 ? "" : fmt::format(" as version {} and renamed since", other.writtenAs)));
  case Conflict::ReadRace:
    return badInput(fmt::format("{}: reads version {} from {} on stream {} without waiting for {} on stream {}, which "
                                "writes it; an event must order them",
                                place, touch.version, bytes, touch.stream, otherName, other.stream));
  case Conflict::OverwritesRead:
  case Conflict::OverwritesWrite:
    break;
  }
  return badInput(fmt::format("{}: overwrites {} on stream {} without waiting for {} on stream {}, which {} bytes of "
                              "buffer \"{}\" there; an event must order them",
                              place, bytes, touch.stream, otherName, other.stream,
                              conflict.kind == Conflict::OverwritesRead ? "reads" : "writes",
                              plan.buffers(int(other.buffer)).name()));
}

/// (V4): waits for recorded events only, and for stream 0 before anything else.
Status Verifier::startStep(const FlatSegment &flat, uint32_t index) {
  const plan::Step &step = flat.segment->steps(int(index));
  if (step.stream() >= uint32_t(plan.streams_size()))
    return badInput(fmt::format("{}: stream is {}; must be below {}", nameOf(flat.index, index), step.stream(),
                                plan.streams_size()));
  for (uint32_t event : step.wait())
    if (!clocks.wait(step.stream(), event))
      return badInput(fmt::format("{}: waits for event {}, which no step before it in the segment records",
                                  nameOf(flat.index, index), event));
  if (!clocks.forked(step.stream()))
    return badInput(fmt::format("{}: is the first step on stream {} but waits for no event that follows a step of "
                                "stream 0; the previous segment may still run",
                                nameOf(flat.index, index), step.stream()));
  return {};
}

/// Whether two operands are a collective's whole and exactly this rank's part of it.
bool Verifier::inPlace(const FlatSegment &flat, uint32_t step, size_t earlier, size_t later) const {
  const plan::Collective &x = flat.segment->steps(int(step)).collective();
  const size_t whole = earlier - flat.firstOperand[step], items = size_t(x.whole_size());
  const FlatOperand &a = flat.operands[earlier], &b = flat.operands[later];
  return whole < items && whole < size_t(x.part_size()) && later == earlier + items && a.buffer == b.buffer &&
         isOwnPart(mesh, rank, x, a.region, b.region);
}

/// (V6)
Status Verifier::checkCollectiveOrder(const FlatSegment &flat, uint32_t index) {
  const plan::Step &step = flat.segment->steps(int(index));
  if (!step.has_collective())
    return {};
  if (lastCollective) {
    const uint32_t before = flat.segment->steps(int(*lastCollective)).stream();
    if (!clocks.finished(before, lastCollectivePosition, step.stream()))
      return badInput(
          fmt::format("{} on stream {} does not wait for the collective before it, {} on stream {}; an event "
                      "must order them, so that all ranks run them in one order",
                      nameOf(flat.index, index), step.stream(), nameOf(flat.index, *lastCollective), before));
  }
  lastCollective = index;
  lastCollectivePosition = clocks.position(step.stream());
  return {};
}

/// (V3)
Status Verifier::checkOperandsApart(const FlatSegment &flat, uint32_t step) {
  for (size_t i = flat.firstOperand[step]; i < flat.firstOperand[step + 1]; ++i)
    for (size_t j = flat.firstOperand[step]; j < i && budget.spend(); ++j) {
      const FlatOperand &a = flat.operands[j], &b = flat.operands[i];
      if (a.arena != b.arena || (a.write == 0 && b.write == 0) || !intersects(a.region, b.region, budget) ||
          inPlace(flat, step, j, i))
        continue;
      Touch touch;
      touch.segment = flat.index, touch.step = step;
      return badInput(
          fmt::format("{}: {} and {} share bytes of buffers \"{}\" and \"{}\", and one is written; in-place "
                      "must be one operand",
                      nameOf(flat.index, step), operandNameOf(touch, j - flat.firstOperand[step]),
                      operandNameOf(touch, i - flat.firstOperand[step]), plan.buffers(int(a.buffer)).name(),
                      plan.buffers(int(b.buffer)).name()));
    }
  return {};
}

Status Verifier::runStep(const FlatSegment &flat, uint32_t index) {
  const plan::Step &step = flat.segment->steps(int(index));
  FT_RETURN_IF_ERROR(checkCollectiveOrder(flat, index));
  FT_RETURN_IF_ERROR(checkOperandsApart(flat, index));
  const size_t first = flat.firstOperand[index], end = flat.firstOperand[index + 1];
  Touch touch;
  touch.segment = flat.index, touch.step = index, touch.run = currentRun;
  touch.stream = step.stream(), touch.position = clocks.position(step.stream());
  auto as = [&](const FlatOperand &operand, uint32_t version) -> const Touch & {
    touch.region = operand.region, touch.buffer = operand.buffer, touch.version = version;
    return touch;
  };
  for (size_t i = first; i < end; ++i) {
    const FlatOperand &operand = flat.operands[i];
    if (operand.read != 0)
      if (auto conflict = arenas[operand.arena].checkRead(as(operand, operand.read)))
        return report(*conflict, touch, i - first);
  }
  for (size_t i = first; i < end; ++i) {
    const FlatOperand &operand = flat.operands[i];
    if (operand.write == 0)
      continue;
    const Buffer &buffer = plan.buffers(int(operand.buffer));
    if (!plan::mayWrite(flat.segment->kind(), buffer.class_()))
      return badInput(fmt::format("{}: {} writes buffer \"{}\" of class {}, which {} must not write",
                                  nameOf(flat.index, index), operandNameOf(as(operand, 0), i - first), buffer.name(),
                                  Buffer::Class_Name(buffer.class_()), kindName(flat.segment->kind())));
    if (auto conflict = arenas[operand.arena].write(as(operand, operand.write)))
      return report(*conflict, touch, i - first);
  }
  for (size_t i = first; i < end; ++i) // a write stands for the read of an operand in place as well
    if (const FlatOperand &operand = flat.operands[i]; operand.write == 0)
      arenas[operand.arena].addRead(as(operand, operand.read));
  return {};
}

/// (V4)
Status Verifier::checkJoined(const FlatSegment &flat) const {
  for (uint32_t stream = 1; stream < uint32_t(plan.streams_size()); ++stream)
    if (clocks.position(stream) > 0 && !clocks.finished(stream, clocks.position(stream) - 1, 0))
      return badInput(fmt::format("{} ends before stream 0 has waited for the last step of stream {} (\"{}\"); it must "
                                  "record an event, and a step of stream 0 must wait for it",
                                  kindName(flat.segment->kind()), stream, plan.streams(int(stream))));
  return {};
}

Status Verifier::runSegment(const FlatSegment &flat) {
  ++currentRun;
  clocks.startSegment();
  lastCollective.reset();
  forget(true, flat.segment->kind());
  rename(*flat.segment);
  for (int i = 0; i < flat.segment->steps_size(); ++i) {
    const plan::Step &step = flat.segment->steps(i);
    FT_RETURN_IF_ERROR(startStep(flat, uint32_t(i)));
    const Status found = runStep(flat, uint32_t(i));
    if (budget.exhausted()) // then what was found means nothing
      return badInput(fmt::format("{}: the regions up to here are too irregular to be verified; give operands of one "
                                  "buffer equal pitches",
                                  nameOf(flat.index, uint32_t(i))));
    FT_RETURN_IF_ERROR(found);
    // A captured segment's graph begins behind its receive, and a stream joins the capture inside the graph.
    clocks.finish(step.stream(), step.record(), !(flat.segment->capture() && step.has_receive()));
  }
  FT_RETURN_IF_ERROR(checkJoined(flat));
  forget(false, flat.segment->kind());
  return {};
}

Status Verifier::run() {
  FT_RETURN_IF_ERROR(flatten());
  // Tiled attention costs an honest plan about five units a step and head; a dishonest one is refused in seconds.
  int64_t steps = 0;
  for (const FlatSegment &flat : segments)
    steps += flat.segment->steps_size();
  budget.left = std::min<int64_t>(5'000'000 + 5'000 * steps, 1'000'000'000);
  for (const std::vector<Kind> &sequence : sequences()) {
    fillInitialValues();
    for (Kind kind : sequence)
      for (const FlatSegment &flat : segments)
        if (flat.segment->kind() == kind)
          FT_RETURN_IF_ERROR(runSegment(flat));
  }
  return {};
}

} // namespace

Status verifyPlan(const plan::Plan &plan) {
  FT_ASSIGN_OR_RETURN(const std::vector<plan::Coordinates> ranks, ranksToVerify(plan));
  for (const plan::Coordinates &rank : ranks)
    if (const Status status = Verifier(plan, rank).run(); !status.ok())
      return ranks.size() == 1
                 ? status
                 : badInput(fmt::format("{} (on the rank at {})", status.message(), describeRank(plan, rank)));
  return {};
}

} // namespace ft::rt
