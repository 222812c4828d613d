// Each kind of malformed plan has its own message; those of library calls: CheckLibraryCallsTest.cpp.
#include "runtime/Plan/PlanFaults.h"
#include "runtime/Plan/SavedState.h"

#include <fmt/format.h>

#include <cmath>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

plan::Launch &launch(plan::Plan &plan) { return *step(plan, 1, 3).mutable_launch(); }

} // namespace

TEST(CheckPlan, VersionsAndIdentity) {
  expectEach({
      {[](auto &p) { p.add_features("offload"); }, "needs the feature \"offload\", which this program does not know",
       Code::CannotRun},
      {[](auto &p) { p.set_op_set_version(planOpSetVersion + 1); },
       fmt::format("op_set_version is {}; this program runs version {}", planOpSetVersion + 1, planOpSetVersion),
       Code::CannotRun},
      {[](auto &p) { p.set_kernel_abi_version(0); },
       fmt::format("kernel_abi_version is 0; this program runs version {}", planKernelAbiVersion), Code::CannotRun},
      {[](auto &p) { p.set_compiler(""); }, "compiler is empty"},
      {[](auto &p) { p.set_compiler("ftc\n"); }, "compiler holds the control character 0x0a"},
      {[](auto &p) { p.set_name("../up"); }, "name is \"../up\"; must be a file name"},
      {[](auto &p) { p.set_recipe_sha256("short"); },
       "recipe_sha256 and model_sha256 have 5 and 32 bytes; must have 32"},
      {[](auto &p) { p.mutable_target()->set_driver(plan::Driver(7)); },
       "target.driver is 7; must be CPU (1) or CUDA (2)"},
      {[](auto &p) { p.mutable_target()->set_attention("flash"); },
       "target.attention is \"flash\"; must be \"library\""},
      {[](auto &p) { p.clear_target(); }, "target.name is empty"},
      {[](auto &p) { p.set_name(std::string(201, 'n')); }, "(201 bytes)\"; must be a file name"},
      {[](auto &p) { p.mutable_target()->set_memory(huge); }, "target.memory is 18446744073709551615; must be in [0, "},
      {[](auto &p) { p.mutable_target()->set_outside_arenas(huge); },
       "target.outside_arenas is 18446744073709551615; must be in [0, "},
      {[](auto &p) { p.mutable_target()->set_reduction_takes(-1); },
       "target.reduction_takes is -1; must be in [0, 10]"},
      {[](auto &p) { p.mutable_target()->set_gather_takes(11); }, "target.gather_takes is 11; must be in [0, 10]"},
      {[](auto &p) { p.add_mesh()->set_name("dp"); }, "mesh axis \"dp\" has size 0"},
      {[](auto &p) {
         for (int i = 0; i < 2; ++i)
           p.add_mesh()->set_name("dp"), p.mutable_mesh(i)->set_size(2);
       },
       "mesh axis \"dp\" has size 2 or stands twice"},
      {[](auto &p) {
         for (const char *name : {"a", "b"})
           p.add_mesh()->set_name(name), p.mutable_mesh(p.mesh_size() - 1)->set_size(512);
       },
       "the number of ranks is 65537; must be in [1, 65536]"},
      {[](auto &p) {
         for (const char *name : {"a", "b", "c", "d", "e", "f", "g"})
           p.add_mesh()->set_name(name), p.mutable_mesh(p.mesh_size() - 1)->set_size(1);
       },
       "the number of mesh axes is 7; must be in [0, 6]"},
  });
}

