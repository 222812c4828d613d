#include "compiler/Planning/StepEmitter.h"

#include "compiler/Fusion/Programs/Copies.h"
#include "compiler/Fusion/Programs/Programs.h"

using namespace mlir;
using namespace ft;

/// The version that library workspaces are written with; nobody reads it.
constexpr int64_t workspaceVersion = 1 << 30;

StepEmitter::StepEmitter(OpBuilder &b, KernelPool &k, KernelPool &h, const PlanningOptions &o, SegmentLayout &v)
    : builder(b), kernels(k), hostKernels(h), options(o), values(v) {}

std::string StepEmitter::stepName(StringRef what) const {
  return prefix.empty() ? what.str() : what.empty() ? prefix : prefix + "." + what.str();
}

plan::OperandAttr StepEmitter::operand(const PlaceUse &use) const {
  const Place &p = use.place;
  int64_t bytes = p.elementBytes();
  return plan::OperandAttr::get(builder.getContext(), p.buffer, p.offsetBytes, p.rows, p.columns * bytes,
                                p.pitch * bytes, use.batch, use.batchPitchBytes, use.read, use.write,
                                p.rankPitch.empty() ? DenseI64ArrayAttr() : builder.getDenseI64ArrayAttr(p.rankPitch));
}

ArrayAttr StepEmitter::operands(ArrayRef<PlaceUse> uses) const {
  SmallVector<Attribute> attributes;
  for (const PlaceUse &use : uses)
    attributes.push_back(operand(use));
  return builder.getArrayAttr(attributes);
}

plan::OperandAttr StepEmitter::workspace(StringRef buffer, int64_t bytes, int64_t version) const {
  Place place;
  place.buffer = FlatSymbolRefAttr::get(builder.getContext(), buffer);
  place.elementType = builder.getI8Type();
  place.columns = place.pitch = bytes;
  return operand({place, 0, version});
}

/// Fields are set by name; those that are not keep their defaults.
template <typename Op> void StepEmitter::add(std::string name, typename Op::Properties fields) {
  fields.name = builder.getStringAttr(name);
  Op::create(builder, builder.getUnknownLoc(), TypeRange(), ValueRange(), fields);
}

static PlaceUse batched(PlaceUse use, int64_t batch, int64_t stride) {
  use.batch = batch;
  use.batchPitchBytes = batch > 1 ? stride * use.place.elementBytes() : 0;
  return use;
}

void StepEmitter::gemm(StringRef what, const GemmSpec &spec) {
  const Place &a = spec.a.place, &b = spec.b.place, &d = spec.d.place;
  int64_t k = spec.transA ? a.rows : a.columns;
  auto integer = [&](int64_t value) { return builder.getI64IntegerAttr(value); };
  auto flag = [&](bool value) { return value ? builder.getUnitAttr() : UnitAttr(); };
  plan::GemmOp::Properties fields;
  fields.a_type = TypeAttr::get(a.elementType), fields.b_type = TypeAttr::get(b.elementType);
  fields.d_type = TypeAttr::get(d.elementType);
  fields.compute_type = TypeAttr::get(d.elementType.isF64() ? d.elementType : builder.getF32Type());
  fields.m = integer(d.rows), fields.n = integer(d.columns), fields.k = integer(k);
  fields.lda = integer(a.pitch), fields.ldb = integer(b.pitch), fields.ldd = integer(d.pitch);
  fields.trans_a = flag(spec.transA), fields.trans_b = flag(spec.transB), fields.allow_tf32 = flag(options.allowTf32);
  fields.alpha = builder.getF64FloatAttr(spec.alpha), fields.beta = builder.getF64FloatAttr(spec.d.read ? 1 : 0);
  fields.batch = integer(spec.batch);
  fields.stride_a = integer(spec.strideA), fields.stride_b = integer(spec.strideB);
  fields.stride_d = integer(spec.strideD);
  fields.a = operand(batched(spec.a, spec.batch, spec.strideA));
  fields.b = operand(batched(spec.b, spec.batch, spec.strideB));
  fields.d = operand(batched(spec.d, spec.batch, spec.strideD));
  if (options.gemmWorkspaceBytes && !d.elementType.isF64())
    fields.workspace = workspace(gemmWorkspace, options.gemmWorkspaceBytes, workspaceVersion);
  if (spec.scaleA)
    fields.scale_a = operand(*spec.scaleA), fields.scale_b = operand(*spec.scaleB);
  fields.fast_accumulation = flag(spec.fastAccumulation);
  if (spec.scaleA)
    fields.allow_tf32 = UnitAttr();
  fields.flops = builder.getF64FloatAttr(2.0 * d.rows * d.columns * k * spec.batch);
  add<plan::GemmOp>(stepName(what), fields);
}

