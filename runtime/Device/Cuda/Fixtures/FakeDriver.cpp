// A libcuda.so.1 for tests on machines without a GPU: "device" memory is host memory, work is done when it is
// enqueued, captures are replayed as lists. It knows two kernels by name. Enough as well for cuDNN to build plans for
// a described device; executing them fails.
#include <cuda.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#undef cuEventElapsedTime

namespace {

constexpr size_t TotalBytes = size_t(1) << 34;

struct Work {
  std::vector<std::function<void()>> nodes;
};
struct Event {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
};
thread_local Work *capturing = nullptr; // captures are of one thread each

CUresult enqueue(std::function<void()> work) {
  if (capturing)
    capturing->nodes.push_back(std::move(work));
  else
    work();
  return CUDA_SUCCESS;
}

std::byte *at(CUdeviceptr address) { return reinterpret_cast<std::byte *>(address); }

template <typename T> T argument(void **arguments, int i) {
  T value;
  std::memcpy(&value, arguments[i], sizeof value);
  return value;
}

/// out[i] = 3 · a[i] + b[i], the kernel of the conformance suite.
void scaleAdd(void **arguments, std::function<void()> &work) {
  auto *a = argument<const float *>(arguments, 0), *b = argument<const float *>(arguments, 1);
  auto *out = argument<float *>(arguments, 2);
  auto items = argument<int64_t>(arguments, 3);
  work = [=] {
    for (int64_t i = 0; i < items; ++i)
      out[i] = 3.0f * a[i] + b[i];
  };
}

/// The driver's own kernel, see NormKernel.cpp.
void norm(void **arguments, std::function<void()> &work) {
  auto *values = argument<const double *>(arguments, 0);
  auto *out = argument<double *>(arguments, 1);
  auto count = argument<uint32_t>(arguments, 2);
  work = [=] {
    double sum = 0;
    for (uint32_t i = 0; i < count; ++i)
      sum += values[i] * values[i];
    *out = std::sqrt(sum);
  };
}

/// Likewise, see OffsetScaler.cpp.
void scaleOffsets(void **arguments, std::function<void()> &work) {
  auto *offsets = argument<const int32_t *>(arguments, 0);
  auto *out = argument<std::byte *>(arguments, 1);
  auto count = argument<uint32_t>(arguments, 2), pitch = argument<uint32_t>(arguments, 3);
  int32_t factors[3];
  for (int j = 0; j < 3; ++j)
    factors[j] = argument<int32_t>(arguments, 4 + j);
  work = [=] {
    for (int j = 0; j < 3; ++j)
      for (uint32_t i = 0; i < count; ++i)
        reinterpret_cast<int32_t *>(out + size_t(j) * pitch)[i] = offsets[i] * factors[j];
  };
}

} // namespace

extern "C" {

CUresult cuInit(unsigned) { return CUDA_SUCCESS; }
CUresult cuDriverGetVersion(int *version) { return *version = 13000, CUDA_SUCCESS; }
CUresult cuGetErrorName(CUresult, const char **name) { return *name = "FAKE", CUDA_SUCCESS; }
CUresult cuGetErrorString(CUresult, const char **text) { return *text = "an error of the fake driver", CUDA_SUCCESS; }
CUresult cuDeviceGetCount(int *count) {
  const char *said = std::getenv("FTC_FAKE_GPUS");
  return *count = said ? std::atoi(said) : 1, CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) { return *device = ordinal, CUDA_SUCCESS; }
CUresult cuDeviceGetName(char *name, int size, CUdevice) {
  std::strncpy(name, "Fake GPU", size);
  return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) { return *bytes = TotalBytes, CUDA_SUCCESS; }
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice) {
  *value = attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 9 : 0;
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice) {
  *context = reinterpret_cast<CUcontext>(1);
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }
CUresult cuCtxEnablePeerAccess(CUcontext, unsigned int) { return CUDA_SUCCESS; }
CUresult cuDeviceCanAccessPeer(int *can, CUdevice, CUdevice) { return *can = 1, CUDA_SUCCESS; }
CUresult cuCtxSynchronize() { return CUDA_SUCCESS; }
CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  *available = *total = TotalBytes;
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  if (bytes > TotalBytes)
    return CUDA_ERROR_OUT_OF_MEMORY;
  *memory = std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  std::memset(*memory, 0xA5, bytes); // as uninitialised as real memory
  return CUDA_SUCCESS;
}
CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  return cuMemHostAlloc(reinterpret_cast<void **>(address), bytes, 0);
}
CUresult cuMemFreeHost(void *memory) { return std::free(memory), CUDA_SUCCESS; }
CUresult cuMemFree_v2(CUdeviceptr address) { return cuMemFreeHost(at(address)); }
CUresult cuMemsetD8_v2(CUdeviceptr address, unsigned char value, size_t bytes) {
  return std::memset(at(address), value, bytes), CUDA_SUCCESS;
}
CUresult cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t bytes, CUstream) {
  return enqueue([=] { std::memset(at(address), value, bytes); });
}
CUresult cuMemsetD2D8Async(CUdeviceptr address, size_t pitch, unsigned char value, size_t width, size_t height,
                           CUstream) {
  if (pitch < width)
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue([=] {
    for (size_t row = 0; row < height; ++row)
      std::memset(at(address) + row * pitch, value, width);
  });
}
CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream) {
  return enqueue([=] { std::memcpy(at(dst), at(src), bytes); });
}
CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *box, CUstream) {
  if (box->srcPitch < box->WidthInBytes || box->dstPitch < box->WidthInBytes || box->srcHeight < box->Height ||
      box->dstHeight < box->Height)
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue([b = *box] {
    for (size_t z = 0; z < b.Depth; ++z)
      for (size_t y = 0; y < b.Height; ++y)
        std::memcpy(at(b.dstDevice) + (z * b.dstHeight + y) * b.dstPitch,
                    at(b.srcDevice) + (z * b.srcHeight + y) * b.srcPitch, b.WidthInBytes);
  });
}
CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *rows, CUstream stream) {
  CUDA_MEMCPY3D box{};
  box.srcDevice = rows->srcDevice, box.dstDevice = rows->dstDevice;
  box.srcPitch = rows->srcPitch, box.dstPitch = rows->dstPitch;
  box.srcHeight = box.dstHeight = box.Height = rows->Height;
  box.WidthInBytes = rows->WidthInBytes, box.Depth = 1;
  return cuMemcpy3DAsync_v2(&box, stream);
}

