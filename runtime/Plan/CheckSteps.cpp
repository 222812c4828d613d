// checkPlan: segments, their steps, and the steps' operands.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Staging.h"
#include "runtime/Plan/StepOperands.h"

#include <set>
#include <tuple>

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

Status launch(const plan::Plan &plan, const plan::Launch &launch) {
  FT_RETURN_IF_ERROR(index("kernel", launch.kernel(), plan.kernels_size(), "kernels"));
  FT_RETURN_IF_ERROR(range("items", launch.items(), 1, uint64_t(1) << 40));
  if (!plan.kernels(int(launch.kernel())).vector_access())
    return {};
  // Rows shorter than four vectors are scalars and short tables, which kernels read element by element.
  for (int i = 0; i < launch.operands_size(); ++i) {
    const plan::Operand &operand = launch.operands(i);
    const uint64_t places = placesOf(operand) | (operand.rows() > 1 ? operand.pitch() : 0) |
                            (operand.batch() > 1 ? operand.batch_pitch() : 0);
    if (operand.row_bytes() >= 64 && places % 16 != 0)
      return bad("operands[{}]: offset {}, pitch {} and batch_pitch {} must be multiples of 16, because kernel \"{}\" "
                 "has vector_access; so must rank_pitch",
                 i, operand.offset(), operand.pitch(), operand.batch_pitch(),
                 plan.kernels(int(launch.kernel())).name());
  }
  return {};
}

/// A kernel's code is made for one shape (plan-format.md, Kernel ABI).
Status sameShape(const plan::Launch &launch, const plan::Launch &other) {
  if (launch.items() != other.items() || launch.operands_size() != other.operands_size())
    return bad("has {} items and {} operands, another launch of the kernel {} and {}; must be the same", launch.items(),
               launch.operands_size(), other.items(), other.operands_size());
  for (int i = 0; i < launch.operands_size(); ++i) {
    const plan::Operand &x = launch.operands(i), &y = other.operands(i);
    auto fields = [](const plan::Operand &o) {
      return std::tuple(o.rows(), o.row_bytes(), o.rows() > 1 ? o.pitch() : 0, std::max<uint64_t>(o.batch(), 1),
                        o.batch() > 1 ? o.batch_pitch() : 0, o.read() != 0, o.write() != 0);
    };
    if (fields(x) != fields(y))
      return bad("operands[{}] differs from another launch of the kernel in more than buffer, offset and versions", i);
  }
  return {};
}

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

Status operands(const plan::Plan &plan, const plan::Step &step) {
  Status status;
  plan::visitOperands(step, [&](std::string_view field, int index, const plan::Operand &operand) {
    if (!status.ok())
      return;
    Status found = operandRegion(plan, operand).status();
    if (found.ok() && operand.read() == 0 && operand.write() == 0)
      found = bad("has neither a read nor a write version");
    status = at(found, [&] { return plan::operandName(field, index); });
  });
  return status;
}

Status step(const plan::Plan &plan, const plan::Segment &segment, const plan::Step &step) {
  FT_RETURN_IF_ERROR(text("name", step.name()));
  FT_RETURN_IF_ERROR(index("stream", step.stream(), plan.streams_size(), "streams"));
  for (uint32_t event : step.wait())
    FT_RETURN_IF_ERROR(range("wait", event, 1, plan.event_count()));
  FT_RETURN_IF_ERROR(range("record", step.record(), 0, plan.event_count()));
  FT_RETURN_IF_ERROR(operands(plan, step));
  switch (step.kind_case()) {
  case plan::Step::kLaunch:
    return at(launch(plan, step.launch()), [] { return "launch"; });
  case plan::Step::kGemm:
    return at(gemm(plan, step.gemm()), [] { return "gemm"; });
  case plan::Step::kAttention: {
    const uint64_t rows = segment.kind() == plan::Segment::GENERATE ? 1 : plan.batch().micro_batch_size();
    return at(attention(plan, step.attention(), rows), [] { return "attention"; });
  }
  case plan::Step::kCopy:
    return at(copy(step.copy()), [] { return "copy"; });
  case plan::Step::kMemset:
    return at(memset(step.memset()), [] { return "memset"; });
  case plan::Step::kReceive:
    return at(receive(plan, step.receive()), [] { return "receive"; });
  case plan::Step::kEmit:
    return at(emit(plan, step.emit()), [] { return "emit"; });
  case plan::Step::kCollective:
    return at(collective(plan, step.collective()), [] { return "collective"; });
  case plan::Step::KIND_NOT_SET:
    break;
  }
  return cannotRun("is of a kind that this program does not know; compile the recipe again");
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

/// Whether the host reads an output behind a segment.
bool isReadBehind(plan::Segment::Kind segment, plan::Output::Kind output) {
  switch (output) {
  case plan::Output::LOSS:
    return segment == plan::Segment::UPDATE || segment == plan::Segment::EVALUATE;
  case plan::Output::LOGITS:
    return segment == plan::Segment::GENERATE;
  default:
    return segment == plan::Segment::UPDATE;
  }
}

/// What the host reads behind a segment must have left in it, or it would read what was there before.
Status emitsAll(const plan::Plan &plan, const plan::Segment &segment) {
  std::set<std::pair<uint32_t, uint64_t>> emitted; // buffer and offset: emit() has made sure that they are outputs
  for (const plan::Step &step : segment.steps())
    for (const plan::Operand &src : step.emit().src())
      emitted.emplace(src.buffer(), src.offset());
  for (const plan::Output &output : plan.outputs())
    if (isReadBehind(segment.kind(), output.kind()) && !emitted.contains({output.buffer(), output.offset()}))
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
      if (!x.has_launch())
        continue;
      const plan::Launch *&first = launches[x.launch().kernel()];
      first = first ? first : &x.launch();
      FT_RETURN_IF_ERROR(at(sameShape(x.launch(), *first), place));
    }
    FT_RETURN_IF_ERROR(emitsAll(plan, segment));
  }
  return {};
}

} // namespace ft::rt::check
