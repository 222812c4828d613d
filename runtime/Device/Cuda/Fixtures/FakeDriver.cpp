// A libcuda.so.1 for tests on machines without a GPU: "device" memory is host memory, and when work is done FakeQueue.h
// says. It knows a few kernels by name. Enough as well for cuDNN to build plans for a described device; executing them
// fails.
#include "runtime/Device/Cuda/Fixtures/FakeQueue.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

using namespace ft::fake;

namespace {

constexpr size_t TotalBytes = size_t(1) << 34;

/// What other programs leave.
size_t freeBytes() {
  const char *taken = std::getenv("FTC_FAKE_GPU_TAKEN");
  return TotalBytes - (taken ? std::strtoull(taken, nullptr, 10) : 0);
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

/// The sum of equal shares of `Members` ranks, in their order, in the place of member `Own`; of -1: apart.
template <int Members, int Own> void sum(void **arguments, std::function<void()> &work) {
  const float *shares[Members];
  for (int member = 0; member < Members; ++member)
    shares[member] = argument<const float *>(arguments, member);
  float *out = argument<float *>(arguments, Own < 0 ? Members : Own);
  auto items = argument<int64_t>(arguments, Own < 0 ? Members + 1 : Members);
  work = [=] {
    for (int64_t i = 0; i < items; ++i) {
      float total = shares[0][i];
      for (int member = 1; member < Members; ++member)
        total += shares[member][i];
      out[i] = total;
    }
  };
}

using Kernel = void (*)(void **, std::function<void()> &);
constexpr std::pair<const char *, Kernel> known[] = {{"scaleAdd", scaleAdd}, {"ftc_scale_offsets", scaleOffsets},
                                                     {"ftc_norm", norm},     {"sum2_apart", sum<2, -1>},
                                                     {"sum2_0", sum<2, 0>},  {"sum2_1", sum<2, 1>},
                                                     {"sum4_0", sum<4, 0>}};

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
CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  *available = freeBytes(), *total = TotalBytes;
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  if (bytes > freeBytes())
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
CUresult cuMemsetD8Async(CUdeviceptr address, unsigned char value, size_t bytes, CUstream stream) {
  return enqueue(stream, [=] { std::memset(at(address), value, bytes); });
}
CUresult cuMemsetD2D8Async(CUdeviceptr address, size_t pitch, unsigned char value, size_t width, size_t height,
                           CUstream stream) {
  if (pitch < width)
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue(stream, [=] {
    for (size_t row = 0; row < height; ++row)
      std::memset(at(address) + row * pitch, value, width);
  });
}
CUresult cuMemcpyAsync(CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream) {
  return enqueue(stream, [=] { std::memcpy(at(dst), at(src), bytes); });
}
CUresult cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *box, CUstream stream) {
  if (box->srcPitch < box->WidthInBytes || box->dstPitch < box->WidthInBytes || box->srcHeight < box->Height ||
      box->dstHeight < box->Height)
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue(stream, [b = *box] {
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

CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, cuuint32_t value, unsigned) {
  return enqueue(stream, [=] { *reinterpret_cast<volatile uint32_t *>(at(address)) = value; });
}
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
  for (const auto &[entry, kernel] : known)
    if (!std::strcmp(name, entry) && std::strstr(reinterpret_cast<char *>(module), name))
      return *function = reinterpret_cast<CUfunction>(kernel), CUDA_SUCCESS;
  return CUDA_ERROR_NOT_FOUND;
}
CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) { return CUDA_SUCCESS; }
CUresult cuLaunchKernel(CUfunction function, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned, unsigned,
                        unsigned, CUstream stream, void **arguments, void **) {
  if (blocks == 0 || threads == 0)
    return CUDA_ERROR_INVALID_VALUE;
  std::function<void()> work;
  reinterpret_cast<void (*)(void **, std::function<void()> &)>(function)(arguments, work);
  return enqueue(stream, std::move(work));
}
CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *data) {
  return enqueue(stream, [=] { function(data); });
}
} // extern "C"
