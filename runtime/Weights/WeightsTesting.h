// Helpers of the tests in this folder: scratch folders, plans of a few tensors, files by mutation.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace ft::rt::testing {

using Bytes = std::vector<std::byte>;

inline const std::string goldens = "test/goldens/weights/";

/// A folder that disappears with the object.
class ScratchFolder {
public:
  ScratchFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ftc-weights-XXXXXX").string();
    folder = mkdtemp(pattern.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(folder); }
  ScratchFolder(const ScratchFolder &) = delete;

  std::string path(const std::string &name = "") const { return name.empty() ? folder : folder + "/" + name; }
  std::string write(const std::string &name, const void *data, size_t size) const {
    std::ofstream(path(name), std::ios::binary).write(static_cast<const char *>(data), std::streamsize(size));
    return path(name);
  }
  std::string write(const std::string &name, std::string_view text) const {
    return write(name, text.data(), text.size());
  }

private:
  std::string folder;
};

inline std::string readAll(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The bytes of one safetensors file with this header text and data.
inline std::string safetensorsText(std::string header, std::string_view data) {
  uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return text + header + std::string(data);
}

/// A little-endian GGUF file in the making.
struct GgufDraft {
  std::string text = "GGUF";
  template <typename T> GgufDraft &add(T value) {
    text.append(reinterpret_cast<const char *>(&value), sizeof(T));
    return *this;
  }
  GgufDraft &name(std::string_view s) {
    add<uint64_t>(s.size());
    text += s;
    return *this;
  }
  GgufDraft &header(uint64_t tensors, uint64_t values) { return add<uint32_t>(3).add(tensors).add(values); }
  /// F32 of `size` elements.
  GgufDraft &tensor(std::string_view n, uint64_t size, uint64_t offset, uint32_t type = 0) {
    return name(n).add<uint32_t>(1).add(size).add(type).add(offset);
  }
  GgufDraft &data(size_t bytes) {
    text.resize((text.size() + 31) / 32 * 32 + bytes);
    return *this;
  }
};

inline void expectError(const Status &status, std::string_view part) {
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find(part), std::string::npos)
      << "message: " << status.message() << "\nexpected in it: " << part;
}
template <typename T> void expectError(const Expected<T> &result, std::string_view part) {
  expectError(result.status(), part);
}
inline const Status &statusOf(const Status &status) { return status; }
template <typename T> const Status &statusOf(const Expected<T> &result) { return result.status(); }
#define FT_EXPECT_OK(expr)                                                                                             \
  do {                                                                                                                 \
    const Status ftTested = ::ft::rt::testing::statusOf(expr);                                                         \
    EXPECT_TRUE(ftTested.ok()) << ftTested.message();                                                                  \
  } while (false)

inline uint32_t addBuffer(plan::Plan &plan, uint64_t size, plan::Buffer::Class kind = plan::Buffer::WEIGHT) {
  plan::Buffer *buffer = plan.add_buffers();
  buffer->set_name(fmt::format("b{}", plan.buffers_size() - 1));
  buffer->set_size(size);
  buffer->set_class_(kind);
  return uint32_t(plan.buffers_size() - 1);
}

/// A tensor that lies densely, its shape as sizes; the caller may change its layout.
inline plan::Tensor *addTensor(plan::Plan &plan, const std::string &key, plan::Tensor::Role role, plan::DType dtype,
                               std::vector<uint64_t> shape, uint32_t buffer, uint64_t offset = 0) {
  plan::Tensor *tensor = plan.add_tensors();
  tensor->set_key(key);
  tensor->set_role(role);
  tensor->set_dtype(dtype);
  tensor->set_buffer(buffer);
  tensor->set_offset(offset);
  uint64_t stride = 1;
  for (uint64_t size : shape) {
    tensor->add_shape(size);
    tensor->add_sizes(size);
    tensor->add_strides(0);
  }
  for (int i = int(shape.size()) - 1; i >= 0; --i) {
    tensor->set_strides(i, stride);
    stride *= shape[size_t(i)];
  }
  return tensor;
}

inline void setLayout(plan::Tensor &tensor, std::vector<uint64_t> sizes, std::vector<uint64_t> strides) {
  tensor.mutable_sizes()->Assign(sizes.begin(), sizes.end());
  tensor.mutable_strides()->Assign(strides.begin(), strides.end());
}

} // namespace ft::rt::testing