void StepEmitter::attention(StringRef what, const AttentionSpec &spec) {
  auto integer = [&](int64_t value) { return builder.getI64IntegerAttr(value); };
  auto flag = [&](bool value) { return value ? builder.getUnitAttr() : UnitAttr(); };
  const Place &q = spec.q.place;
  const bool backward = spec.gradients.has_value();
  plan::AttentionOp::Properties fields;
  fields.type = TypeAttr::get(q.elementType);
  fields.backward = flag(backward), fields.ragged = flag(options.raggedAttention);
  fields.deterministic = flag(options.deterministic);
  fields.batch = integer(q.rows / spec.sequenceLen), fields.sequence_len = integer(spec.sequenceLen);
  fields.heads = integer(spec.heads), fields.kv_heads = integer(spec.kvHeads);
  fields.head_dim = integer(spec.headDim), fields.scale = builder.getF64FloatAttr(spec.scale);
  fields.max_documents = integer(options.maxDocuments), fields.max_document_len = integer(options.maxDocumentLen);
  fields.qkv_pitch = integer(q.pitch), fields.o_pitch = integer(spec.o.place.pitch);
  fields.d_qkv_pitch = integer(backward ? spec.gradients->ofQ.place.pitch : 0);
  fields.q = operand(spec.q), fields.k = operand(spec.k), fields.v = operand(spec.v);
  fields.o = operand(spec.o), fields.lse = operand(spec.lse);
  if (backward) {
    fields.d_o = operand(spec.gradients->ofO), fields.d_q = operand(spec.gradients->ofQ);
    fields.d_k = operand(spec.gradients->ofK), fields.d_v = operand(spec.gradients->ofV);
  }
  if (options.raggedAttention) {
    fields.document_offsets = operand(spec.documentOffsets);
    fields.document_lens = operand(spec.documentLens);
  }
  if (options.attentionWorkspaceBytes)
    fields.workspace = workspace(attentionWorkspace, options.attentionWorkspaceBytes, spec.workspaceVersion);
  fields.flops =
      builder.getF64FloatAttr(2.0 * q.rows * spec.sequenceLen * spec.heads * spec.headDim * (backward ? 2.5 : 1.0));
  add<plan::AttentionOp>(stepName(what), fields);
}

void StepEmitter::launch(StringRef what, const RowProgram &program, ArrayRef<PlaceUse> uses) {
  SmallVector<PlaceUse> accesses;
  for (auto [use, access] : llvm::zip_equal(uses, program.access)) {
    PlaceUse &actual = accesses.emplace_back(use);
    if (access == Access::Read)
      actual.write = 0;
    if (access == Access::Write)
      actual.read = 0;
  }
  auto func = program.func;
  auto fill = [&](auto fields) {
    fields.kernel = FlatSymbolRefAttr::get(func.getSymNameAttr());
    fields.items = builder.getI64IntegerAttr(program.items);
    fields.args = operands(accesses);
    return fields;
  };
  if (func.getHost())
    add<plan::HostLaunchOp>(stepName(what), fill(plan::HostLaunchOp::Properties()));
  else
    add<plan::LaunchOp>(stepName(what), fill(plan::LaunchOp::Properties()));
}

void StepEmitter::copy(StringRef what, const PlaceUse &from, const PlaceUse &to) {
  plan::CopyOp::Properties fields;
  fields.src = operand({from.place, from.read, 0});
  fields.dst = operand({to.place, 0, to.write});
  add<plan::CopyOp>(stepName(what), fields);
}

static MatrixBatch batchOf(const PlaceUse &from, const PlaceUse &to) {
  return {from.batch, from.batchPitchBytes / from.place.elementBytes(), to.batchPitchBytes / to.place.elementBytes()};
}

