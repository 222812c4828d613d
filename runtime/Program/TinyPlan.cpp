#include "runtime/Program/TinyPlan.h"

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/SavedState.h"
#include "runtime/Plan/Staging.h"
#include "runtime/Plan/TestPlan.h"
#include "runtime/Plan/Verify.h"
#include "runtime/Support/MappedFile.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr uint32_t tokenCount = TinyPlan::rows * TinyPlan::sequenceLen;

/// Adds messages to a plan; buffers lie one behind the other, 64 bytes aligned.
struct Builder {
  plan::Plan plan;

  uint32_t arena(const char *name, plan::Arena::Space space, uint64_t size) {
    plan::Arena *arena = plan.add_arenas();
    arena->set_name(name), arena->set_space(space), arena->set_size(size), arena->set_alignment(64);
    return plan.arenas_size() - 1;
  }
  uint32_t buffer(const char *name, uint32_t arena, plan::Buffer::Class kind, uint64_t size, uint32_t initial) {
    plan::Buffer *buffer = plan.add_buffers();
    buffer->set_name(name), buffer->set_arena(arena), buffer->set_class_(kind), buffer->set_size(size);
    buffer->set_initial_version(initial);
    uint64_t &end = used[arena];
    buffer->set_offset(end);
    end += (size + 63) / 64 * 64;
    plan.mutable_arenas(arena)->set_size(std::max<uint64_t>(plan.arenas(arena).size(), end));
    return plan.buffers_size() - 1;
  }
  plan::Operand operand(uint32_t buffer, uint32_t read, uint32_t write) const {
    plan::Operand operand;
    const uint64_t bytes = plan.buffers(buffer).size();
    operand.set_buffer(buffer), operand.set_rows(1), operand.set_row_bytes(bytes), operand.set_pitch(bytes);
    operand.set_read(read), operand.set_write(write);
    return operand;
  }
  plan::Segment *segment(plan::Segment::Kind kind) {
    plan::Segment *segment = plan.add_segments();
    segment->set_kind(kind), segment->set_capture(true);
    return segment;
  }
  static plan::Step *step(plan::Segment *segment, const char *name) {
    plan::Step *step = segment->add_steps();
    step->set_name(name);
    return step;
  }
  static void launch(plan::Segment *segment, const char *name, uint32_t kernel, uint64_t items,
                     std::initializer_list<plan::Operand> operands) {
    plan::Launch *launch = step(segment, name)->mutable_launch();
    launch->set_kernel(kernel), launch->set_items(items);
    for (const plan::Operand &operand : operands)
      *launch->add_operands() = operand;
  }
  std::map<uint32_t, uint64_t> used;
};

enum KernelIndex : uint32_t { Errors, AddLoss, AddGradient, Update, Logits };

/// Buffers and steps of the model.
struct TinyBuilder : Builder {
  uint32_t w, gradient, error, loss, norm, status, logits, tokens, labels, scalars, row, vocabNumber, countNumber;

