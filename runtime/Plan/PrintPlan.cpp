#include "runtime/Plan/PrintPlan.h"

#include "runtime/Plan/ByteRegion.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/StepOperands.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numeric>
#include <vector>

namespace ft::rt {

namespace {

using Out = fmt::memory_buffer;

template <typename... Args> void put(Out &out, fmt::format_string<Args...> format, Args &&...args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

template <typename Items> std::string nameAt(const Items &items, uint64_t index) {
  return index < uint64_t(items.size()) ? items[int(index)].name() : fmt::format("#{}?", index);
}

/// Names of enumerators; the number of one that this version does not know.
template <typename Enum> std::string orNumber(const std::string &name, Enum value) {
  return name.empty() ? std::to_string(int(value)) : name;
}

std::string dtype(plan::DType type) { return orNumber(plan::DType_Name(type), type); }

void putOperand(Out &out, const plan::Plan &plan, std::string_view field, int index, const plan::Operand &operand) {
  put(out, " {}={}", plan::operandName(field, index), nameAt(plan.buffers(), operand.buffer()));
  const Expected<ByteRegion> region = makeRegion(operand, 0);
  if (!region.ok())
    put(out, "[?]");
  else if (region->contiguous())
    put(out, "[{}:{}]", region->start, region->end());
  else if (region->outerCount == 1)
    put(out, "[{}:{}, {}×{}/{}]", region->start, region->end(), region->count, region->rowBytes, region->pitch);
  else
    put(out, "[{}:{}, {}×{}×{}/{}/{}]", region->start, region->end(), region->outerCount, region->count,
        region->rowBytes, region->outerPitch, region->pitch);
  for (int axis = 0; axis < operand.rank_pitch_size(); ++axis)
    if (operand.rank_pitch(axis) != 0)
      put(out, "+{}·{}", operand.rank_pitch(axis), nameAt(plan.mesh(), uint64_t(axis)));
  put(out, "@{}", operand.read() == 0 ? "" : std::to_string(operand.read()));
  if (operand.write() != 0)
    put(out, "→{}", operand.write());
}

void putGemm(Out &out, const plan::Gemm &x) {
  put(out, " m {} n {} k {}", x.m(), x.n(), x.k());
  if (x.batch() > 1)
    put(out, " batch {} strides {} {} {}", x.batch(), x.stride_a(), x.stride_b(), x.stride_d());
  put(out, " ld {} {} {} op {}{} {} {} {} compute {}{} alpha {} beta {}", x.lda(), x.ldb(), x.ldd(),
      x.trans_a() ? 'T' : 'N', x.trans_b() ? 'T' : 'N', dtype(x.a_type()), dtype(x.b_type()), dtype(x.d_type()),
      dtype(x.compute_type()), x.allow_tf32() ? "/TF32" : "", x.alpha(), x.beta());
}

void putAttention(Out &out, const plan::Attention &x) {
  put(out, " {} {}{} {} batch {} length {} heads {}/{} dim {} scale {}",
      orNumber(plan::Attention::Direction_Name(x.direction()), x.direction()),
      orNumber(plan::Attention::Form_Name(x.form()), x.form()), x.deterministic() ? " deterministic" : "",
      dtype(x.dtype()), x.batch(), x.sequence_len(), x.heads(), x.kv_heads(), x.head_dim(), x.scale());
  if (x.form() == plan::Attention::RAGGED)
    put(out, " documents {} of {}", x.max_documents(), x.max_document_len());
}

void putCollective(Out &out, const plan::Plan &plan, const plan::Collective &x) {
  uint64_t bytes = 0;
  for (const plan::Operand &whole : x.whole())
    if (const Expected<ByteRegion> region = makeRegion(whole, 0); region.ok())
      bytes += uint64_t(region->bytes());
  put(out, " {}", orNumber(plan::Collective::Kind_Name(x.kind()), x.kind()));
  if (x.reduction() != plan::Collective::REDUCTION_UNSPECIFIED)
    put(out, " {}", orNumber(plan::Collective::Reduction_Name(x.reduction()), x.reduction()));
  put(out, " {} over", dtype(x.dtype()));
  for (uint32_t axis : x.axes())
    put(out, " {}", nameAt(plan.mesh(), axis));
  if (x.kind() == plan::Collective::BROADCAST)
    put(out, " from {}", x.root());
  put(out, ", {} bytes", bytes);
}

void putStep(Out &out, const plan::Plan &plan, const plan::Step &step) {
  put(out, "{}", plan::stepKindName(step));
  if (const plan::Launch *launch = plan::launchOf(step))
    put(out, " {} items {}", nameAt(plan.kernels(), launch->kernel()), launch->items());
  else if (step.has_gemm())
    putGemm(out, step.gemm());
  else if (step.has_attention())
    putAttention(out, step.attention());
  else if (step.has_collective())
    putCollective(out, plan, step.collective());
  else if (step.has_memset())
    put(out, " {}", step.memset().value());
  plan::visitOperands(step, [&](std::string_view field, int index, const plan::Operand &operand) {
    putOperand(out, plan, field, index, operand);
  });
}

void putHeader(Out &out, const plan::Plan &plan) {
  const plan::Target &target = plan.target();
  put(out, "plan \"{}\" by {}\n", plan.name(), plan.compiler());
  put(out, "target {} driver {} arch {} attention {}\n", target.name(),
      orNumber(plan::Driver_Name(target.driver()), target.driver()), target.arch(), target.attention());
  for (const plan::MeshAxis &axis : plan.mesh())
    put(out, "mesh {} = {}\n", axis.name(), axis.size());
  put(out, "versions op_set {} kernel_abi {}; features {}; {}\n", plan.op_set_version(), plan.kernel_abi_version(),
      fmt::join(plan.features(), ", "), plan.deterministic() ? "deterministic" : "not deterministic");
  const plan::Batch &batch = plan.batch();
  put(out, "batch {} × {} tokens, {} micro-batches a step, vocabulary {}\n", batch.micro_batch_size(),
      batch.sequence_len(), batch.gradient_accumulation_steps(), batch.vocab_size());
  if (targetRows(batch) > 0)
    put(out, "targets of a micro-batch: up to {} of training, {} of evaluation are computed alone\n",
        batch.max_target_tokens(), batch.max_eval_target_tokens());
}

void putBuffer(Out &out, const plan::Buffer &buffer) {
  put(out, "  [{}:{}] {} {}", buffer.offset(), buffer.offset() + buffer.size(), buffer.name(),
      orNumber(plan::Buffer::Class_Name(buffer.class_()), buffer.class_()));
  if (buffer.initial_version() != 0)
    put(out, " starts as version {}", buffer.initial_version());
  if (buffer.has_shares())
    put(out, " shares of {} over [{}]", buffer.shares().bytes(), fmt::join(buffer.shares().axes(), ", "));
  put(out, "\n");
}

void putMemory(Out &out, const plan::Plan &plan, bool buffers) {
  std::vector<int> order(size_t(plan.buffers_size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return plan.buffers(a).offset() < plan.buffers(b).offset(); });
  for (int i = 0; i < plan.arenas_size(); ++i) {
    const plan::Arena &arena = plan.arenas(i);
    put(out, "arena {} {}{} {} bytes ({}), alignment {}, largest live set {}\n", arena.name(),
        orNumber(plan::Arena::Space_Name(arena.space()), arena.space()), arena.transient() ? " transient" : "",
        arena.size(), formatBytes(arena.size()), arena.alignment(), arena.largest_live());
    for (int b : order)
      if (buffers && plan.buffers(b).arena() == uint32_t(i))
        putBuffer(out, plan.buffers(b));
  }
}

std::string quantization(const plan::Tensor &tensor) {
  if (!tensor.has_quantization())
    return "";
  const plan::Quantization &q = tensor.quantization();
  return fmt::format(" ({}{})", orNumber(plan::Quantization::Kind_Name(q.kind()), q.kind()),
                     q.double_quant() ? ", scales quantised" : "");
}

void putTensors(Out &out, const plan::Plan &plan) {
  for (const plan::Tensor &t : plan.tensors())
    put(out, "tensor {} {} {}{} [{}] in {} at {}: sizes [{}] strides [{}]\n", t.key(),
        orNumber(plan::Tensor::Role_Name(t.role()), t.role()), dtype(t.dtype()), quantization(t),
        fmt::join(t.shape(), ", "), nameAt(plan.buffers(), t.buffer()), t.offset(), fmt::join(t.sizes(), ", "),
        fmt::join(t.strides(), ", "));
}

void putSegment(Out &out, const plan::Plan &plan, const plan::Segment &segment, bool steps) {
  put(out, "segment {}{}: {} steps\n", orNumber(plan::Segment::Kind_Name(segment.kind()), segment.kind()),
      segment.capture() ? " captured" : "", segment.steps_size());
  for (const plan::Rename &x : segment.renames())
    put(out, "  rename {} {}→{}\n", nameAt(plan.buffers(), x.buffer()), x.from(), x.to());
  for (int i = 0; steps && i < segment.steps_size(); ++i) {
    const plan::Step &step = segment.steps(i);
    put(out, "  {} {}:", i, step.name());
    if (plan.streams_size() > 1)
      put(out, " on {}",
          step.stream() < uint32_t(plan.streams_size()) ? plan.streams(int(step.stream()))
                                                        : fmt::format("#{}?", step.stream()));
    if (step.wait_size() > 0)
      put(out, " wait {}", fmt::join(step.wait(), " "));
    if (step.record() != 0)
      put(out, " record {}", step.record());
    put(out, " ");
    putStep(out, plan, step);
    put(out, "\n");
  }
}

} // namespace

std::string printStep(const plan::Plan &plan, const plan::Step &step) {
  Out out;
  putStep(out, plan, step);
  return fmt::to_string(out);
}

std::string printPlan(const plan::Plan &plan, const PrintPlanOptions &options) {
  Out out;
  putHeader(out, plan);
  putMemory(out, plan, options.buffers);
  if (options.tensors)
    putTensors(out, plan);
  for (const plan::Kernel &kernel : plan.kernels())
    put(out, "kernel {} entry {} items {} operands {} threads {} items_per_block {} shared_bytes {}\n", kernel.name(),
        kernel.entry(), kernel.items(), kernel.operands_size(), kernel.threads(), kernel.items_per_block(),
        kernel.shared_bytes());
  for (const plan::BatchInput &input : plan.inputs())
    put(out, "input {} in {}\n", orNumber(plan::BatchInput::Kind_Name(input.kind()), input.kind()),
        nameAt(plan.buffers(), input.buffer()));
  for (const plan::Output &output : plan.outputs())
    put(out, "output {} in {} at {}\n", orNumber(plan::Output::Kind_Name(output.kind()), output.kind()),
        nameAt(plan.buffers(), output.buffer()), output.offset());
  for (const plan::Segment &segment : plan.segments())
    putSegment(out, plan, segment, options.steps);
  return fmt::to_string(out);
}

} // namespace ft::rt
