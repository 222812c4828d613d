#include "compiler/Export/ExportPlan.h"

#include "compiler/Export/Constants.h"
#include "dialects/Ft/Ft.h"
#include "dialects/Kernel/Kernel.h"
#include "dialects/Plan/PlanDialect.h"
#include "runtime/Plan/KernelSeal.h"
#include "runtime/Plan/SavedState.h"
#include "runtime/Plan/Staging.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace ft;

static plan::DType dtypeOf(Type type) {
  return llvm::TypeSwitch<Type, plan::DType>(type)
      .Case([](Float64Type) { return plan::F64; })
      .Case([](Float32Type) { return plan::F32; })
      .Case([](BFloat16Type) { return plan::BF16; })
      .Case([](Float16Type) { return plan::F16; })
      .Case([](Float8E4M3FNType) { return plan::F8E4M3; })
      .Case([](IntegerType i) {
        return i.getWidth() == 32   ? plan::I32
               : i.getWidth() == 64 ? plan::I64
               : i.getWidth() == 16 ? plan::I16
               : i.getWidth() == 4  ? plan::U4
                                    : plan::U8;
      })
      .Default([](Type) { return plan::DTYPE_UNSPECIFIED; });
}

namespace {

class Exporter {
public:
  Exporter(ModuleOp m, plan::Plan &p, PlanSections &s) : module(m), plan(p), sections(s) {}

  LogicalResult run() {
    for (auto arena : module.getOps<plan::ArenaOp>())
      exportArena(arena);
    for (auto buffer : module.getOps<plan::BufferOp>())
      exportBuffer(buffer);
    for (bool host : {false, true})
      for (auto func : module.getOps<kernel::FuncOp>())
        if (func.getHost() == host)
          kernelIndex.insert({func.getSymNameAttr(), kernelIndex.size()});
    for (auto tensor : module.getOps<plan::TensorOp>())
      if (failed(exportTensor(tensor)))
        return failure();
    for (auto segment : module.getOps<plan::SegmentOp>())
      exportSegment(segment);
    if (auto streams = module->getAttrOfType<ArrayAttr>("plan.streams"))
      for (auto name : streams.getAsRange<StringAttr>())
        plan.add_streams(name.str());
    else
      plan.add_streams("compute");
    return success();
  }

private:
  void exportArena(plan::ArenaOp op) {
    if (op.getSize() == 0)
      return;
    arenaIndex[op.getSymNameAttr()] = plan.arenas_size();
    plan::Arena *arena = plan.add_arenas();
    arena->set_name(op.getSymName().str());
    arena->set_space(static_cast<plan::Arena::Space>(op.getSpace()));
    arena->set_size(op.getSize());
    arena->set_alignment(op.getAlignment());
    arena->set_largest_live(op.getLargestLive());
    arena->set_transient(op.getTransient());
  }

  void exportBuffer(plan::BufferOp op) {
    bufferIndex[op.getSymNameAttr()] = plan.buffers_size();
    plan::Buffer *buffer = plan.add_buffers();
    buffer->set_name(op.getSymName().str());
    buffer->set_arena(arenaIndex.lookup(op.getArenaAttr().getAttr()));
    buffer->set_offset(op.getOffset().value_or(0));
    buffer->set_size(op.getSize());
    buffer->set_class_(static_cast<plan::Buffer::Class>(op.getBufferClass()));
    buffer->set_initial_version(op.getInitialVersion());
    if (plan::SharesAttr shares = op.getSharesAttr()) {
      buffer->mutable_shares()->mutable_axes()->Add(shares.getAxes().asArrayRef().begin(),
                                                    shares.getAxes().asArrayRef().end());
      buffer->mutable_shares()->set_bytes(shares.getBytes());
    }
    if (op.getBufferClass() == plan::BufferClass::Input)
      addInput(op);
    if (op.getBufferClass() == plan::BufferClass::Output)
      addOutput(op);
  }

  /// Buffers of inputs and outputs are called "io.<kind>".
  static std::string kindOf(plan::BufferOp op) { return op.getSymName().drop_front(3).upper(); }

  void addInput(plan::BufferOp op) {
    plan::BatchInput *input = plan.add_inputs();
    input->set_kind(plan::inputKind(kindOf(op)));
    input->set_buffer(bufferIndex.lookup(op.getSymNameAttr()));
  }