TEST(CheckPlan, BatchAndRun) {
  expectEach({
      {[](auto &p) { p.clear_batch(); }, "batch is missing"},
      {[](auto &p) { p.clear_run(); }, "run is missing"},
      {[](auto &p) { p.mutable_batch()->set_micro_batch_size(0); }, "batch: micro_batch_size is 0; must be in [1, "},
      {[](auto &p) { p.mutable_batch()->set_sequence_len(huge); }, "batch: sequence_len is 18446744073709551615"},
      {[](auto &p) {
         p.mutable_batch()->set_sequence_len(1 << 20);
         p.mutable_batch()->set_micro_batch_size(1 << 20);
       },
       "batch: micro_batch_size × sequence_len is 1099511627776; must be in"},
      {[](auto &p) { p.mutable_batch()->set_gradient_accumulation_steps(0); }, "gradient_accumulation_steps is 0"},
      {[](auto &p) { p.mutable_batch()->set_max_document_len(5); }, "max_document_len is 5; must be in [1, 4]"},
      {[](auto &p) { p.mutable_batch()->set_max_segments(5); }, "max_segments is 5; must be in [1, 4]"},
      {[](auto &p) { p.mutable_run()->set_learning_rate(-1); }, "run: learning_rate is -1; must be in [0, "},
      {[](auto &p) { p.mutable_run()->set_learning_rate(NAN); }, "run: learning_rate is nan; must be in"},
      {[](auto &p) { p.mutable_run()->set_lr_scheduler_type("step"); },
       "run: lr_scheduler_type is \"step\"; must be constant, linear or cosine"},
      {[](auto &p) { p.mutable_run()->set_warmup_ratio(1.5); }, "run: warmup_ratio is 1.5; must be in [0, 1]"},
      {[](auto &p) { p.mutable_run()->set_max_steps(0); }, "run: max_steps and num_epochs are both 0"},
      {[](auto &p) { p.mutable_run()->set_adam_beta2(1.01); }, "run: adam_beta2 is 1.01; must be in [0, 0.9"},
      {[](auto &p) { p.mutable_run()->set_adam_beta1(1); }, "run: adam_beta1 is 1; must be in [0, 0.9"},
      {[](auto &p) { p.mutable_run()->set_max_steps(huge); },
       "run: max_steps is 18446744073709551615; must be in [0, "},
      {[](auto &p) { p.mutable_run()->set_warmup_steps(huge); }, "run: warmup_steps is 18446744073709551615"},
      {[](auto &p) { p.mutable_run()->set_template_("vicuna"); },
       "run: template is \"vicuna\"; must be alpaca, chatml, model or a file"},
  });
}

TEST(CheckPlan, ArenasAndBuffers) {
  expectEach({
      {[](auto &p) { p.mutable_arenas(0)->set_alignment(48); },
       "arenas[0]: alignment is 48; must be a power of two in"},
      {[](auto &p) { p.mutable_arenas(0)->set_space(plan::Arena::Space(9)); }, "arenas[0]: space is 9; must be DEVICE"},
      {[](auto &p) { p.mutable_arenas(0)->set_size(huge); }, "arenas[0]: size is 18446744073709551615; must be in"},
      {[](auto &p) { p.mutable_arenas(0)->set_largest_live(1 << 20); },
       "arenas[0]: largest_live is 1048576; must be at most"},
      {[](auto &p) { p.mutable_arenas(1)->set_name("weights"); }, "arenas[1]: the name \"weights\" stands twice"},
      {[](auto &p) { p.mutable_buffers(0)->set_arena(6); },
       "buffers[0] \"w\": arena is 6; must be below 6, the number of arenas"},
      {[](auto &p) { p.mutable_buffers(0)->set_offset(8); }, "buffers[0] \"w\": offset is 8; must be a multiple of 16"},
      {[](auto &p) { p.mutable_buffers(0)->set_size(0); }, "buffers[0] \"w\": size is 0"},
      {[](auto &p) { p.mutable_buffers(0)->set_offset(huge - 15); },
       "buffers[0] \"w\": 128 bytes at offset 18446744073709551600 end behind arena \"weights\" of 256 bytes"},
      {[](auto &p) { p.mutable_buffers(1)->set_size(huge); },
       "buffers[1] \"w.working\": 18446744073709551615 bytes at offset 128 end behind arena"},
      {[](auto &p) { p.mutable_buffers(0)->set_class_(plan::Buffer::Class(99)); }, "buffers[0] \"w\": class is 99"},
      {[](auto &p) { p.mutable_buffers(1)->set_offset(64); },
       "buffer \"w.working\" at [64, 192) overlaps \"w\" at [0, 128) of arena \"weights\""},
      {[](auto &p) {
         p.mutable_buffers(5)->set_offset(64);
         p.mutable_buffers(5)->set_initial_version(1);
       },
       "buffer \"y\" at [64, 160) overlaps \"x\" at [0, 128) of arena \"activations\"; only buffers without an "
       "initial"},
      {[](auto &p) {
         p.mutable_buffers(5)->set_offset(64);
         p.mutable_buffers(4)->set_initial_version(1);
       },
       "buffer \"y\" at [64, 160) overlaps \"x\" at [0, 128) of arena \"activations\""},
      {[](auto &p) {
         p.mutable_buffers(5)->set_offset(64);
         p.mutable_arenas(3)->set_transient(false); // what it is called says nothing
       },
       "of arena \"activations\"; only buffers without an initial version, in transient arenas, may"},
  });
  plan::Plan overlapping = samplePlan();
  overlapping.mutable_buffers(5)->set_offset(64); // for verifyPlan to judge
  EXPECT_TRUE(checkPlan(overlapping, SampleSections().all()).ok());
}

