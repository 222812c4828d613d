// A plan with an adapter and its moments, and the bytes that they have behind each step.
#pragma once

#include "runtime/Checkpoint/Checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

namespace ft::rt {

inline std::string contentOf(const std::string &path) {
  std::ostringstream stream;
  stream << std::ifstream(path, std::ios::binary).rdbuf();
  return stream.str();
}

inline plan::Plan checkpointPlan() {
  plan::Plan plan;
  plan.set_name("toy");
  const uint32_t bucket = 0, first = 1, second = 2;
  for (const char *name : {"bucket", "exp_avg", "exp_avg_sq"})
    plan.add_buffers()->set_name(name), plan.mutable_buffers(plan.buffers_size() - 1)->set_size(4096);
  auto add = [&](plan::Tensor::Role role, uint32_t buffer, const std::string &key, uint64_t offset) {
    plan::Tensor *tensor = plan.add_tensors();
    tensor->set_key(key), tensor->set_role(role), tensor->set_dtype(plan::F32);
    tensor->set_buffer(buffer), tensor->set_offset(offset);
    for (uint64_t size : {3, 5})
      tensor->add_shape(size), tensor->add_sizes(size);
    tensor->add_strides(5), tensor->add_strides(1);
  };
  for (const auto &[key, offset] : {std::pair("base.q_proj.lora_A.weight", 64), {"base.q_proj.lora_B.weight", 1024}}) {
    add(plan::Tensor::ADAPTER, bucket, key, uint64_t(offset));
    add(plan::Tensor::EXP_AVG, first, key, uint64_t(offset));
    add(plan::Tensor::EXP_AVG_SQ, second, key, uint64_t(offset));
  }
  plan::ExportFile *file = plan.add_exports();
  file->set_file("adapter_model.safetensors");
  for (uint32_t index : {0, 3}) {
    plan::ExportTensor *exported = file->add_tensors();
    exported->set_key(plan.tensors(int(index)).key()), exported->set_tensor(index), exported->set_dtype(plan::F32);
  }
  plan::Text *text = plan.add_texts();
  text->set_file("adapter_config.json"), text->set_content("{\"r\": 3}\n");
  return plan;
}

/// Element i of a buffer behind a step.
inline float numberAt(uint64_t step, uint32_t buffer, uint64_t element) {
  return float(step) + float(buffer) * 0.25f + float(element) * 0.001f;
}

inline BufferReader readerAt(uint64_t step) {
  return [step](uint32_t buffer, uint64_t offset, std::span<std::byte> out) {
    for (uint64_t i = 0; i < out.size(); i += 4) {
      const float value = numberAt(step, buffer, (offset + i) / 4);
      std::memcpy(out.data() + i, &value, 4);
    }
    return Status();
  };
}

inline CheckpointState stateAt(uint64_t step) {
  CheckpointState state;
  state.position.step = step, state.position.nextRow = 8 * step, state.position.lossSum = 0.1 * double(step);
  state.facts = {{"model", "ab12"}, {"seed", "42"}};
  return state;
}

/// Whether the checkpoint loads and holds what its step had.
inline testing::AssertionResult holdsItsStep(const std::string &folder, const plan::Plan &plan) {
  const auto checkpoint = Checkpoint::open(folder, plan);
  if (!checkpoint.ok())
    return testing::AssertionFailure() << checkpoint.status().message();
  const uint64_t step = (*checkpoint)->state().position.step;
  for (int i = 0; i < plan.tensors_size(); ++i) {
    const plan::Tensor &tensor = plan.tensors(i);
    float values[15];
    (*checkpoint)->producer(i, tensor)(0, 15, reinterpret_cast<std::byte *>(values));
    for (uint64_t e = 0; e < 15; ++e)
      if (values[e] != numberAt(step, tensor.buffer(), tensor.offset() / 4 + e))
        return testing::AssertionFailure() << folder << ": " << savedName(tensor) << "[" << e << "] is " << values[e];
  }
  return testing::AssertionSuccess();
}

} // namespace ft::rt
