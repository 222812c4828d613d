// Small plans for tests: a builder, and one sample that trains.
#pragma once

#include "runtime/Plan/ByteRegion.h"
#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/PlanFile.h"
#include "runtime/Plan/Staging.h"

#include <string>
#include <vector>

namespace ft::rt::test {

using plan::Buffer;
using plan::Operand;
using plan::Segment;
using plan::Step;

/// A plan for the cpu target with arenas weights, optimizer, gradients, activations, io and staging, and two streams.
class TestPlan {
public:
  enum Arena { Weights, Optimizer, Gradients, Activations, Io, Staging };

  TestPlan() {
    plan.set_compiler("ftc test");
    plan.set_name("sample");
    plan.set_recipe_sha256(std::string(32, 'r'));
    plan.set_model_sha256(std::string(32, 'm'));
    plan.set_op_set_version(planOpSetVersion);
    plan.set_kernel_abi_version(planKernelAbiVersion);
    plan::Target &target = *plan.mutable_target();
    target.set_name("cpu");
    target.set_driver(plan::CPU);
    target.set_arch("x86-64-v3");
    target.set_attention("tiled");
    for (const char *name : {"weights", "optimizer", "gradients", "activations", "io", "staging"}) {
      plan::Arena &arena = *plan.add_arenas();
      arena.set_name(name);
      arena.set_space(name == std::string("staging") ? plan::Arena::PINNED : plan::Arena::DEVICE);
      arena.set_size(name == std::string("staging") ? 4096 : 0);
      arena.set_alignment(64);
      arena.set_transient(name == std::string("activations"));
    }
    plan.add_streams("main");
    plan.add_streams("side");
    plan::Batch &batch = *plan.mutable_batch();
    batch.set_micro_batch_size(1);
    batch.set_sequence_len(4);
    batch.set_vocab_size(16);
    batch.set_gradient_accumulation_steps(3);
    batch.set_max_document_len(4);
    batch.set_max_documents_per_row(2);
    batch.set_max_documents(2);
    batch.set_max_segments(4);
    plan::Run &run = *plan.mutable_run();
    run.set_learning_rate(1e-3);
    run.set_lr_scheduler_type("cosine");
    run.set_max_steps(10);
    run.set_adam_beta1(0.9);
    run.set_adam_beta2(0.999);
  }

  /// Behind the arena's last buffer, aligned to 64.
  uint32_t buffer(const std::string &name, Arena arena, uint64_t size, Buffer::Class c, uint32_t initial = 0) {
    return bufferAt(name, arena, (plan.arenas(arena).size() + 63) / 64 * 64, size, c, initial);
  }
  uint32_t bufferAt(const std::string &name, Arena arena, uint64_t offset, uint64_t size, Buffer::Class c,
                    uint32_t initial = 0) {
    Buffer &b = *plan.add_buffers();
    b.set_name(name);
    b.set_arena(arena);
    b.set_offset(offset);
    b.set_size(size);
    b.set_class_(c);
    b.set_initial_version(initial);
    plan::Arena &a = *plan.mutable_arenas(arena);
    a.set_size(std::max(a.size(), offset + size));
    return uint32_t(plan.buffers_size() - 1);
  }
  uint32_t kernel(const std::string &name) {
    plan::Kernel &kernel = *plan.add_kernels();
    kernel.set_name(name);
    kernel.set_entry(name);
    return uint32_t(plan.kernels_size() - 1);
  }

  Segment &segment(Segment::Kind kind) {
    for (Segment &s : *plan.mutable_segments())
      if (s.kind() == kind)
        return s;
    Segment &s = *plan.add_segments();
    s.set_kind(kind);
    return s;
  }
  Step &step(Segment::Kind kind, const std::string &name, uint32_t stream = 0) {
    Step &s = *segment(kind).add_steps();
    s.set_name(name);
    s.set_stream(stream);
    return s;
  }
  Step &launch(Segment::Kind kind, const std::string &name, const std::vector<Operand> &operands, uint32_t stream = 0) {
    Step &s = step(kind, name, stream);
    s.mutable_launch()->set_items(4);
    for (const Operand &operand : operands)
      *s.mutable_launch()->add_operands() = operand;
    return s;
  }
  Step &memset(Segment::Kind kind, const std::string &name, const Operand &dst, uint32_t stream = 0) {
    Step &s = step(kind, name, stream);
    *s.mutable_memset()->mutable_dst() = dst;
    return s;
  }

  Operand rows(uint32_t buffer, uint64_t offset, uint64_t rows, uint64_t rowBytes, uint64_t pitch, uint32_t read,
               uint32_t write) const {
    Operand operand;
    operand.set_buffer(buffer);
    operand.set_offset(offset);
    operand.set_rows(rows);
    operand.set_row_bytes(rowBytes);
    operand.set_pitch(pitch);
    operand.set_read(read);
    operand.set_write(write);
    return operand;
  }
  Operand whole(uint32_t buffer, uint32_t read, uint32_t write) const {
    return rows(buffer, 0, 1, plan.buffers(int(buffer)).size(), 0, read, write);
  }