TEST(CheckPlan, KernelsAndImages) {
  expectEach({
      {[](auto &p) { p.mutable_kernels(1)->set_entry(""); }, "kernels[1] \"loss\": entry is empty"},
      {[](auto &p) { p.mutable_kernels(1)->set_items(0); }, "kernels[1] \"loss\": items is 0; must be in [1, "},
      {[](auto &p) { p.mutable_kernels(1)->mutable_operands(2)->set_bytes(0); },
       "kernels[1] \"loss\": operands[2]: bytes is 0; must be in [1, "},
      {[](auto &p) { p.mutable_kernels(1)->mutable_operands(2)->set_alignment(12); },
       "operands[2]: alignment is 12; must be a power of two in [1, 16]"},
      {[](auto &p) { p.mutable_kernels(1)->mutable_operands(2)->set_alignment(32); },
       "operands[2]: alignment is 32; must be a power of two in [1, 16]"},
      {[](auto &p) { p.mutable_images(0)->set_section(3); },
       "images[0]: section is 3; must be below 3, the number of sections"},
      {[](auto &p) { p.mutable_images(0)->set_section(2); }, "images[0]: section 2 is not of kind IMAGE"},
      {[](auto &p) { p.mutable_images(0)->set_entry_offsets(2, 64); },
       "images[0]: entry_offsets[2] (\"sgd\") is 64; must be below the image's 64 bytes"},
      {[](auto &p) { p.mutable_images(0)->add_entry_offsets(0); },
       "images[0]: has 5 entry_offsets; must have 4, one a kernel"},
      {[](auto &p) { p.mutable_images(0)->set_format(plan::Image::PTX); },
       "images[0]: format is PTX, which the target's driver CPU does not run"},
      {[](auto &p) { p.mutable_images(0)->set_format(plan::Image::Format(8)); },
       "images[0]: format is 8; must be CPU_BLOB"},
      {[](auto &p) { p.mutable_images(0)->set_arch("x86-64-v4"); },
       "no image is for the target's arch \"x86-64-v3\"; must be at least one"},
      {[](auto &p) {
         p.mutable_target()->set_driver(plan::CUDA);
         p.mutable_kernels(0)->set_threads(2048);
       },
       "kernels[0] \"embed\": threads is 2048; must be in [1, 1024]"},
      {[](auto &p) {
         p.mutable_target()->set_driver(plan::CUDA);
         for (plan::Kernel &kernel : *p.mutable_kernels())
           kernel.set_threads(32), kernel.set_items_per_block(1);
       },
       "images[0]: format is CPU_BLOB, which the target's driver CUDA does not run"},
  });
}

TEST(CheckPlan, InputsAndOutputs) {
  expectEach({
      {[](auto &p) { p.mutable_inputs(0)->set_kind(plan::BatchInput::Kind(40)); }, "inputs[0]: kind is 40"},
      {[](auto &p) { p.mutable_inputs(0)->set_buffer(100); }, "inputs[0]: buffer is 100; must be below 9"},
      {[](auto &p) { p.mutable_inputs(0)->set_buffer(8); },
       "inputs[0]: TOKENS needs 16 bytes, its buffer \"loss\" has 8"},
      {[](auto &p) { p.mutable_outputs(0)->set_kind(plan::Output::KIND_UNSPECIFIED); }, "outputs[0]: kind is 0"},
      {[](auto &p) { p.mutable_inputs(1)->set_kind(plan::BatchInput::LABELS), p.mutable_inputs(1)->set_buffer(6); },
       "inputs[1]: LABELS or its buffer \"tokens\" stands twice; each must stand once"},
      {[](auto &p) { p.mutable_inputs(0)->set_kind(plan::BatchInput::SCALARS), p.mutable_inputs(0)->set_buffer(7); },
       "inputs[1]: SCALARS or its buffer \"scalars\" stands twice"},
      {[](auto &p) { *p.add_outputs() = p.outputs(0); }, "outputs[1]: LOSS stands twice; each must stand once"},
      {[](auto &p) {
         p.mutable_buffers(8)->set_size(16), p.mutable_arenas(TestPlan::Io)->set_size(144);
         p.add_outputs()->set_kind(plan::Output::GRAD_NORM);
         p.mutable_outputs(1)->set_buffer(8), p.mutable_outputs(1)->set_offset(4);
       },
       "outputs[1]: GRAD_NORM shares bytes of buffer \"loss\" with LOSS"},
      {[](auto &p) { p.mutable_outputs(0)->set_offset(8); },
       "outputs[0]: LOSS needs 8 bytes at offset 8, its buffer \"loss\" has 8"},
      {[](auto &p) { p.mutable_outputs(0)->set_offset(huge); },
       "outputs[0]: LOSS needs 8 bytes at offset 18446744073709"},
      {[](auto &p) { p.mutable_arenas(5)->set_size(100); },
       "inputs and outputs need a PINNED arena \"staging\" of at least 640 bytes"},
      {[](auto &p) {
         p.mutable_buffers(6)->set_arena(TestPlan::Weights), p.mutable_buffers(6)->set_offset(512),
             p.mutable_arenas(TestPlan::Weights)->set_size(1024);
       },
       "inputs \"tokens\" and \"scalars\" lie in different arenas; must be in one"},
      {[](auto &p) { p.mutable_buffers(7)->set_offset(192), p.mutable_arenas(TestPlan::Io)->set_size(512); },
       "buffer \"loss\" lies between the inputs; a batch record would overwrite it"},
      {[](auto &p) { p.mutable_buffers(8)->set_arena(TestPlan::Staging); },
       "buffer \"loss\" lies in arena \"staging\"; it is the executor's and holds no buffers"},
      {[](auto &p) { setCuda(p), p.mutable_target()->set_driver(plan::CPU), p.mutable_arenas(6)->set_size(511); },
       "need a DEVICE arena \"slots\" of at least 512 bytes"},
  });
}