  void addOutput(plan::BufferOp op) {
    plan::Output *output = plan.add_outputs();
    output->set_kind(plan::outputKind(kindOf(op)));
    output->set_buffer(bufferIndex.lookup(op.getSymNameAttr()));
  }

  LogicalResult exportTensor(plan::TensorOp op) {
    plan::Tensor *tensor = plan.add_tensors();
    tensor->set_key(op.getKey().str());
    plan::Tensor::Role role = plan::Tensor::ROLE_UNSPECIFIED;
    plan::Tensor::Role_Parse(op.getRole().upper(), &role);
    tensor->set_role(role);
    tensor->set_dtype(dtypeOf(op.getType()));
    tensor->mutable_shape()->Add(op.getShape().begin(), op.getShape().end());
    tensor->set_buffer(bufferIndex.lookup(op.getBufferAttr().getAttr()));
    tensor->set_offset(op.getOffset());
    tensor->mutable_sizes()->Add(op.getSizes().begin(), op.getSizes().end());
    tensor->mutable_strides()->Add(op.getStrides().begin(), op.getStrides().end());
    if (auto key = op.getGgufKey())
      tensor->set_gguf_key(key->str());
    tensor->set_gguf_rope_heads(op.getGgufRopeHeads().value_or(0));
    if (std::optional<DictionaryAttr> quantization = op.getQuantization())
      exportQuantization(*quantization, *tensor->mutable_quantization());
    return op.getInit() ? exportInit(op, *tensor->mutable_init()) : success();
  }

  static void exportQuantization(DictionaryAttr fields, plan::Quantization &quantization) {
    if (auto doubleQuant = fields.getAs<BoolAttr>("double_quant")) {
      quantization.set_kind(plan::Quantization::NF4);
      quantization.set_double_quant(doubleQuant.getValue());
      return;
    }
    quantization.set_kind(plan::Quantization::FP8);
    quantization.set_scales_offset(fields.getAs<IntegerAttr>("scales_offset").getInt());
    quantization.set_row_pitch(fields.getAs<IntegerAttr>("row_pitch").getInt());
  }

  LogicalResult exportInit(plan::TensorOp op, plan::Init &init) {
    DictionaryAttr attributes = *op.getInit();
    StringRef kind = attributes.getAs<StringAttr>("kind").getValue();
    init.set_kind(llvm::StringSwitch<plan::Init::Kind>(kind)
                      .Case("zeros", plan::Init::ZEROS)
                      .Case("ones", plan::Init::ONES)
                      .Case("normal", plan::Init::NORMAL)
                      .Case("uniform", plan::Init::UNIFORM)
                      .Case("random_keys", plan::Init::RANDOM_KEYS)
                      .Cases({"rope_cos", "rope_sin", "values", "numbers"}, plan::Init::CONSTANT)
                      .Default(plan::Init::KIND_UNSPECIFIED));
    if (auto scale = attributes.getAs<FloatAttr>("scale"))
      init.set_scale(scale.getValueAsDouble());
    if (auto names = attributes.getAs<ArrayAttr>("names"))
      for (auto name : names.getAsRange<StringAttr>())
        init.add_key_names(name.str());
    if (auto stream = attributes.getAs<StringAttr>("stream"))
      init.set_key_stream(stream.str());
    if (init.kind() == plan::Init::KIND_UNSPECIFIED)
      return op.emitOpError("has an unknown init kind ") << kind;
    if (init.kind() != plan::Init::CONSTANT)
      return success();
    if (!constants)
      constants = sections.add(rt::SectionKind::Constants, "");
    std::string &section = sections.bytes[*constants - 1];
    section.resize((section.size() + 63) / 64 * 64);
    init.set_section(*constants);
    init.set_section_offset(section.size());
    section.resize(section.size() + constantSize(kind, attributes, op.getType(), op.getShape()));
    return success();
  }

  //===-- steps --------------------------------------------------------------------------------------------------===//

  void exportSegment(plan::SegmentOp op) {
    plan::Segment *segment = plan.add_segments();
    segment->set_kind(static_cast<plan::Segment::Kind>(op.getKind()));
    segment->set_capture(plan.target().driver() == plan::CUDA);
    if (ArrayAttr renames = op.getRenamesAttr())
      for (auto rename : renames.getAsRange<plan::RenameAttr>()) {
        plan::Rename *exported = segment->add_renames();
        exported->set_buffer(bufferIndex.lookup(rename.getBuffer().getAttr()));
        exported->set_from(rename.getFrom());
        exported->set_to(rename.getTo());
      }
    for (auto step : op.getBody().getOps<plan::StepOpInterface>())
      exportStep(step, *segment->add_steps());
  }

