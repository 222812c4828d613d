#include "runtime/Device/Cuda/CudnnGraph.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ft::rt {

CudnnDescriptor &CudnnDescriptor::operator=(CudnnDescriptor &&other) noexcept {
  if (this != &other) {
    if (held)
      library->destroyDescriptor(held);
    library = other.library;
    held = other.release();
  }
  return *this;
}

CudnnDescriptor::~CudnnDescriptor() {
  if (held)
    library->destroyDescriptor(held);
}

cudnnBackendDescriptor_t CudnnDescriptor::release() { return std::exchange(held, nullptr); }

cudnnBackendDescriptor_t CudnnGraph::make(cudnnBackendDescriptorType_t type) {
  if (!first.ok())
    return nullptr;
  cudnnBackendDescriptor_t descriptor = nullptr;
  first = api.check(api.createDescriptor(type, &descriptor), text);
  if (first.ok())
    owned.emplace_back(api, descriptor);
  return descriptor;
}

void CudnnGraph::set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type, int64_t count, const void *values) {
  if (first.ok())
    first = api.check(api.setAttribute(descriptor, name, type, count, values), text);
}

void CudnnGraph::set(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name, const GraphTensor &value) {
  set(descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.descriptor);
}

void CudnnGraph::finalize(cudnnBackendDescriptor_t descriptor) {
  if (first.ok())
    first = api.check(api.finalize(descriptor), text);
}

void CudnnGraph::operation(cudnnBackendDescriptor_t descriptor) {
  finalize(descriptor);
  operations.push_back(descriptor);
}