TEST(CheckPlan, SlotsOfAGpu) {
  auto sample = [] {
    plan::Plan plan = samplePlan();
    setCuda(plan);
    plan.clear_images(), plan.clear_kernels(), plan.clear_segments();
    return plan;
  };
  expectEach(
      {
          {[](auto &p) { p.mutable_arenas()->RemoveLast(); },
           "inputs and outputs need a DEVICE arena \"slots\" of at least 512 bytes; there is none"},
          {[](auto &p) { p.mutable_arenas(6)->set_size(511); }, "need a DEVICE arena \"slots\" of at least 512 bytes"},
          {[](auto &p) { p.mutable_arenas(6)->set_space(plan::Arena::PINNED); }, "need a DEVICE arena \"slots\""},
          {[](auto &p) { p.mutable_buffers(5)->set_arena(6), p.mutable_buffers(5)->set_offset(0); },
           "buffer \"y\" lies in arena \"slots\"; it is the executor's and holds no buffers"},
      },
      sample);
}

TEST(CheckPlan, WhatFinishesAnUpdate) {
  auto sample = [] {
    plan::Plan plan = samplePlan();
    for (Segment::Kind kind : {Segment::FINISH, Segment::FINISH_FIRST})
      plan.add_segments()->set_kind(kind);
    plan.add_features("finish");
    return plan;
  };
  expectEach(
      {
          {[](auto &p) { p.clear_features(); }, "has FINISH, and features do not name \"finish\""},
          {[](auto &p) { p.mutable_segments()->RemoveLast(); },
           "has FINISH; a plan that trains has FINISH and FINISH_FIRST"},
          {[](auto &p) {
             p.mutable_segments()->SwapElements(p.segments_size() - 2, p.segments_size() - 1),
                 p.mutable_segments()->RemoveLast();
           },
           "has FINISH_FIRST; a plan that trains has"},
      },
      sample);
}

TEST(CheckPlan, RoomForCheckpoints) {
  auto sample = [] {
    plan::Plan plan = samplePlan();
    plan::Arena &room = *plan.add_arenas();
    room.set_name(plan::checkpointArena), room.set_space(plan::Arena::PINNED), room.set_alignment(256);
    room.set_size(plan::savedState(plan).bytes);
    return plan;
  };
  const uint64_t bytes = sample().arenas(6).size();
  EXPECT_GT(bytes, 0u);
  const std::string needs = fmt::format("checkpoints need a PINNED arena \"checkpoint\" of at least {} bytes", bytes);
  expectEach(
      {
          {[&](auto &p) { p.mutable_arenas(6)->set_size(bytes - 1); }, needs},
          {[](auto &p) { p.mutable_arenas(6)->set_space(plan::Arena::DEVICE); }, needs},
          {[](auto &p) { p.mutable_buffers(5)->set_arena(6), p.mutable_buffers(5)->set_offset(0); },
           "buffer \"y\" lies in arena \"checkpoint\"; it is the executor's and holds no buffers"},
      },
      sample);
}