  void makeBuffers() {
    using B = plan::Buffer;
    const uint32_t weights = arena("weights", plan::Arena::DEVICE, 64), io = arena("io", plan::Arena::DEVICE, 64);
    const uint32_t transient = arena("activations", plan::Arena::DEVICE, 64);
    plan.mutable_arenas(int(transient))->set_transient(true);
    w = buffer("w", weights, B::WEIGHT, TinyPlan::vocab * 4, 1);
    vocabNumber = buffer("vocab", weights, B::CONSTANT, 4, 1);
    countNumber = buffer("count", weights, B::CONSTANT, 4, 1);
    gradient = buffer("gradient", weights, B::GRADIENT, TinyPlan::vocab * 4, 0);
    error = buffer("error", transient, B::ACTIVATION, tokenCount * 4, 0);
    loss = buffer("loss", io, B::OUTPUT, 8, 0);
    norm = buffer("norm", io, B::OUTPUT, 8, 0);
    status = buffer("status", io, B::OUTPUT, 16, 1);
    logits = buffer("logits", io, B::OUTPUT, TinyPlan::vocab * 4, 0);
    tokens = buffer("tokens", io, B::INPUT, tokenCount * 4, 0);
    labels = buffer("labels", io, B::INPUT, tokenCount * 4, 0);
    scalars = buffer("scalars", io, B::INPUT, plan::SCALAR_COUNT * 8, 0);
    row = buffer("row", io, B::INPUT, 4, 0);
    auto input = [&](plan::BatchInput::Kind kind, uint32_t buffer) {
      plan.add_inputs()->set_kind(kind);
      plan.mutable_inputs(plan.inputs_size() - 1)->set_buffer(buffer);
    };
    input(plan::BatchInput::TOKENS, tokens);
    input(plan::BatchInput::LABELS, labels);
    input(plan::BatchInput::SCALARS, scalars);
    input(plan::BatchInput::ROW_INDEX, row);
    auto output = [&](plan::Output::Kind kind, uint32_t buffer) {
      plan.add_outputs()->set_kind(kind);
      plan.mutable_outputs(plan.outputs_size() - 1)->set_buffer(buffer);
    };
    output(plan::Output::LOSS, loss);
    output(plan::Output::GRAD_NORM, norm);
    output(plan::Output::STATUS, status);
    output(plan::Output::LOGITS, logits);
  }

  void receive(plan::Segment *segment, std::initializer_list<uint32_t> inputs, uint32_t version) {
    plan::Receive *receive = step(segment, "receive")->mutable_receive();
    for (uint32_t input : inputs)
      *receive->add_dst() = operand(input, 0, version);
  }
  void emit(plan::Segment *segment, std::initializer_list<plan::Operand> outputs) {
    plan::Emit *emit = step(segment, "emit")->mutable_emit();
    for (const plan::Operand &output : outputs)
      *emit->add_src() = output;
  }
  void clear(plan::Segment *segment, uint32_t buffer, uint32_t version) {
    *step(segment, "clear")->mutable_memset()->mutable_dst() = operand(buffer, 0, version);
  }
  void forward(plan::Segment *s) {
    receive(s, {tokens, labels, scalars}, 1);
    launch(s, "errors", Errors, tokenCount,
           {operand(tokens, 1, 0), operand(labels, 1, 0), operand(w, 1, 0), operand(vocabNumber, 1, 0),
            operand(error, 0, 1)});
  }
  void addLoss(plan::Segment *s) {
    launch(s, "loss", AddLoss, 1,
           {operand(error, 1, 0), operand(scalars, 1, 0), operand(countNumber, 1, 0), operand(loss, 1, 1)});
  }

  void makeSegments() {
    for (auto kind : {plan::Segment::ACCUMULATE_FIRST, plan::Segment::ACCUMULATE_NEXT}) {
      plan::Segment *s = segment(kind);
      forward(s);
      if (kind == plan::Segment::ACCUMULATE_FIRST)
        clear(s, loss, 1), clear(s, gradient, 1);
      addLoss(s);
      launch(s, "gradient", AddGradient, 1,
             {operand(error, 1, 0), operand(tokens, 1, 0), operand(scalars, 1, 0), operand(countNumber, 1, 0),
              operand(gradient, 1, 1)});
    }
    plan::Segment *update = segment(plan::Segment::UPDATE);
    launch(update, "update", Update, 1,
           {operand(gradient, 1, 0), operand(scalars, 1, 0), operand(loss, 1, 0), operand(vocabNumber, 1, 0),
            operand(w, 1, 1), operand(norm, 0, 1), operand(status, 1, 1)});
    emit(update, {operand(loss, 1, 0), operand(norm, 1, 0), operand(status, 1, 0)});
    plan::Segment *evaluate = segment(plan::Segment::EVALUATE);
    forward(evaluate);
    clear(evaluate, loss, 1);
    addLoss(evaluate);
    emit(evaluate, {operand(loss, 1, 0)});
    plan::Segment *generate = segment(plan::Segment::GENERATE);
    receive(generate, {tokens, row}, 1);
    launch(generate, "logits", Logits, TinyPlan::vocab,
           {operand(tokens, 1, 0), operand(row, 1, 0), operand(w, 1, 0), operand(vocabNumber, 1, 0),
            operand(logits, 0, 1)});
    emit(generate, {operand(logits, 1, 0)});
  }