CUresult cuStreamCreate(CUstream *stream, unsigned) {
  *stream = reinterpret_cast<CUstream>(new char);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) { return delete reinterpret_cast<char *>(stream), CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream) { return CUDA_SUCCESS; }
CUresult cuStreamWriteValue32_v2(CUstream, CUdeviceptr address, cuuint32_t value, unsigned) {
  return enqueue([=] { *reinterpret_cast<volatile uint32_t *>(at(address)) = value; });
}
CUresult cuStreamWaitEvent(CUstream, CUevent, unsigned) { return CUDA_SUCCESS; }
CUresult cuEventCreate(CUevent *event, unsigned) {
  *event = reinterpret_cast<CUevent>(new Event);
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy_v2(CUevent event) { return delete reinterpret_cast<Event *>(event), CUDA_SUCCESS; }
CUresult cuEventRecord(CUevent event, CUstream) {
  return enqueue([=] { *reinterpret_cast<Event *>(event) = {std::chrono::steady_clock::now(), true}; });
}
CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned flags) {
  // Refused as the driver does: an external record belongs to a capture. A plain one there would not be in the graph.
  if (flags != (capturing ? CU_EVENT_RECORD_EXTERNAL : CU_EVENT_RECORD_DEFAULT))
    return CUDA_ERROR_INVALID_VALUE;
  return cuEventRecord(event, stream);
}
CUresult cuEventSynchronize(CUevent) { return CUDA_SUCCESS; }
CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  auto *first = reinterpret_cast<Event *>(from), *last = reinterpret_cast<Event *>(to);
  if (!first->recorded || !last->recorded)
    return CUDA_ERROR_INVALID_HANDLE;
  *milliseconds = std::chrono::duration<float, std::milli>(last->time - first->time).count();
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream, CUstreamCaptureMode mode) {
  if (capturing || mode != CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
    return CUDA_ERROR_ILLEGAL_STATE;
  capturing = new Work;
  return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream, CUgraph *graph) {
  *graph = reinterpret_cast<CUgraph>(capturing);
  return std::exchange(capturing, nullptr) ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_STATE;
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long) {
  *executable = reinterpret_cast<CUgraphExec>(new Work(*reinterpret_cast<Work *>(graph)));
  return CUDA_SUCCESS;
}
CUresult cuGraphUpload(CUgraphExec, CUstream) { return CUDA_SUCCESS; }
CUresult cuGraphLaunch(CUgraphExec executable, CUstream) {
  for (auto &node : reinterpret_cast<Work *>(executable)->nodes)
    node();
  return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph graph) { return delete reinterpret_cast<Work *>(graph), CUDA_SUCCESS; }
CUresult cuGraphExecDestroy(CUgraphExec graph) { return delete reinterpret_cast<Work *>(graph), CUDA_SUCCESS; }

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *options, void **values) {
  const char *text = static_cast<const char *>(image);
  if (!std::strstr(text, ".entry")) {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == CU_JIT_ERROR_LOG_BUFFER)
        std::strcpy(static_cast<char *>(values[i]), "ptxas fatal: no entry");
    return CUDA_ERROR_INVALID_PTX;
  }
  *module = reinterpret_cast<CUmodule>(strdup(text));
  return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule module) { return std::free(module), CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  using Kernel = void (*)(void **, std::function<void()> &);
  Kernel known = !std::strcmp(name, "scaleAdd")            ? scaleAdd
                 : !std::strcmp(name, "ftc_scale_offsets") ? scaleOffsets
                 : !std::strcmp(name, "ftc_norm")          ? norm
                                                           : nullptr;
  if (!known || !std::strstr(reinterpret_cast<char *>(module), name))
    return CUDA_ERROR_NOT_FOUND;
  *function = reinterpret_cast<CUfunction>(known);
  return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) { return CUDA_SUCCESS; }
CUresult cuLaunchKernel(CUfunction function, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned, unsigned,
                        unsigned, CUstream, void **arguments, void **) {
  if (blocks == 0 || threads == 0)
    return CUDA_ERROR_INVALID_VALUE;
  std::function<void()> work;
  reinterpret_cast<void (*)(void **, std::function<void()> &)>(function)(arguments, work);
  return enqueue(std::move(work));
}
CUresult cuLaunchHostFunc(CUstream, CUhostFn function, void *data) {
  return enqueue([=] { function(data); });
}
} // extern "C"