void StepEmitter::convert(StringRef what, const PlaceUse &from, const PlaceUse &to) {
  MatrixLayout source = matrixOf(from.place), target = matrixOf(to.place);
  const MatrixBatch batch = batchOf(from, to);
  launch(what, kernels.get("copy", buildCopy, source, target, batch), {from, to});
}

/// Bytes from `first` to `second` where they are of one shape in one buffer, `second` behind; else 0.
static int64_t distance(const PlaceUse &first, const PlaceUse &second) {
  Place moved = first.place;
  moved.offsetBytes = second.place.offsetBytes;
  return moved == second.place ? std::max<int64_t>(0, moved.offsetBytes - first.place.offsetBytes) : 0;
}

void StepEmitter::convertAll(StringRef what, ArrayRef<PlaceUse> from, ArrayRef<PlaceUse> to) {
  SmallVector<PlaceUse> uses;
  std::vector<MatrixCopy> copies;
  for (size_t begin = 0, end; begin < from.size(); begin = end) {
    PlaceUse source = from[begin], target = to[begin];
    for (end = begin + 1; end < from.size(); ++end) {
      const int64_t sourcePitch = distance(from[end - 1], from[end]), targetPitch = distance(to[end - 1], to[end]);
      const bool first = source.batch == 1;
      if (!sourcePitch || !targetPitch ||
          (!first && (sourcePitch != source.batchPitchBytes || targetPitch != target.batchPitchBytes)))
        break;
      source.batchPitchBytes = sourcePitch, target.batchPitchBytes = targetPitch;
      source.batch = target.batch = end + 1 - begin;
    }
    uses.append({source, target});
    copies.push_back({matrixOf(source.place), matrixOf(target.place), batchOf(source, target)});
  }
  if (copies.size() == 1)
    convert(what, uses[0], uses[1]);
  else if (!copies.empty())
    launch(what, kernels.get("copies", buildCopies, copies), uses);
}

int64_t StepEmitter::startSum(model::Accumulating op) {
  Value start = op.getStart(), sum = op->getResult(op.getSumNumber());
  if (!start || values.aliasOf(sum) >= 0)
    return start ? values.version(start) : 0;
  copy("accumulate", reading(start), writing(sum));
  return values.version(sum);
}

void StepEmitter::transpose(StringRef what, const PlaceUse &from, const PlaceUse &to) {
  plan::TransposeOp::Properties fields;
  fields.src = operand({from.place, from.read, 0});
  fields.dst = operand({to.place, 0, to.write});
  add<plan::TransposeOp>(stepName(what), fields);
}

void StepEmitter::memset(StringRef what, const PlaceUse &to) {
  plan::MemsetOp::Properties fields;
  fields.value = builder.getI64IntegerAttr(0);
  fields.dst = operand({to.place, 0, to.write});
  add<plan::MemsetOp>(stepName(what), fields);
}

void StepEmitter::collective(StringRef what, const CollectiveSpec &spec) {
  SmallVector<Attribute> kernels;
  for (const RowProgram *program : spec.programs) {
    auto func = program->func;
    kernels.push_back(FlatSymbolRefAttr::get(func.getSymNameAttr()));
  }
  plan::CollectiveOp::Properties fields;
  fields.kind = plan::CollectiveKindAttr::get(builder.getContext(), spec.kind);
  if (spec.reduction)
    fields.reduction = plan::ReductionAttr::get(builder.getContext(), *spec.reduction);
  fields.type = TypeAttr::get(spec.whole.place.elementType);
  fields.axes = builder.getDenseI64ArrayAttr(spec.axes);
  fields.kernels = builder.getArrayAttr(kernels);
  fields.whole = operands(spec.whole);
  if (spec.part)
    fields.part = operands(*spec.part);
  if (spec.workspace)
    fields.workspace = operand(*spec.workspace);
  add<plan::CollectiveOp>(stepName(what), fields);
}

void StepEmitter::receive(ArrayRef<PlaceUse> inputs) {
  if (inputs.empty())
    return;
  plan::ReceiveOp::Properties fields;
  fields.dst = operands(inputs);
  add<plan::ReceiveOp>("batch", fields);
}

void StepEmitter::emit(ArrayRef<PlaceUse> outputs) {
  if (outputs.empty())
    return;
  plan::EmitOp::Properties fields;
  fields.src = operands(outputs);
  add<plan::EmitOp>("metrics", fields);
}