TEST(CheckPlan, Tensors) {
  expectEach({
      {[](auto &p) { p.mutable_tensors(0)->set_key(""); }, "tensors[0] \"\": key is empty"},
      {[](auto &p) { p.mutable_tensors(0)->set_role(plan::Tensor::Role(20)); }, "tensors[0] \"model.w\": role is 20"},
      {[](auto &p) { p.mutable_tensors(0)->set_dtype(plan::DType(20)); }, "tensors[0] \"model.w\": dtype is 20"},
      {[](auto &p) { p.mutable_tensors(0)->set_role(plan::Tensor::RANDOM_KEYS); },
       "dtype is F32; must be I64 for RANDOM_KEYS"},
      {[](auto &p) { p.mutable_tensors(0)->set_buffer(2); },
       "lies in buffer \"w.exp_avg\" of class OPTIMIZER_STATE; must be of class WEIGHT, as it is TRAINABLE"},
      {[](auto &p) { p.mutable_tensors(0)->set_buffer(1); },
       "lies in buffer \"w.working\" without an initial version; must have one"},
      {[](auto &p) { p.mutable_tensors(0)->set_buffer(9); }, "tensors[0] \"model.w\": buffer is 9; must be below 9"},
      {[](auto &p) { p.mutable_tensors(0)->set_shape(0, 0); }, "shape[0] is 0; must be at least 1"},
      {[](auto &p) { p.mutable_tensors(0)->set_shape(0, huge); }, "shape has 2^56 elements or more"},
      {[](auto &p) { p.mutable_tensors(0)->set_shape(0, 5); }, "sizes hold 32 elements; must hold 40, as shape does"},
      {[](auto &p) { p.mutable_tensors(0)->add_strides(1); }, "has 2 sizes and 3 strides"},
      {[](auto &p) { p.mutable_tensors(0)->set_strides(0, 7); },
       "a stride of 7 elements puts two elements at one place; must be at least 8"},
      {[](auto &p) { p.mutable_tensors(0)->set_strides(0, huge); }, "sizes and strides span 2^56 elements or more"},
      {[](auto &p) { p.mutable_tensors(0)->set_strides(0, 9); },
       "140 bytes at offset 0 end behind buffer \"w\" of 128 bytes"},
      {[](auto &p) { p.mutable_tensors(0)->set_offset(2); }, "offset is 2; must be a multiple of 4, the size of F32"},
      {[](auto &p) { p.mutable_tensors(0)->set_offset(huge - 3); },
       "128 bytes at offset 18446744073709551612 end behind"},
      {[](auto &p) { p.mutable_tensors(1)->set_role(plan::Tensor::TRAINABLE), p.mutable_tensors(1)->set_buffer(0); },
       "tensors[1] \"model.w\": stands twice with role TRAINABLE"},
      {[](auto &p) { p.mutable_tensors(0)->set_gguf_rope_heads(3); }, "gguf_rope_heads is 3; the rows must divide"},
      {[](auto &p) { p.mutable_tensors(0)->mutable_init()->set_kind(plan::Init::Kind(30)); }, "init.kind is 30"},
      {[](auto &p) { p.mutable_tensors(0)->mutable_init()->set_scale(INFINITY); },
       "init.scale is inf; must be in [0, "},
      {[](auto &p) { p.mutable_tensors(0)->mutable_init()->set_section(1); },
       "init.section 1 is not of kind CONSTANTS"},
      {[](auto &p) { p.mutable_tensors(0)->mutable_init()->set_section(7); }, "init.section is 7; must be below 3"},
      {[](auto &p) { p.mutable_tensors(0)->mutable_init()->set_section_offset(64); },
       "init needs 128 bytes at 64 of section 2, which has 128"},
      {[](auto &p) { p.mutable_tensors(0)->mutable_init()->set_section_offset(huge); },
       "init needs 128 bytes at 18446744073709551615 of section 2"},
      {[](auto &p) { p.mutable_tensors(0)->mutable_init()->set_kind(plan::Init::RANDOM_KEYS); },
       "init has 0 key_names; must have 32, one an element"},
      {[](auto &p) { p.mutable_tensors(1)->set_buffer(0), p.mutable_tensors(1)->set_role(plan::Tensor::FROZEN); },
       "tensors[0] \"model.w\" and tensors[1] \"model.w\" share bytes of buffer \"w\""},
  });
}