  void exportStep(plan::StepOpInterface op, plan::Step &step) {
    step.set_name(op.getName().str());
    step.set_stream(op.getStream());
    step.mutable_wait()->Add(op.getWait().begin(), op.getWait().end());
    step.set_record(op.getRecord());
    plan.set_event_count(std::max(plan.event_count(), step.record()));
    step.set_flops(op.getFlops().convertToDouble());
    step.set_predicted_us(op.getPredictedUs().convertToDouble());
    double bytes = 0;
    op.visitOperands([&](StringRef, plan::OperandAttr o) {
      bytes += double(o.getRows()) * o.getRowBytes() * o.getBatch() * ((o.getRead() != 0) + (o.getWrite() != 0));
    });
    step.set_bytes(bytes);
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](plan::LaunchOp launch) { exportLaunch(launch, *step.mutable_launch()); })
        .Case([&](plan::HostLaunchOp launch) { exportLaunch(launch, *step.mutable_host_launch()); })
        .Case([&](plan::GemmOp gemm) { exportGemm(gemm, *step.mutable_gemm()); })
        .Case([&](plan::AttentionOp attention) { exportAttention(attention, *step.mutable_attention()); })
        .Case([&](plan::CollectiveOp collective) { exportCollective(collective, *step.mutable_collective()); })
        .Case([&](plan::CopyOp copy) {
          *step.mutable_copy()->mutable_src() = exportOperand(copy.getSrc());
          *step.mutable_copy()->mutable_dst() = exportOperand(copy.getDst());
        })
        .Case([&](plan::TransposeOp transpose) {
          *step.mutable_transpose()->mutable_src() = exportOperand(transpose.getSrc());
          *step.mutable_transpose()->mutable_dst() = exportOperand(transpose.getDst());
        })
        .Case([&](plan::MemsetOp memset) {
          *step.mutable_memset()->mutable_dst() = exportOperand(memset.getDst());
          step.mutable_memset()->set_value(memset.getValue());
        })
        .Case([&](plan::ReceiveOp receive) { exportAll(receive.getDst(), *step.mutable_receive()->mutable_dst()); })
        .Case([&](plan::EmitOp emit) { exportAll(emit.getSrc(), *step.mutable_emit()->mutable_src()); });
  }

  plan::Operand exportOperand(plan::OperandAttr attribute) {
    plan::Operand operand;
    operand.set_buffer(bufferIndex.lookup(attribute.getBuffer().getAttr()));
    operand.set_offset(attribute.getOffset());
    operand.set_rows(attribute.getRows());
    operand.set_row_bytes(attribute.getRowBytes());
    operand.set_pitch(attribute.getPitch());
    if (attribute.getBatch() > 1) {
      operand.set_batch(attribute.getBatch());
      operand.set_batch_pitch(attribute.getBatchPitch());
    }
    operand.set_read(attribute.getRead());
    operand.set_write(attribute.getWrite());
    if (DenseI64ArrayAttr pitch = attribute.getRankPitch())
      operand.mutable_rank_pitch()->Add(pitch.asArrayRef().begin(), pitch.asArrayRef().end());
    return operand;
  }

  void exportAll(ArrayAttr attributes, google::protobuf::RepeatedPtrField<plan::Operand> &operands) {
    for (auto attribute : attributes.getAsRange<plan::OperandAttr>())
      *operands.Add() = exportOperand(attribute);
  }

  template <typename Op> void exportLaunch(Op op, plan::Launch &launch) {
    launch.set_kernel(kernelIndex.lookup(op.getKernelAttr().getAttr()));
    launch.set_items(op.getItems());
    exportAll(op.getArgs(), *launch.mutable_operands());
  }

  void exportGemm(plan::GemmOp op, plan::Gemm &gemm) {
    *gemm.mutable_a() = exportOperand(op.getA());
    *gemm.mutable_b() = exportOperand(op.getB());
    *gemm.mutable_d() = exportOperand(op.getD());
    if (plan::OperandAttr workspace = op.getWorkspaceAttr())
      *gemm.mutable_workspace() = exportOperand(workspace);
    if (plan::OperandAttr scale = op.getScaleAAttr())
      *gemm.mutable_scale_a() = exportOperand(scale);
    if (plan::OperandAttr scale = op.getScaleBAttr())
      *gemm.mutable_scale_b() = exportOperand(scale);
    gemm.set_fast_accumulation(op.getFastAccumulation());
    gemm.set_m(op.getM());
    gemm.set_n(op.getN());
    gemm.set_k(op.getK());
    gemm.set_lda(op.getLda());
    gemm.set_ldb(op.getLdb());
    gemm.set_ldd(op.getLdd());
    gemm.set_trans_a(op.getTransA());
    gemm.set_trans_b(op.getTransB());
    gemm.set_a_type(dtypeOf(op.getAType()));
    gemm.set_b_type(dtypeOf(op.getBType()));
    gemm.set_d_type(dtypeOf(op.getDType()));
    gemm.set_compute_type(dtypeOf(op.getComputeType()));
    gemm.set_allow_tf32(op.getAllowTf32());
    gemm.set_alpha(op.getAlpha().convertToDouble());
    gemm.set_beta(op.getBeta().convertToDouble());
    if (op.getBatch() > 1) {
      gemm.set_batch(op.getBatch());
      gemm.set_stride_a(op.getStrideA());
      gemm.set_stride_b(op.getStrideB());
      gemm.set_stride_d(op.getStrideD());
    }
  }

  void exportAttention(plan::AttentionOp op, plan::Attention &a) {
    a.set_direction(op.getBackward() ? plan::Attention::BACKWARD : plan::Attention::FORWARD);
    a.set_form(op.getRagged() ? plan::Attention::RAGGED : plan::Attention::DENSE);
    a.set_deterministic(op.getDeterministic());
    a.set_batch(op.getBatch());
    a.set_sequence_len(op.getSequenceLen());
    a.set_heads(op.getHeads());
    a.set_kv_heads(op.getKvHeads());
    a.set_head_dim(op.getHeadDim());
    a.set_scale(op.getScale().convertToDouble());
    a.set_max_documents(op.getMaxDocuments());
    a.set_max_document_len(op.getMaxDocumentLen());
    a.set_dtype(dtypeOf(op.getType()));
    a.set_qkv_pitch(op.getQkvPitch());
    a.set_o_pitch(op.getOPitch());
    a.set_d_qkv_pitch(op.getDQkvPitch());
    *a.mutable_q() = exportOperand(op.getQ());
    *a.mutable_k() = exportOperand(op.getK());
    *a.mutable_v() = exportOperand(op.getV());
    *a.mutable_o() = exportOperand(op.getO());
    *a.mutable_lse() = exportOperand(op.getLse());
    auto optional = [&](plan::OperandAttr operand, plan::Operand *(plan::Attention::*field)()) {
      if (operand)
        *(a.*field)() = exportOperand(operand);
    };
    optional(op.getDOAttr(), &plan::Attention::mutable_d_o);
    optional(op.getDQAttr(), &plan::Attention::mutable_d_q);
    optional(op.getDKAttr(), &plan::Attention::mutable_d_k);
    optional(op.getDVAttr(), &plan::Attention::mutable_d_v);
    optional(op.getDocumentOffsetsAttr(), &plan::Attention::mutable_document_offsets);
    optional(op.getDocumentLensAttr(), &plan::Attention::mutable_document_lens);
    optional(op.getWorkspaceAttr(), &plan::Attention::mutable_workspace);
  }

  void exportCollective(plan::CollectiveOp op, plan::Collective &collective) {
    collective.set_kind(static_cast<plan::Collective::Kind>(op.getKind()));
    if (auto reduction = op.getReduction())
      collective.set_reduction(static_cast<plan::Collective::Reduction>(*reduction));
    collective.set_dtype(dtypeOf(op.getType()));
    collective.mutable_axes()->Add(op.getAxes().begin(), op.getAxes().end());
    for (auto kernel : op.getKernels().getAsRange<FlatSymbolRefAttr>())
      collective.add_kernels(kernelIndex.lookup(kernel.getAttr()));
    exportAll(op.getWhole(), *collective.mutable_whole());
    if (ArrayAttr parts = op.getPartAttr())
      exportAll(parts, *collective.mutable_part());
    if (plan::OperandAttr workspace = op.getWorkspaceAttr())
      *collective.mutable_workspace() = exportOperand(workspace);
  }

  ModuleOp module;
  plan::Plan &plan;
  PlanSections &sections;
  DenseMap<Attribute, uint32_t> arenaIndex, bufferIndex, kernelIndex;
  std::optional<uint32_t> constants;
};

} // namespace

