#include "runtime/Program/Poison.h"

#include "runtime/Plan/RankRegions.h"
#include "runtime/Plan/StepOperands.h"

#include <algorithm>
#include <map>
#include <set>

using namespace ft;
using namespace ft::rt;

namespace {
/// A value is one version of one buffer; its parts may be written by several steps.
using Value = std::pair<uint32_t, uint32_t>; // buffer, version

struct Written {
  const plan::Operand *operand;
  int step;
  uint32_t arena;
  ByteRegion bytes;
};

class Liveness {
public:
  Liveness(const plan::Plan &plan, const Arenas &arenas) : plan(plan), arenas(arenas) {}

  Status collect(int segment);
  Expected<PoisonSchedule> schedule(const plan::Segment &segment);

private:
  bool isTransient(const plan::Operand &operand) const {
    const plan::Buffer &buffer = plan.buffers(operand.buffer());
    return buffer.initial_version() == 0 &&
           (buffer.class_() == plan::Buffer::ACTIVATION || buffer.class_() == plan::Buffer::WORKSPACE);
  }
  Expected<ByteRegion> bytesOf(const plan::Operand &operand) const {
    return makeRegion(operand, plan.buffers(operand.buffer()).offset(), arenas.coordinates());
  }
  void collectCarried(const plan::Segment &other);
  Expected<bool> readsThere(const plan::Step &step, const plan::Operand &written) const;
  bool isOverwritten(const Written &part, int until) const;

  const plan::Plan &plan;
  const Arenas &arenas;
  std::vector<Written> writes; // of the segment, by step
  std::map<Value, std::vector<size_t>> parts;
  std::map<Value, int> lastRead;
  std::set<Value> carried; // values that another segment reads without having written them
};

void Liveness::collectCarried(const plan::Segment &other) {
  std::set<Value> written;
  for (const plan::Step &step : other.steps()) {
    visitOperands(step, [&](std::string_view, int, const plan::Operand &operand) {
      if (operand.read() && !written.contains({operand.buffer(), operand.read()}))
        carried.insert({operand.buffer(), operand.read()});
    });
    visitOperands(step, [&](std::string_view, int, const plan::Operand &operand) {
      if (operand.write())
        written.insert({operand.buffer(), operand.write()});
    });
  }
}

Status Liveness::collect(int segment) {
  for (int s = 0; s < plan.segments_size(); ++s)
    if (s != segment)
      collectCarried(plan.segments(s));
  Status status;
  for (int i = 0; i < plan.segments(segment).steps_size(); ++i)
    visitOperands(plan.segments(segment).steps(i), [&](std::string_view, int, const plan::Operand &operand) {
      if (!isTransient(operand))
        return;
      if (operand.read())
        lastRead[{operand.buffer(), operand.read()}] = i;
      if (!operand.write())
        return;
      auto bytes = bytesOf(operand);
      if (!bytes.ok()) {
        status = bytes.status();
        return;
      }
      parts[{operand.buffer(), operand.write()}].push_back(writes.size());
      writes.push_back({&operand, i, plan.buffers(operand.buffer()).arena(), *bytes});
    });
  return status;
}

/// An in-place kernel names the bytes twice: as what it reads and as what it writes.
Expected<bool> Liveness::readsThere(const plan::Step &step, const plan::Operand &written) const {
  FT_ASSIGN_OR_RETURN(const ByteRegion region, bytesOf(written));
  const uint32_t arena = plan.buffers(written.buffer()).arena();
  WorkBudget budget;
  bool reads = false;
  Status status;
  visitOperands(step, [&](std::string_view, int, const plan::Operand &operand) {
    if (!operand.read() || plan.buffers(operand.buffer()).arena() != arena)
      return;
    auto bytes = bytesOf(operand);
    if (!bytes.ok())
      status = bytes.status();
    else
      reads |= intersects(region, *bytes, budget);
  });
  FT_RETURN_IF_ERROR(status);
  return reads;
}

/// Whether a later step up to `until` wrote into the part: its bytes are somebody else's then.
bool Liveness::isOverwritten(const Written &part, int until) const {
  WorkBudget budget;
  auto later = std::upper_bound(writes.begin(), writes.end(), part.step,
                                [](int step, const Written &other) { return step < other.step; });
  for (; later != writes.end() && later->step <= until; ++later)
    if (later->arena == part.arena && intersects(part.bytes, later->bytes, budget))
      return true;
  return false;
}

Expected<PoisonSchedule> Liveness::schedule(const plan::Segment &segment) {
  PoisonSchedule result;
  result.steps.resize(segment.steps_size());
  for (const Written &part : writes) {
    if (part.operand->read())
      continue;
    FT_ASSIGN_OR_RETURN(const bool reads, readsThere(segment.steps(part.step), *part.operand));
    if (!reads)
      result.steps[part.step].before.push_back(arenas.region(*part.operand));
  }
  for (const auto &[value, indices] : parts) {
    auto last = lastRead.find(value);
    const int written = writes[indices.back()].step;
    const int dies = last == lastRead.end() ? written : std::max(written, last->second);
    if (carried.contains(value))
      continue;
    for (size_t index : indices)
      if (!isOverwritten(writes[index], dies))
        result.steps[dies].after.push_back(arenas.region(*writes[index].operand));
  }
  return result;
}
} // namespace

Expected<PoisonSchedule> ft::rt::makePoisonSchedule(const plan::Plan &plan, int segment, const Arenas &arenas) {
  Liveness liveness(plan, arenas);
  FT_RETURN_IF_ERROR(liveness.collect(segment));
  return liveness.schedule(plan.segments(segment));
}