/// The sample with its weight in NF4: 32 elements, whose codes and scale are 36 bytes, at byte 16 of 128.
static plan::Plan quantizedPlan() {
  plan::Plan plan = samplePlan();
  plan::Tensor &tensor = *plan.mutable_tensors(0);
  tensor.set_role(plan::Tensor::FROZEN);
  tensor.set_dtype(plan::U4);
  tensor.set_offset(16);
  tensor.clear_init();
  tensor.clear_sizes();
  tensor.add_sizes(32);
  tensor.clear_strides();
  tensor.add_strides(1);
  tensor.mutable_quantization()->set_kind(plan::Quantization::NF4);
  plan.clear_exports();
  plan.add_features("quantized");
  return plan;
}

TEST(CheckPlan, QuantizedTensors) {
  expectEach(
      {
          {[](auto &p) { p.clear_features(); }, "holds quantised tensors without the feature \"quantized\""},
          {[](auto &p) { p.mutable_tensors(0)->clear_quantization(); },
           "dtype is U4 without quantization; U4 and F8E4M3 have one, and no other type"},
          {[](auto &p) { p.mutable_tensors(0)->set_dtype(plan::U8); },
           "dtype is U8 with quantization; U4 and F8E4M3 have one, and no other type"},
          {[](auto &p) { p.mutable_tensors(0)->mutable_quantization()->clear_kind(); },
           "quantization.kind is 0; must be NF4"},
          {[](auto &p) { p.mutable_tensors(0)->set_role(plan::Tensor::TRAINABLE); },
           "is quantised and TRAINABLE; must be FROZEN"},
          {[](auto &p) { p.mutable_tensors(0)->set_strides(0, 2); }, "must have one size, and stride 1"},
          {[](auto &p) { p.mutable_tensors(0)->set_offset(8); }, "offset is 8; must be a multiple of 16"},
          {[](auto &p) { p.mutable_tensors(0)->set_offset(96); },
           "36 bytes at offset 96 end behind buffer \"w\" of 128 bytes"},
          {[](auto &p) { p.mutable_tensors(0)->mutable_quantization()->set_double_quant(true); },
           "1092 bytes at offset 16 end behind"},
          {[](auto &p) {
             plan::Tensor &other = *p.add_tensors() = p.tensors(0);
             other.set_key("model.v");
             other.set_offset(48); // in the scale
           },
           "tensors[0] \"model.w\" and tensors[2] \"model.v\" share bytes of buffer \"w\""},
          {[](auto &p) {
             p.add_exports()->set_file("model.safetensors");
             p.mutable_exports(0)->add_tensors()->set_key("model.w");
             p.mutable_exports(0)->mutable_tensors(0)->set_dtype(plan::F32);
           },
           "the tensor is of U4, and only floating types become another"},
      },
      quantizedPlan);
}

static void setAll(google::protobuf::RepeatedField<uint64_t> &field, std::initializer_list<uint64_t> values) {
  field.Assign(values.begin(), values.end());
}

/// The sample with its weight, of 8 × 4, in FP8: codes at bytes 16 to 48 of 128, scales at 64 to 96.
static plan::Plan codesPlan() {
  plan::Plan plan = quantizedPlan();
  plan::Tensor &tensor = *plan.mutable_tensors(0);
  tensor.set_dtype(plan::F8E4M3);
  setAll(*tensor.mutable_shape(), {8, 4});
  setAll(*tensor.mutable_sizes(), {8, 4});
  setAll(*tensor.mutable_strides(), {4, 1});
  tensor.mutable_quantization()->set_kind(plan::Quantization::FP8);
  tensor.mutable_quantization()->set_scales_offset(64);
  tensor.mutable_quantization()->set_row_pitch(4);
  plan.add_features("fp8");
  return plan;
}

TEST(CheckPlan, TensorsInFp8) {
  auto of = [](plan::Plan &p) { return p.mutable_tensors(0)->mutable_quantization(); };
  expectEach(
      {
          {[](auto &p) { p.mutable_features()->RemoveLast(); }, "holds tensors of F8E4M3 without the feature \"fp8\""},
          {[=](auto &p) { of(p)->set_kind(plan::Quantization::NF4); }, "quantization.kind is 1; must be FP8"},
          {[=](auto &p) { of(p)->set_row_pitch(3); },
           "sizes and strides do not place whole rows at multiples of quantization.row_pitch, 3"},
          {[=](auto &p) { of(p)->set_row_pitch(0); }, "do not place whole rows"},
          {[](auto &p) {
             setAll(*p.mutable_tensors(0)->mutable_sizes(), {2, 16});
           },
           "a stride of 4 elements puts two"},
          {[=](auto &p) { of(p)->set_scales_offset(70); }, "scales_offset is 70; must be a multiple of 4"},
          {[=](auto &p) { of(p)->set_scales_offset(112); },
           "32 bytes of scales at offset 112 end behind buffer \"w\" of 128 bytes"},
          {[=](auto &p) { of(p)->set_scales_offset(32); }, "codes at 16 to 47 and scales at 32 to 64 share bytes"},
          {[](auto &p) { p.mutable_tensors(0)->set_offset(112); }, "end behind buffer \"w\" of 128 bytes"},
          {[](auto &p) {
             plan::Tensor &other = *p.add_tensors() = p.tensors(0);
             other.set_key("model.v");
             other.set_offset(80); // in the scales
             other.mutable_quantization()->set_scales_offset(0);
             setAll(*other.mutable_shape(), {4, 4}), setAll(*other.mutable_sizes(), {4, 4});
           },
           "tensors[0] \"model.w\" and tensors[2] \"model.v\" share bytes of buffer \"w\""},
      },
      codesPlan);
}

