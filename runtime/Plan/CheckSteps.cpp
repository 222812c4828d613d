// checkPlan: segments, their steps, and the steps' operands.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/StepOperands.h"

#include <set>

namespace ft::rt::check {

Expected<ByteRegion> operandRegion(const plan::Plan &plan, const plan::Operand &operand) {
  FT_RETURN_IF_ERROR(index("buffer", operand.buffer(), plan.buffers_size(), "buffers"));
  const plan::Buffer &buffer = plan.buffers(int(operand.buffer()));
  Expected<ByteRegion> region = makeRegion(operand, buffer.offset());
  if (region.ok() && uint64_t(region->end()) > buffer.offset() + buffer.size())
    return bad("ends at byte {} of buffer \"{}\", which has {}", uint64_t(region->end()) - buffer.offset(),
               buffer.name(), buffer.size());
  if (region.ok())
    FT_RETURN_IF_ERROR(rankPitch(plan, operand, uint64_t(region->end()) - buffer.offset()));
  return region;
}

Status access(const plan::Operand &operand, Access access) {
  const bool read = operand.read() != 0, write = operand.write() != 0;
  switch (access) {
  case Access::Read:
    return read && !write ? Status() : bad("must have a read version and no write version");
  case Access::Write:
    return write && !read ? Status() : bad("must have a write version and no read version");
  case Access::Update:
    return write && read ? Status() : bad("must have a read and a write version");
  case Access::WriteOrUpdate:
    return write ? Status() : bad("must have a write version");
  }
  return {};
}

Status sameBytes(const plan::Plan &plan, const plan::Operand &operand, uint64_t rows, uint64_t rowBytes, uint64_t pitch,
                 uint64_t batch, uint64_t batchPitch) {
  const uint64_t base = plan.buffers(int(operand.buffer())).offset();
  FT_ASSIGN_OR_RETURN(const ByteRegion shape,
                      makeRegion(base + operand.offset(), rowBytes, rows, pitch, batch, batchPitch));
  FT_ASSIGN_OR_RETURN(const ByteRegion declared, makeRegion(operand, base));
  if (shape == declared)
    return {};
  return bad("the shape means {}; the operand declares {}", describe(shape, int64_t(base)),
             describe(declared, int64_t(base)));
}

namespace {

constexpr int maxStreams = 16;
constexpr uint32_t maxEvents = 1 << 20;
constexpr int64_t maxSteps = 1 << 20;

Status copy(const plan::Copy &copy) {
  const plan::Operand &src = copy.src(), &dst = copy.dst();
  FT_RETURN_IF_ERROR(at(access(src, Access::Read), [] { return "src"; }));
  FT_RETURN_IF_ERROR(at(access(dst, Access::Write), [] { return "dst"; }));
  auto batch = [](const plan::Operand &operand) { return std::max<uint64_t>(operand.batch(), 1); };
  if (src.rows() != dst.rows() || src.row_bytes() != dst.row_bytes() || batch(src) != batch(dst))
    return bad("src is {} × {} rows of {} bytes, dst {} × {} of {}; must be the same", batch(src), src.rows(),
               src.row_bytes(), batch(dst), dst.rows(), dst.row_bytes());
  return {};
}

Status transpose(const plan::Transpose &transpose) {
  const plan::Operand &src = transpose.src(), &dst = transpose.dst();
  FT_RETURN_IF_ERROR(at(access(src, Access::Read), [] { return "src"; }));
  FT_RETURN_IF_ERROR(at(access(dst, Access::Write), [] { return "dst"; }));
  auto rows = [](const plan::Operand &operand) { return std::max<uint64_t>(operand.rows(), 1); };
  if (src.batch() > 1 || dst.batch() > 1)
    return bad("src has {} batches and dst {}; a matrix of bytes has one", src.batch(), dst.batch());
  if (rows(src) != dst.row_bytes() || src.row_bytes() != rows(dst))
    return bad("src is {} rows of {} bytes, dst {} of {}; must be exchanged", rows(src), src.row_bytes(), rows(dst),
               dst.row_bytes());
  return {};
}

Status memset(const plan::Memset &memset) {
  FT_RETURN_IF_ERROR(range("value", memset.value(), 0, 255));
  return at(access(memset.dst(), Access::Write), [] { return "dst"; });
}

/// Each destination is the head of an input's buffer, as far as a record fills it.
Status receive(const plan::Plan &plan, const plan::Receive &receive) {
  if (plan.inputs_size() == 0)
    return bad("there are no inputs to receive");
  for (int i = 0; i < receive.dst_size(); ++i) {
    const plan::Operand &dst = receive.dst(i);
    auto place = [&] { return fmt::format("dst[{}]", i); };
    FT_RETURN_IF_ERROR(at(access(dst, Access::Write), place));
    FT_ASSIGN_OR_RETURN(const ByteRegion region, operandRegion(plan, dst));
    bool found = false;
    for (const plan::BatchInput &input : plan.inputs())
      found |= input.buffer() == dst.buffer() && placesOf(dst) == 0 && region.contiguous() &&
               uint64_t(region.bytes()) <= plan::batchInputBytes(plan.batch(), input.kind());
    if (!found)
      return bad("dst[{}]: {} bytes at offset {} of buffer \"{}\" are not the head of an input", i, region.bytes(),
                 dst.offset(), plan.buffers(int(dst.buffer())).name());
  }
  return {};
}

/// Each source is exactly one output.
Status emit(const plan::Plan &plan, const plan::Emit &emit) {
  for (int i = 0; i < emit.src_size(); ++i) {
    const plan::Operand &src = emit.src(i);
    FT_RETURN_IF_ERROR(at(access(src, Access::Read), [&] { return fmt::format("src[{}]", i); }));
    FT_ASSIGN_OR_RETURN(const ByteRegion region, operandRegion(plan, src));
    bool found = false;
    for (const plan::Output &output : plan.outputs())
      found |= output.buffer() == src.buffer() && output.offset() == src.offset() && src.rank_pitch_size() == 0 &&
               region.contiguous() && uint64_t(region.bytes()) == plan::outputBytes(plan.batch(), output.kind());
    if (!found)
      return bad("src[{}]: {} bytes at offset {} of buffer \"{}\" are not an output", i, region.bytes(), src.offset(),
                 plan.buffers(int(src.buffer())).name());
  }
  return {};
}

/// Where a step of this kind may find its operands: what the device computes on lies in its memory, what the host does
/// in the host's, and copies go between the two, by way of page-locked memory.
Status memory(const plan::Plan &plan, const plan::Step &step, const plan::Operand &operand) {
  const plan::Buffer &buffer = plan.buffers(int(operand.buffer()));
  const plan::Arena::Space space = plan.arenas(int(buffer.arena())).space();
  const bool right = step.has_host_launch() ? space != plan::Arena::DEVICE
                     : step.has_copy()      ? space != plan::Arena::HOST
                                            : space == plan::Arena::DEVICE;
  return right ? Status()
               : bad("lies in {} memory (buffer \"{}\"), which a {} does not touch", plan::Arena::Space_Name(space),
                     buffer.name(), plan::stepKindName(step));
}

Status operands(const plan::Plan &plan, const plan::Step &step) {
  Status status;
  plan::visitOperands(step, [&](std::string_view field, int index, const plan::Operand &operand) {
    if (!status.ok())
      return;
    Status found = operandRegion(plan, operand).status();
    if (found.ok() && operand.read() == 0 && operand.write() == 0)
      found = bad("has neither a read nor a write version");
    if (found.ok())
      found = memory(plan, step, operand);
    status = at(found, [&] { return plan::operandName(field, index); });
  });
  return status;
}

/// What belongs to the step's kind.
Status kind(const plan::Plan &plan, const plan::Segment &segment, const plan::Step &step) {
  switch (step.kind_case()) {
  case plan::Step::kLaunch:
  case plan::Step::kHostLaunch:
    return launch(plan, step, plan::rowsOf(plan.batch(), segment.kind()));
  case plan::Step::kGemm:
    return gemm(plan, step.gemm());
  case plan::Step::kAttention:
    return attention(plan, step.attention(), plan::rowsOf(plan.batch(), segment.kind()));
  case plan::Step::kCopy:
    return copy(step.copy());
  case plan::Step::kTranspose:
    return transpose(step.transpose());
  case plan::Step::kMemset:
    return memset(step.memset());
  case plan::Step::kReceive:
    return receive(plan, step.receive());
  case plan::Step::kEmit:
    return emit(plan, step.emit());
  case plan::Step::kCollective:
    return collective(plan, step.collective());
  case plan::Step::KIND_NOT_SET:
    break;
  }
  return cannotRun("is of a kind that this program does not know; compile the recipe again");
}

Status step(const plan::Plan &plan, const plan::Segment &segment, const plan::Step &step) {
  FT_RETURN_IF_ERROR(text("name", step.name()));
  FT_RETURN_IF_ERROR(index("stream", step.stream(), plan.streams_size(), "streams"));
  for (uint32_t event : step.wait())
    FT_RETURN_IF_ERROR(range("wait", event, 1, plan.event_count()));
  FT_RETURN_IF_ERROR(range("record", step.record(), 0, plan.event_count()));
  FT_RETURN_IF_ERROR(operands(plan, step));
  return at(kind(plan, segment, step), [&] { return plan::stepKindName(step); });
}

/// The host's part of a segment is around its graph: receives before all other steps, emits behind them, and of a
/// captured segment on stream 0, where the graph begins and ends.
Status exchanges(const plan::Segment &segment) {
  int stage = 0; // 0 receives, 1 others, 2 emits
  for (int i = 0; i < segment.steps_size(); ++i) {
    const plan::Step &step = segment.steps(i);
    const int wanted = step.has_receive() ? 0 : step.has_emit() ? 2 : 1;
    if (wanted < stage)
      return bad("{} step {} \"{}\" stands too late; receives must stand before all other steps, emits behind them",
                 plan::Segment::Kind_Name(segment.kind()), i, step.name());
    if (wanted != 1 && segment.capture() && step.stream() != 0)
      return bad("{} step {} \"{}\" is on stream {}; a receive or emit of a captured segment must be on stream 0",
                 plan::Segment::Kind_Name(segment.kind()), i, step.name(), step.stream());
    stage = wanted;
  }
  return {};
}

/// What the host reads behind a segment must have left in it, or it would read what was there before.
Status emitsAll(const plan::Plan &plan, const plan::Segment &segment) {
  std::set<std::pair<uint32_t, uint64_t>> emitted; // buffer and offset: emit() has made sure that they are outputs
  for (const plan::Step &step : segment.steps())
    for (const plan::Operand &src : step.emit().src())
      emitted.emplace(src.buffer(), src.offset());
  for (const plan::Output &output : plan.outputs())
    if (plan::isReadBehind(segment.kind(), output.kind()) && !emitted.contains({output.buffer(), output.offset()}))
      return bad("{} does not emit {}, which the host reads behind it", plan::Segment::Kind_Name(segment.kind()),
                 plan::Output::Kind_Name(output.kind()));
  return {};
}

Status segmentKinds(const plan::Plan &plan) {
  std::set<int> kinds;
  int64_t steps = 0;
  for (int i = 0; i < plan.segments_size(); ++i) {
    const plan::Segment::Kind kind = plan.segments(i).kind();
    if (kind == plan::Segment::KIND_UNSPECIFIED || !plan::Segment::Kind_IsValid(kind))
      return bad("segments[{}]: kind is {}; must be one of Segment.Kind", i, int(kind));
    if (!kinds.insert(kind).second)
      return bad("segments[{}]: {} stands twice", i, plan::Segment::Kind_Name(kind));
    steps += plan.segments(i).steps_size();
  }
  if (steps > maxSteps)
    return bad("has {} steps; must be at most {}", steps, maxSteps);
  const bool next = kinds.count(plan::Segment::ACCUMULATE_NEXT) > 0;
  const bool training = next || kinds.count(plan::Segment::ACCUMULATE_FIRST) || kinds.count(plan::Segment::UPDATE);
  if (training && !(kinds.count(plan::Segment::ACCUMULATE_FIRST) && kinds.count(plan::Segment::UPDATE)))
    return bad("has one of ACCUMULATE_FIRST and UPDATE; a plan that trains needs both");
  if (training && !next && plan.batch().gradient_accumulation_steps() > 1)
    return bad("has no ACCUMULATE_NEXT; gradient_accumulation_steps {} needs it",
               plan.batch().gradient_accumulation_steps());
  if (kinds.count(plan::Segment::FINISH) != kinds.count(plan::Segment::FINISH_FIRST) ||
      (kinds.count(plan::Segment::FINISH) && !training))
    return bad("has {}; a plan that trains has FINISH and FINISH_FIRST, or neither, and no other has them",
               kinds.count(plan::Segment::FINISH) ? "FINISH" : "FINISH_FIRST");
  if (kinds.count(plan::Segment::ACCUMULATE_LAST) && plan.batch().gradient_accumulation_steps() < 2)
    return bad("has ACCUMULATE_LAST; a step of one micro-batch has none behind ACCUMULATE_FIRST");
  return {};
}

} // namespace

Status segments(const plan::Plan &plan) {
  FT_RETURN_IF_ERROR(segmentKinds(plan));
  FT_RETURN_IF_ERROR(
      range("the number of streams", uint64_t(plan.streams_size()), plan.segments_size() > 0, maxStreams));
  FT_RETURN_IF_ERROR(range("event_count", plan.event_count(), 0, maxEvents));
  std::vector<const plan::Launch *> launches(size_t(plan.kernels_size())); // the first of each kernel
  for (const plan::Segment &segment : plan.segments()) {
    FT_RETURN_IF_ERROR(exchanges(segment));
    for (int i = 0; i < segment.steps_size(); ++i) {
      const plan::Step &x = segment.steps(i);
      auto place = [&] {
        return fmt::format("{} step {} \"{}\"", plan::Segment::Kind_Name(segment.kind()), i, x.name());
      };
      FT_RETURN_IF_ERROR(at(step(plan, segment, x), place));
      const plan::Launch *launch = plan::launchOf(x);
      if (!launch)
        continue;
      const plan::Launch *&first = launches[launch->kernel()];
      first = first ? first : launch;
      FT_RETURN_IF_ERROR(at(sameShape(*launch, *first), place));
    }
    FT_RETURN_IF_ERROR(emitsAll(plan, segment));
  }
  return {};
}

} // namespace ft::rt::check