  void makeTensor(const char *key, plan::Tensor::Role role, uint32_t buffer, plan::DType type, uint64_t count) {
    plan::Tensor *tensor = plan.add_tensors();
    tensor->set_key(key), tensor->set_role(role), tensor->set_dtype(type), tensor->set_buffer(buffer);
    tensor->add_shape(count), tensor->add_sizes(count), tensor->add_strides(1);
    plan::Init *init = tensor->mutable_init();
    init->set_kind(role == plan::Tensor::GRADIENT ? plan::Init::ZEROS : plan::Init::NORMAL);
    init->set_scale(role == plan::Tensor::GRADIENT ? 0 : 0.02);
    if (role == plan::Tensor::CONSTANT_TABLE) {
      init->set_kind(plan::Init::CONSTANT);
      init->set_scale(0);
      init->set_section(2);
      init->set_section_offset(type == plan::F32 ? 0 : 4);
    }
  }

  void makeTensors() {
    makeTensor("table.weight", plan::Tensor::TRAINABLE, w, plan::F32, TinyPlan::vocab);
    makeTensor("table.weight", plan::Tensor::GRADIENT, gradient, plan::F32, TinyPlan::vocab);
    makeTensor("vocab", plan::Tensor::CONSTANT_TABLE, vocabNumber, plan::F32, 1);
    makeTensor("count", plan::Tensor::CONSTANT_TABLE, countNumber, plan::I32, 1);
    plan::ExportFile *file = plan.add_exports();
    file->set_file("model.safetensors");
    plan::ExportTensor *exported = file->add_tensors();
    exported->set_key("table.weight"), exported->set_tensor(0), exported->set_dtype(plan::F32);
    plan::Text *text = plan.add_texts();
    text->set_file("config.json"), text->set_content("{}\n");
  }

  void makeKernels() {
    for (const char *name : {"errors", "addLoss", "addGradient", "update", "logits"}) {
      plan::Kernel *kernel = plan.add_kernels();
      kernel->set_name(name), kernel->set_entry(name);
    }
    plan::Image *image = plan.add_images();
    image->set_format(plan::Image::CPU_BLOB), image->set_arch("x86-64-v3"), image->set_section(1);
    for (uint64_t k = 0; k < 5; ++k)
      image->add_entry_offsets(4096 * k);
  }

  /// As the launches use them, and which operands Fixtures/TinyModel.c takes indices from.
  void describeKernels() {
    test::describeKernels(plan);
    auto indices = [&](uint32_t kernel, int operand, uint64_t limit) {
      plan.mutable_kernels(int(kernel))->mutable_operands(operand)->set_index_limit(limit);
    };
    indices(Errors, 0, TinyPlan::vocab);
    indices(AddGradient, 1, TinyPlan::vocab);
    indices(Logits, 0, TinyPlan::vocab);
    indices(Logits, 1, TinyPlan::sequenceLen);
  }