TEST(CheckPlan, MomentsInCodes) {
  expectEach({
      {[](auto &p) { p.mutable_tensors(0)->set_dtype(plan::U8); },
       "dtype is U8 of TRAINABLE; codes are those of EXP_AVG and EXP_AVG_SQ, and of nothing else"},
      {[](auto &p) {
         p.mutable_tensors(1)->set_role(plan::Tensor::EXP_AVG_SQ_SCALES);
         p.mutable_tensors(1)->set_dtype(plan::BF16);
       },
       "dtype is BF16; must be F32 for EXP_AVG_SQ_SCALES"},
  });
}

TEST(CheckPlan, ExportsAndTexts) {
  expectEach({
      {[](auto &p) { p.mutable_exports(0)->set_file("../../x"); },
       "exports[0] \"../../x\": file is \"../../x\"; must be a file name"},
      {[](auto &p) { p.mutable_exports(0)->set_file(".x"); }, "exports[0] \".x\": file is \".x\"; must be a file name"},
      {[](auto &p) { p.mutable_texts(0)->set_file("/etc/passwd"); }, "texts[0]: file is \"/etc/passwd\"; must be"},
      {[](auto &p) { p.mutable_texts(0)->set_file("model.safetensors"); },
       "texts[0]: the file \"model.safetensors\" stands twice"},
      {[](auto &p) { p.mutable_exports(0)->mutable_tensors(0)->set_tensor(2); },
       "exports[0] \"model.safetensors\": \"model.w\": tensor is 2; must be below 2"},
      {[](auto &p) { p.mutable_exports(0)->mutable_tensors(0)->clear_dtype(); }, "\"model.w\": dtype is 0"},
      {[](auto &p) { p.mutable_exports(0)->mutable_tensors(0)->set_dtype(plan::I32); },
       "\"model.w\": dtype is I32; the tensor is of F32, and only floating types become another"},
      {[](auto &p) { p.mutable_texts(0)->set_file("summary.json"); }, "the file \"summary.json\" stands twice"},
      {[](auto &p) { *p.mutable_exports(0)->add_tensors() = p.exports(0).tensors(0); },
       "the key \"model.w\" stands twice"},
      {[](auto &p) { p.mutable_facts(0)->set_config_key("vocab_size"); },
       "facts[0]: vocab_size is 8; must be batch.vocab_size, 16"},
      {[](auto &p) { p.mutable_facts(0)->clear_config_key(); }, "facts[0]: gguf_key is empty"},
  });
}

TEST(CheckPlan, Segments) {
  expectEach({
      {[](auto &p) { p.mutable_segments(0)->set_kind(Segment::Kind(99)); }, "segments[0]: kind is 99"},
      {[](auto &p) { p.mutable_segments(0)->set_kind(Segment::UPDATE); }, "segments[3]: UPDATE stands twice"},
      {[](auto &p) { p.mutable_segments(3)->set_kind(Segment::SAVE); }, "has one of ACCUMULATE_FIRST and UPDATE"},
      {[](auto &p) { p.mutable_segments()->DeleteSubrange(2, 1); },
       "has no ACCUMULATE_NEXT; gradient_accumulation_steps 3 needs it"},
      {[](auto &p) { p.mutable_segments(1)->mutable_steps()->SwapElements(0, 1); },
       "ACCUMULATE_FIRST step 1 \"receive\" stands too late; receives must stand before all other steps"},
      {[](auto &p) { p.mutable_segments(3)->mutable_steps()->SwapElements(1, 2); },
       "UPDATE step 2 \"w.copy\" stands too late; receives must stand before all other steps, emits behind them"},
      {[](auto &p) {
         p.mutable_segments(1)->set_capture(true);
         step(p, 1, 0).set_stream(1);
       },
       "ACCUMULATE_FIRST step 0 \"receive\" is on stream 1; a receive or emit of a captured segment must be on stream "
       "0"},
      {[](auto &p) { p.clear_streams(); }, "the number of streams is 0; must be in [1, 16]"},
      {[](auto &p) { p.set_event_count(1 << 30); }, "event_count is 1073741824; must be in [0, 1048576]"},
  });
}