  plan::Plan plan;
};

/// Describes each kernel as its first launch uses it; no operand holds indices.
inline void describeKernels(plan::Plan &plan) {
  std::vector<bool> described(size_t(plan.kernels_size()));
  for (const Segment &segment : plan.segments())
    for (const Step &step : segment.steps()) {
      if (!step.has_launch() || described[step.launch().kernel()])
        continue;
      described[step.launch().kernel()] = true;
      plan::Kernel &kernel = *plan.mutable_kernels(int(step.launch().kernel()));
      kernel.set_items(step.launch().items());
      for (const Operand &operand : step.launch().operands()) {
        const Expected<ByteRegion> region = makeRegion(operand, 0);
        plan::KernelOperand &made = *kernel.add_operands();
        made.set_bytes(uint64_t(region->end() - region->start));
        made.set_alignment(4);
        made.set_written(operand.write() != 0);
      }
    }
}

/// y = x·Wᵀ on four tokens of eight features: INITIALIZE, ACCUMULATE_FIRST, ACCUMULATE_NEXT, UPDATE, EVALUATE. Passes
/// checkPlan (with sampleSections) and verifyPlan.
inline plan::Plan samplePlan() {
  TestPlan t;
  const uint32_t w = t.buffer("w", TestPlan::Weights, 128, Buffer::WEIGHT, 1);
  const uint32_t copy = t.buffer("w.working", TestPlan::Weights, 128, Buffer::WEIGHT, 0);
  const uint32_t m = t.buffer("w.exp_avg", TestPlan::Optimizer, 128, Buffer::OPTIMIZER_STATE, 1);
  const uint32_t g = t.buffer("w.gradient", TestPlan::Gradients, 128, Buffer::GRADIENT);
  const uint32_t x = t.buffer("x", TestPlan::Activations, 128, Buffer::ACTIVATION);
  const uint32_t y = t.buffer("y", TestPlan::Activations, 96, Buffer::ACTIVATION); // four rows of 16 bytes at pitch 24
  const uint32_t tokens = t.buffer("tokens", TestPlan::Io, 16, Buffer::INPUT);
  const uint32_t scalars = t.buffer("scalars", TestPlan::Io, 64, Buffer::INPUT);
  const uint32_t loss = t.buffer("loss", TestPlan::Io, 8, Buffer::OUTPUT);
  t.kernel("embed");
  t.kernel("loss");
  t.kernel("sgd");
  t.kernel("loss.next");
  t.plan.add_images()->set_format(plan::Image::CPU_BLOB);
  t.plan.mutable_images(0)->set_arch("x86-64-v3");
  t.plan.mutable_images(0)->set_section(1);
  for (uint64_t entry : {0, 16, 32, 48})
    t.plan.mutable_images(0)->add_entry_offsets(entry);
  for (auto [kind, buffer] : {std::pair(plan::BatchInput::TOKENS, tokens), {plan::BatchInput::SCALARS, scalars}}) {
    t.plan.add_inputs()->set_kind(kind);
    t.plan.mutable_inputs(t.plan.inputs_size() - 1)->set_buffer(buffer);
  }
  t.plan.add_outputs()->set_kind(plan::Output::LOSS);
  t.plan.mutable_outputs(0)->set_buffer(loss);

  auto copyWeights = [&](Segment::Kind kind) {
    plan::Copy &c = *t.step(kind, "w.copy").mutable_copy();
    *c.mutable_src() = t.whole(w, 1, 0);
    *c.mutable_dst() = t.whole(copy, 0, 1);
  };
  auto forward = [&](Segment::Kind kind, bool next) {
    plan::Receive &receive = *t.step(kind, "receive").mutable_receive();
    *receive.add_dst() = t.whole(tokens, 0, 1);
    *receive.add_dst() = t.whole(scalars, 0, 1);
    t.launch(kind, "embed.forward", {t.whole(tokens, 1, 0), t.whole(x, 0, 1)}).mutable_launch()->set_kernel(0);
    plan::Gemm &gemm = *t.step(kind, "linear.forward").mutable_gemm();
    *gemm.mutable_a() = t.rows(x, 0, 4, 32, 32, 1, 0);
    *gemm.mutable_b() = t.rows(copy, 0, 4, 32, 32, 1, 0);
    *gemm.mutable_d() = t.rows(y, 0, 4, 16, 24, 0, 1);
    gemm.set_m(4), gemm.set_n(4), gemm.set_k(8), gemm.set_lda(8), gemm.set_ldb(8), gemm.set_ldd(6);
    gemm.set_trans_b(true);
    for (auto set :
         {&plan::Gemm::set_a_type, &plan::Gemm::set_b_type, &plan::Gemm::set_d_type, &plan::Gemm::set_compute_type})
      (gemm.*set)(plan::F32);
    gemm.set_alpha(1);
    t.launch(kind, "loss", {t.rows(y, 0, 4, 16, 24, 1, 2), t.whole(scalars, 1, 0), t.whole(loss, next, 1)})
        .mutable_launch()
        ->set_kernel(next ? 3 : 1);
  };
  auto backward = [&](Segment::Kind kind, bool next) {
    plan::Gemm &gemm = *t.step(kind, "linear.backward").mutable_gemm();
    *gemm.mutable_a() = t.rows(y, 0, 4, 16, 24, 2, 0);
    *gemm.mutable_b() = t.rows(x, 0, 4, 32, 32, 1, 0);
    *gemm.mutable_d() = t.rows(g, 0, 4, 32, 32, next, 1);
    gemm.set_m(4), gemm.set_n(8), gemm.set_k(4), gemm.set_lda(6), gemm.set_ldb(8), gemm.set_ldd(8);
    gemm.set_trans_a(true);
    for (auto set :
         {&plan::Gemm::set_a_type, &plan::Gemm::set_b_type, &plan::Gemm::set_d_type, &plan::Gemm::set_compute_type})
      (gemm.*set)(plan::F32);
    gemm.set_alpha(1), gemm.set_beta(next);
  };
  auto emit = [&](Segment::Kind kind) { *t.step(kind, "emit").mutable_emit()->add_src() = t.whole(loss, 1, 0); };

  copyWeights(Segment::INITIALIZE);
  forward(Segment::ACCUMULATE_FIRST, false), backward(Segment::ACCUMULATE_FIRST, false);
  forward(Segment::ACCUMULATE_NEXT, true), backward(Segment::ACCUMULATE_NEXT, true);
  t.launch(Segment::UPDATE, "sgd", {t.whole(g, 1, 0), t.whole(scalars, 1, 0), t.whole(w, 1, 1), t.whole(m, 1, 1)})
      .mutable_launch()
      ->set_kernel(2);
  copyWeights(Segment::UPDATE);
  emit(Segment::UPDATE);
  forward(Segment::EVALUATE, false);
  emit(Segment::EVALUATE);
  describeKernels(t.plan);
  t.plan.mutable_kernels(0)->mutable_operands(0)->set_index_limit(t.plan.batch().vocab_size()); // tokens

  for (auto [role, buffer] : {std::pair(plan::Tensor::TRAINABLE, w), {plan::Tensor::EXP_AVG, m}}) {
    plan::Tensor &tensor = *t.plan.add_tensors();
    tensor.set_key("model.w");
    tensor.set_role(role);
    tensor.set_dtype(plan::F32);
    tensor.set_buffer(buffer);
    for (uint64_t size : {4, 8})
      tensor.add_shape(size), tensor.add_sizes(size);
    for (uint64_t stride : {8, 1})
      tensor.add_strides(stride);
  }
  t.plan.mutable_tensors(0)->mutable_init()->set_kind(plan::Init::CONSTANT);
  t.plan.mutable_tensors(0)->mutable_init()->set_section(2);
  t.plan.add_exports()->set_file("model.safetensors");
  t.plan.mutable_exports(0)->add_tensors()->set_key("model.w");
  t.plan.mutable_exports(0)->mutable_tensors(0)->set_dtype(plan::F32);
  (*t.plan.mutable_exports(0)->mutable_metadata())["format"] = "pt";
  (*t.plan.mutable_exports(0)->mutable_metadata())["base"] = "sample";
  t.plan.add_texts()->set_file("config.json");
  t.plan.mutable_texts(0)->set_content("{}\n");
  t.plan.add_facts()->set_config_key("hidden_size");
  t.plan.mutable_facts(0)->set_integer(8);
  return t.plan;
}

/// Makes a plan one for a GPU, as far as memory goes.
inline void setCuda(plan::Plan &plan) {
  plan.mutable_target()->set_driver(plan::CUDA);
  plan::Arena &slots = *plan.add_arenas();
  slots.set_name(plan::slotsArena);
  slots.set_space(plan::Arena::DEVICE);
  slots.set_size(plan::stagingLayout(plan).slotsBytes);
  slots.set_alignment(256);
}

/// Sections 1 and 2 of the sample: an image of 64 bytes and constants of 128.
struct SampleSections {
  std::string image = std::string(64, '\xc3'), constants = std::string(128, 'c');
  std::vector<Section> written() const {
    return {{SectionKind::Image, std::as_bytes(std::span(image))},
            {SectionKind::Constants, std::as_bytes(std::span(constants))}};
  }
  /// As checkPlan takes them: section 0 is the message.
  std::vector<Section> all() const {
    auto sections = written();
    sections.insert(sections.begin(), Section{SectionKind::Plan, {}});
    return sections;
  }
};

} // namespace ft::rt::test
