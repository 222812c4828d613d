// cuDNN operation graphs through the C backend interface: what attention needs of it.
#pragma once

#include "runtime/Device/Cuda/CudnnApi.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ft::rt {

/// Owns one backend descriptor.
class CudnnDescriptor {
public:
  CudnnDescriptor() = default;
  CudnnDescriptor(const CudnnApi &api, cudnnBackendDescriptor_t descriptor) : library(&api), held(descriptor) {}
  CudnnDescriptor(CudnnDescriptor &&other) noexcept : library(other.library), held(other.release()) {}
  CudnnDescriptor &operator=(CudnnDescriptor &&other) noexcept;
  ~CudnnDescriptor();
  cudnnBackendDescriptor_t get() const { return held; }
  explicit operator bool() const { return held != nullptr; }

private:
  cudnnBackendDescriptor_t release();
  const CudnnApi *library = nullptr;
  cudnnBackendDescriptor_t held = nullptr;
};

/// A tensor of a graph. `id` names its pointer at execution; tensors without one are virtual: values inside a kernel.
struct GraphTensor {
  cudnnBackendDescriptor_t descriptor = nullptr;
  std::vector<int64_t> sizes, strides;
};

/// What to say of a tensor; sizes and strides are elements, [batch, heads, rows, columns].
struct TensorSpec {
  std::vector<int64_t> sizes, strides;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  int64_t id = 0;                            ///< 0: virtual
  bool byValue = false;                      ///< a host scalar
  const GraphTensor *raggedOffset = nullptr; ///< element offset of each batch entry, sizes[0] + 1 of them
};

/// A device to build plans for without having it: cuDNN's JSON description of its properties. With a handle instead,
/// plans are for that handle's device.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  cudnnBackendDescriptor_t properties = nullptr;
};

/// One executable plan, and the bytes of workspace that it needs.
struct GraphPlan {
  CudnnDescriptor plan;
  uint64_t workspaceBytes = 0;
};

/// What the plan reserves, and what of it the caller needs beside cuDNN.
struct WorkspaceLimit {
  uint64_t reservedBytes = 0, ownBytes = 0;
};

/// Collects operations in order (cuDNN's pattern matcher looks at it). The first failure sticks; later calls do
/// nothing and build() returns it.
class CudnnGraph {
public:
  CudnnGraph(const CudnnApi &library, std::string what) : api(library), text(std::move(what)) {}

  GraphTensor tensor(const TensorSpec &spec);
  /// A host float that the plan reads by value.
  GraphTensor scalar(int64_t id) { return tensor({{1, 1, 1, 1}, {1, 1, 1, 1}, CUDNN_DATA_FLOAT, id, true, nullptr}); }

  /// c = a · b; the overrides, where not null, shorten m, n or k per batch entry.
  struct Overrides {
    const GraphTensor *m = nullptr, *n = nullptr, *k = nullptr;
  };
  void matmul(const GraphTensor &a, const GraphTensor &b, const GraphTensor &c, const Overrides &overrides);
  void pointwise(cudnnPointwiseMode_t mode, const GraphTensor &x, const GraphTensor &y,
                 cudnnDataType_t precision = CUDNN_DATA_FLOAT);
  void pointwise(cudnnPointwiseMode_t mode, const GraphTensor &x, const GraphTensor &b, const GraphTensor &y,
                 cudnnDataType_t precision = CUDNN_DATA_FLOAT);
  /// y = mask ? x : b
  void select(const GraphTensor &x, const GraphTensor &b, const GraphTensor &mask, const GraphTensor &y);
  /// y[i] = i along `axis` of x's space, i32.
  void index(const GraphTensor &x, int64_t axis, const GraphTensor &y, cudnnDataType_t precision);
  void reduce(cudnnReduceTensorOp_t mode, const GraphTensor &x, const GraphTensor &y);
  void reshape(const GraphTensor &x, const GraphTensor &y);

  /// The first engine of the heuristics that fits the limit. CannotRun names the smallest workspace that would do, or
  /// cuDNN's reason.
  Expected<GraphPlan> build(const PlanTarget &target, const WorkspaceLimit &limit);

  const Status &status() const { return first; }

private:
  cudnnBackendDescriptor_t make(cudnnBackendDescriptorType_t type);
  void set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
           int64_t count, const void *values);
  void set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, const GraphTensor &value);
  void finalize(cudnnBackendDescriptor_t descriptor);
  void operation(cudnnBackendDescriptor_t descriptor);
  struct PointwiseOperands;
  void pointwise(cudnnPointwiseMode_t mode, const PointwiseOperands &operands, cudnnDataType_t precision, int64_t axis);
  std::vector<CudnnDescriptor> configurations(const PlanTarget &target, cudnnBackendDescriptor_t graph);
  Expected<GraphPlan> finish(const PlanTarget &target, cudnnBackendDescriptor_t configuration);

  const CudnnApi &api;
  std::string text;
  Status first;
  int64_t nextVirtual = int64_t(1) << 20; ///< ids of virtual tensors, far from the caller's
  std::vector<CudnnDescriptor> owned;
  std::vector<cudnnBackendDescriptor_t> operations;
};

/// A finalized device description from cuDNN's JSON form (cuDNN 9.8 and later).
Expected<CudnnDescriptor> describeDevice(const CudnnApi &api, const std::string &json);

/// The pointers of one execution: parallel ids and addresses.
Status executeGraph(const CudnnApi &api, cudnnHandle_t handle, const GraphPlan &plan, std::span<const int64_t> ids,
                    std::span<void *const> pointers, void *workspace, const std::string &what);

} // namespace ft::rt