TEST(CheckPlan, StepsAndOperands) {
  const std::string loss = "ACCUMULATE_FIRST step 3 \"loss\": ";
  expectEach({
      {[](auto &p) { step(p, 1, 3).clear_name(); }, "ACCUMULATE_FIRST step 3 \"\": name is empty"},
      {[](auto &p) { step(p, 1, 3).set_stream(2); }, loss + "stream is 2; must be below 2, the number of streams"},
      {[](auto &p) { step(p, 1, 3).add_wait(1); }, loss + "wait is 1; must be in [1, 0]"},
      {[](auto &p) { step(p, 1, 3).set_record(3); }, loss + "record is 3; must be in [0, 0]"},
      {[](auto &p) { step(p, 1, 3).clear_kind(); }, loss + "unknown: is of a kind that this program does not know",
       Code::CannotRun},
      {[](auto &p) { launch(p).set_kernel(4); }, loss + "launch: kernel is 4; must be below 4, the number of kernels"},
      {[](auto &p) { launch(p).mutable_operands(1)->set_buffer(9); },
       loss + "operands[1]: buffer is 9; must be below 9"},
      {[](auto &p) { launch(p).mutable_operands(1)->clear_read(); },
       loss + "operands[1]: has neither a read nor a write version"},
      {[](auto &p) { launch(p).mutable_operands(0)->set_rows(0); }, loss + "operands[0]: has 0 rows of 16 bytes"},
      {[](auto &p) { launch(p).mutable_operands(0)->set_pitch(8); },
       loss + "operands[0]: has rows of 16 bytes at a pitch of 8"},
      {[](auto &p) { launch(p).mutable_operands(0)->set_rows(5); },
       loss + "operands[0]: ends at byte 112 of buffer \"y\", which has 96"},
      {[](auto &p) { launch(p).mutable_operands(0)->set_offset(huge); },
       loss + "operands[0]: has offset 18446744073709551615"},
      {[](auto &p) { launch(p).mutable_operands(0)->set_rows(huge); }, "each must be below 2^56"},
      {[](auto &p) { step(p, 0, 0).mutable_copy()->mutable_src()->set_write(1); },
       "copy: src: must have a read version and no write version"},
      {[](auto &p) { step(p, 0, 0).mutable_copy()->mutable_dst()->set_row_bytes(64); },
       "copy: src is 1 × 1 rows of 128 bytes, dst 1 × 1 of 64; must be the same"},
      {[](auto &p) {
         *step(p, 0, 0).mutable_memset()->mutable_dst() = samplePlan().segments(0).steps(0).copy().dst();
         step(p, 0, 0).mutable_memset()->set_value(256);
       },
       "memset: value is 256; must be in [0, 255]"},
      {[](auto &p) { step(p, 1, 0).mutable_receive()->mutable_dst(0)->set_offset(4); },
       "ends at byte 20 of buffer \"tokens\""},
      {[](auto &p) {
         step(p, 1, 0).mutable_receive()->mutable_dst(0)->set_offset(4);
         step(p, 1, 0).mutable_receive()->mutable_dst(0)->set_row_bytes(12);
       },
       "receive: dst[0]: 12 bytes at offset 4 of buffer \"tokens\" are not the head of an input"},
      {[](auto &p) { step(p, 1, 0).mutable_receive()->mutable_dst(0)->set_read(1); },
       "receive: dst[0]: must have a write version and no read version"},
      {[](auto &p) { step(p, 3, 2).mutable_emit()->mutable_src(0)->set_row_bytes(4); },
       "emit: src[0]: 4 bytes at offset 0 of buffer \"loss\" are not an output"},
      {[](auto &p) { step(p, 3, 2).mutable_emit()->clear_src(); },
       "UPDATE does not emit LOSS, which the host reads behind it"},
      {[](auto &p) { p.mutable_segments(4)->mutable_steps()->RemoveLast(); }, "EVALUATE does not emit LOSS"},
      {[](auto &p) { p.clear_inputs(); }, "receive: there are no inputs to receive"},
  });
}