  void makeHeader(uint64_t accumulation) {
    plan.set_compiler("hand-made"), plan.set_name("tiny");
    plan.set_recipe_sha256(std::string(32, 'r')), plan.set_model_sha256(std::string(32, 'm'));
    plan.set_op_set_version(planOpSetVersion), plan.set_kernel_abi_version(planKernelAbiVersion);
    plan.set_deterministic(true);
    plan.add_streams("main");
    plan::Target *target = plan.mutable_target();
    target->set_name("cpu"), target->set_driver(plan::CPU), target->set_arch("x86-64-v3");
    target->set_attention("tiled"), target->set_memory(1u << 30), target->set_outside_arenas(1 << 20);
    plan::Batch *batch = plan.mutable_batch();
    batch->set_micro_batch_size(TinyPlan::rows), batch->set_sequence_len(TinyPlan::sequenceLen);
    batch->set_vocab_size(TinyPlan::vocab), batch->set_gradient_accumulation_steps(accumulation);
    batch->set_max_document_len(TinyPlan::sequenceLen), batch->set_max_documents_per_row(1);
    batch->set_max_documents(TinyPlan::rows), batch->set_max_segments(TinyPlan::vocab);
    batch->set_packing(true);
    plan::Run *run = plan.mutable_run();
    run->set_seed(42), run->set_learning_rate(10), run->set_lr_scheduler_type("constant"), run->set_max_steps(60);
    run->set_num_epochs(1), run->set_logging_steps(1), run->add_data_train("synthetic:1");
  }
};
} // namespace

plan::Plan TinyPlan::make(uint64_t accumulation) {
  TinyBuilder builder;
  builder.makeHeader(accumulation);
  builder.makeBuffers();
  builder.makeKernels();
  builder.makeSegments();
  builder.describeKernels();
  builder.makeTensors();
  builder.arena(plan::stagingArena, plan::Arena::PINNED, plan::stagingLayout(builder.plan).stagingBytes);
  return builder.plan;
}

plan::Plan TinyPlan::makeForGpu(uint64_t accumulation) {
  plan::Plan plan = make(accumulation);
  plan.mutable_target()->set_driver(plan::CUDA);
  plan.mutable_target()->set_name("h200"), plan.mutable_target()->set_arch("sm_90");
  plan::Image *image = plan.mutable_images(0);
  image->set_format(plan::Image::CUBIN), image->set_arch("sm_90"), image->clear_entry_offsets();
  for (plan::Kernel &kernel : *plan.mutable_kernels())
    kernel.set_threads(1), kernel.set_items_per_block(1);
  plan::Arena *slots = plan.add_arenas();
  slots->set_name(plan::slotsArena), slots->set_space(plan::Arena::DEVICE), slots->set_alignment(256);
  slots->set_size(plan::stagingLayout(plan).slotsBytes);
  return plan;
}

void TinyPlan::addCheckpointRoom(plan::Plan &plan) {
  plan::Arena *room = plan.add_arenas();
  room->set_name(plan::checkpointArena), room->set_space(plan::Arena::PINNED), room->set_alignment(256);
  room->set_size(plan::savedState(plan).bytes);
}

std::vector<std::byte> TinyPlan::kernelImage() {
  auto file = MappedFile::open(FTC_TINY_MODEL_BLOB);
  EXPECT_TRUE(file.ok()) << file.status().message();
  return {file->bytes().begin(), file->bytes().end()};
}

std::vector<std::byte> TinyPlan::constants() {
  const float vocabulary = vocab;
  const int32_t count = tokenCount;
  std::vector<std::byte> bytes(8);
  std::memcpy(bytes.data(), &vocabulary, 4);
  std::memcpy(bytes.data() + 4, &count, 4);
  return bytes;
}

std::unique_ptr<PlanFile> TinyPlan::write(const plan::Plan &plan, const std::string &path) {
  const std::vector<std::byte> image = kernelImage(), numbers = constants();
  const Section sections[] = {{SectionKind::Image, image}, {SectionKind::Constants, numbers}};
  Status written = writePlanFile(path, plan, sections);
  EXPECT_TRUE(written.ok()) << written.message();
  auto read = readPlanFile(path);
  EXPECT_TRUE(read.ok()) << read.status().message();
  if (!read.ok())
    return nullptr;
  Status verified = verifyPlan(read->plan);
  EXPECT_TRUE(verified.ok()) << verified.message();
  return std::make_unique<PlanFile>(std::move(*read));
}