LogicalResult ft::exportModule(ModuleOp module, plan::Plan &plan, PlanSections &sections) {
  return Exporter(module, plan, sections).run();
}

void ft::fillConstants(ModuleOp module, const plan::Plan &plan, PlanSections &sections) {
  for (auto [op, tensor] : llvm::zip_equal(module.getOps<plan::TensorOp>(), plan.tensors())) {
    if (tensor.init().kind() != plan::Init::CONSTANT)
      continue;
    DictionaryAttr init = *op.getInit();
    const std::string bytes =
        constantBytes(init.getAs<StringAttr>("kind").getValue(), init, op.getType(), op.getShape());
    std::string &section = sections.bytes[tensor.init().section() - 1];
    section.replace(tensor.init().section_offset(), bytes.size(), bytes);
  }
}

void ft::addImages(const CompiledKernels &compiled, plan::Plan &plan, PlanSections &sections) {
  for (const CompiledKernel &source : compiled.kernels) {
    plan::Kernel *kernel = plan.add_kernels();
    kernel->set_name(source.name);
    kernel->set_entry(source.name);
    kernel->set_threads(source.threads);
    kernel->set_items_per_block(source.itemsPerBlock);
    kernel->set_shared_bytes(source.sharedBytes);
    kernel->set_items(source.items);
    kernel->set_host(compiled.host);
    for (const kernel::OperandFacts &facts : source.operands) {
      plan::KernelOperand *operand = kernel->add_operands();
      operand->set_bytes(facts.bytes);
      operand->set_alignment(facts.alignment);
      operand->set_written(facts.written);
      operand->set_index_limit(facts.indexLimit);
    }
  }
  for (const KernelImage &source : compiled.images) {
    bool ptx = source.format == KernelImage::Format::Ptx;
    plan::Image *image = plan.add_images();
    image->set_format(ptx ? plan::Image::PTX : plan::Image::CPU_BLOB);
    image->set_arch(source.arch);
    image->set_host(compiled.host);
    image->mutable_entry_offsets()->Add(source.entryOffsets.begin(), source.entryOffsets.end());
    image->set_section(sections.add(rt::SectionKind::Image,
                                    source.bytes + (ptx ? std::string(1, '\0') : plan::kernelSeal(plan, *image))));
  }
}