GraphTensor CudnnGraph::tensor(const TensorSpec &spec) {
  GraphTensor tensor{make(CUDNN_BACKEND_TENSOR_DESCRIPTOR), spec.sizes, spec.strides};
  const int64_t id = spec.id ? spec.id : nextVirtual++;
  const int64_t alignment = spec.byValue ? 4 : 16;
  const bool isVirtual = spec.id == 0;
  const int64_t rank = static_cast<int64_t>(spec.sizes.size());
  cudnnBackendDescriptor_t d = tensor.descriptor;
  set(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &spec.type);
  set(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, rank, spec.sizes.data());
  set(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, rank, spec.strides.data());
  set(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
  set(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  set(d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &isVirtual);
  set(d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &spec.byValue);
  if (spec.raggedOffset)
    set(d, CUDNN_ATTR_TENSOR_RAGGED_OFFSET_DESC, *spec.raggedOffset);
  finalize(d);
  return tensor;
}

void CudnnGraph::matmul(const GraphTensor &a, const GraphTensor &b, const GraphTensor &c, const Overrides &overrides) {
  const cudnnDataType_t precision = CUDNN_DATA_FLOAT;
  GraphTensor description{make(CUDNN_BACKEND_MATMUL_DESCRIPTOR), {}, {}};
  set(description.descriptor, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &precision);
  finalize(description.descriptor);
  cudnnBackendDescriptor_t op = make(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  set(op, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a);
  set(op, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b);
  set(op, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c);
  set(op, CUDNN_ATTR_OPERATION_MATMUL_DESC, description);
  if (overrides.m)
    set(op, CUDNN_ATTR_OPERATION_MATMUL_GEMM_M_OVERRIDE_DESC, *overrides.m);
  if (overrides.n)
    set(op, CUDNN_ATTR_OPERATION_MATMUL_GEMM_N_OVERRIDE_DESC, *overrides.n);
  if (overrides.k)
    set(op, CUDNN_ATTR_OPERATION_MATMUL_GEMM_K_OVERRIDE_DESC, *overrides.k);
  operation(op);
}

struct CudnnGraph::PointwiseOperands {
  const GraphTensor &x, &y;
  const GraphTensor *b = nullptr, *mask = nullptr;
};

void CudnnGraph::pointwise(cudnnPointwiseMode_t mode, const PointwiseOperands &operands, cudnnDataType_t precision,
                           int64_t axis) {
  GraphTensor description{make(CUDNN_BACKEND_POINTWISE_DESCRIPTOR), {}, {}};
  set(description.descriptor, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  set(description.descriptor, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &precision);
  if (axis >= 0)
    set(description.descriptor, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &axis);
  finalize(description.descriptor);
  cudnnBackendDescriptor_t op = make(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  set(op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, description);
  set(op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, operands.x);
  if (operands.b)
    set(op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *operands.b);
  if (operands.mask)
    set(op, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *operands.mask);
  set(op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, operands.y);
  operation(op);
}

void CudnnGraph::pointwise(cudnnPointwiseMode_t mode, const GraphTensor &x, const GraphTensor &y,
                           cudnnDataType_t precision) {
  pointwise(mode, {x, y}, precision, -1);
}

void CudnnGraph::pointwise(cudnnPointwiseMode_t mode, const GraphTensor &x, const GraphTensor &b, const GraphTensor &y,
                           cudnnDataType_t precision) {
  pointwise(mode, {x, y, &b}, precision, -1);
}

void CudnnGraph::select(const GraphTensor &x, const GraphTensor &b, const GraphTensor &mask, const GraphTensor &y) {
  pointwise(CUDNN_POINTWISE_BINARY_SELECT, {x, y, &b, &mask}, CUDNN_DATA_FLOAT, -1);
}

void CudnnGraph::index(const GraphTensor &x, int64_t axis, const GraphTensor &y, cudnnDataType_t precision) {
  pointwise(CUDNN_POINTWISE_GEN_INDEX, {x, y}, precision, axis);
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t mode, const GraphTensor &x, const GraphTensor &y) {
  const cudnnDataType_t precision = CUDNN_DATA_FLOAT;
  GraphTensor description{make(CUDNN_BACKEND_REDUCTION_DESCRIPTOR), {}, {}};
  set(description.descriptor, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &mode);
  set(description.descriptor, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &precision);
  finalize(description.descriptor);
  cudnnBackendDescriptor_t op = make(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  set(op, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x);
  set(op, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y);
  set(op, CUDNN_ATTR_OPERATION_REDUCTION_DESC, description);
  operation(op);
}

void CudnnGraph::reshape(const GraphTensor &x, const GraphTensor &y) {
  cudnnBackendDescriptor_t op = make(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  set(op, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x);
  set(op, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, y);
  operation(op);
}

std::vector<CudnnDescriptor> CudnnGraph::configurations(const PlanTarget &target, cudnnBackendDescriptor_t graph) {
  cudnnBackendDescriptor_t heuristics = make(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
  set(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &graph);
  set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  if (target.properties)
    set(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &target.properties);
  finalize(heuristics);
  int64_t available = 0;
  if (first.ok())
    first = api.check(api.getAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                       &available, nullptr),
                      text);
  std::vector<CudnnDescriptor> found;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < available && first.ok(); ++i) {
    cudnnBackendDescriptor_t configuration = nullptr;
    first = api.check(api.createDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configuration), text);
    found.emplace_back(api, configuration);
    raw.push_back(configuration);
  }
  int64_t filled = 0;
  if (first.ok() && available)
    first = api.check(api.getAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                       available, &filled, raw.data()),
                      text);
  found.erase(found.begin() + std::min<int64_t>(filled, static_cast<int64_t>(found.size())), found.end());
  return found;
}

Expected<GraphPlan> CudnnGraph::finish(const PlanTarget &target, cudnnBackendDescriptor_t configuration) {
  cudnnBackendDescriptor_t raw = nullptr;
  FT_RETURN_IF_ERROR(api.check(api.createDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &raw), text));
  GraphPlan result{CudnnDescriptor(api, raw), 0};
  FT_RETURN_IF_ERROR(api.check(
      target.handle ? api.setAttribute(raw, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle)
                    : api.setAttribute(raw, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                       &target.properties),
      text));
  FT_RETURN_IF_ERROR(api.check(
      api.setAttribute(raw, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &configuration),
      text));
  FT_RETURN_IF_ERROR(api.check(api.finalize(raw), text));
  int64_t count = 0, bytes = 0;
  FT_RETURN_IF_ERROR(api.check(
      api.getAttribute(raw, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes), text));
  result.workspaceBytes = static_cast<uint64_t>(bytes);
  return result;
}

Expected<GraphPlan> CudnnGraph::build(const PlanTarget &target, const WorkspaceLimit &limit) {
  cudnnBackendDescriptor_t graph = make(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (target.handle)
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target.handle);
  set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, static_cast<int64_t>(operations.size()),
      operations.data());
  finalize(graph);
  const std::vector<CudnnDescriptor> candidates = configurations(target, graph);
  if (!first.ok())
    return first;
  Status reason = cannotRun(text + ": cuDNN has no engine for it");
  uint64_t smallest = 0;
  for (const CudnnDescriptor &candidate : candidates) {
    auto result = finish(target, candidate.get());
    if (!result) {
      reason = cannotRun(result.status().message());
      continue;
    }
    const uint64_t needed = result->workspaceBytes + limit.ownBytes;
    if (needed <= limit.reservedBytes)
      return result;
    smallest = smallest ? std::min(smallest, needed) : needed;
  }
  if (smallest)
    return cannotRun(fmt::format("{}: needs a workspace of {} bytes, the plan reserves {}; reserve as much for this "
                                 "library version in the target file and compile again",
                                 text, smallest, limit.reservedBytes));
  return reason;
}

Expected<CudnnDescriptor> describeDevice(const CudnnApi &api, const std::string &json) {
  cudnnBackendDescriptor_t raw = nullptr;
  const std::string what = "describing a device to cuDNN";
  FT_RETURN_IF_ERROR(api.check(api.createDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &raw), what));
  CudnnDescriptor properties(api, raw);
  FT_RETURN_IF_ERROR(api.check(api.setAttribute(raw, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                                                static_cast<int64_t>(json.size()), json.data()),
                               what));
  FT_RETURN_IF_ERROR(api.check(api.finalize(raw), what));
  return properties;
}

Status executeGraph(const CudnnApi &api, cudnnHandle_t handle, const GraphPlan &plan, std::span<const int64_t> ids,
                    std::span<void *const> pointers, void *workspace, const std::string &what) {
  cudnnBackendDescriptor_t raw = nullptr;
  FT_RETURN_IF_ERROR(api.check(api.createDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &raw), what));
  const CudnnDescriptor pack(api, raw);
  FT_RETURN_IF_ERROR(api.check(api.setAttribute(raw, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
                                                static_cast<int64_t>(pointers.size()), pointers.data()),
                               what));
  FT_RETURN_IF_ERROR(api.check(api.setAttribute(raw, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
                                                static_cast<int64_t>(ids.size()), ids.data()),
                               what));
  FT_RETURN_IF_ERROR(
      api.check(api.setAttribute(raw, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace), what));
  FT_RETURN_IF_ERROR(api.check(api.finalize(raw), what));
  return api.check(api.execute(handle, plan.plan.get(), raw), what);
}

} // namespace ft::rt