void ft::addStaging(plan::Plan &plan) {
  plan::StagingLayout layout = plan::stagingLayout(plan);
  auto addArena = [&](const char *name, plan::Arena::Space space, uint64_t bytes) {
    plan::Arena *arena = plan.add_arenas();
    arena->set_name(name);
    arena->set_space(space);
    arena->set_size((bytes + 255) / 256 * 256);
    arena->set_alignment(256);
    arena->set_largest_live(arena->size());
  };
  if (plan.target().driver() == plan::CUDA && layout.slotsBytes > 0)
    addArena(plan::slotsArena, plan::Arena::DEVICE, layout.slotsBytes);
  addArena(plan::stagingArena, plan::Arena::PINNED, layout.stagingBytes);
  if (plan.run().save_steps() > 0 || plan.run().save_on_signal())
    addArena(plan::checkpointArena, plan::Arena::PINNED, plan::savedState(plan).bytes);
}

void ft::addExports(plan::Plan &plan) {
  bool adapter = false;
  for (const plan::Tensor &tensor : plan.tensors())
    adapter |= tensor.role() == plan::Tensor::ADAPTER;
  plan::ExportFile *file = plan.add_exports();
  file->set_file(adapter ? "adapter_model.safetensors" : "model.safetensors");
  (*file->mutable_metadata())["format"] = "pt";
  for (int i = 0; i < plan.tensors_size(); ++i) {
    const plan::Tensor &tensor = plan.tensors(i);
    bool wanted = adapter ? tensor.role() == plan::Tensor::ADAPTER
                          : tensor.role() == plan::Tensor::TRAINABLE || tensor.role() == plan::Tensor::FROZEN;
    if (!wanted)
      continue;
    plan::ExportTensor *exported = file->add_tensors();
    exported->set_key(tensor.key());
    exported->set_tensor(i);
    exported->set_dtype(tensor.dtype());
  }
}
