// Reservations and host transfers of the CUDA driver.
#include "runtime/Device/Cuda/CudaDevice.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

void *alignUp(void *pointer, uint64_t alignment) {
  const uint64_t address = reinterpret_cast<uint64_t>(pointer);
  return reinterpret_cast<void *>((address + alignment - 1) / alignment * alignment);
}

} // namespace

Expected<void *> CudaDevice::reserve(plan::Arena::Space space, uint64_t size, uint64_t alignment) {
  if (alignment == 0 || (alignment & (alignment - 1)))
    return badInput(fmt::format("an arena's alignment is {}; must be a power of two", alignment));
  const PreferNode prefer(space == plan::Arena::DEVICE ? HostNode() : node);
  if (space == plan::Arena::HOST) {
    FT_ASSIGN_OR_RETURN(void *const reserved, pageable.reserve(size, alignment));
    reservations.push_back({space, reserved, size});
    return reserved;
  }
  // cuMemAlloc and cuMemHostAlloc align to 256 bytes at least.
  constexpr uint64_t Given = 256;
  const uint64_t total = std::max<uint64_t>(size, 1) + (alignment > Given ? alignment : 0);
  CUdeviceptr address = 0;
  void *memory = nullptr;
  const bool onDevice = space == plan::Arena::DEVICE;
  if (total < size)
    return cannotRun(fmt::format("an arena of {} bytes is larger than any memory", size));
  const CUresult result =
      onDevice ? driver.memAlloc(&address, total) : driver.memHostAlloc(&memory, total, CU_MEMHOSTALLOC_PORTABLE);
  if (result == CUDA_ERROR_OUT_OF_MEMORY || result == CUDA_ERROR_INVALID_VALUE) {
    size_t available = 0, all = 0;
    driver.memGetInfo(&available, &all);
    return cannotRun(onDevice
                         ? fmt::format("an arena of {} bytes does not fit: {}, {}, has {} bytes free of {}; see what "
                                       "else runs there (nvidia-smi lists it), or compile for a smaller footprint",
                                       size, description.place, description.name, available, all)
                         : fmt::format("{} bytes of host memory cannot be page-locked (the system's free memory and "
                                       "limits decide); compile for a smaller footprint",
                                       size));
  }
  FT_RETURN_IF_ERROR(driver.check(result, fmt::format("reserving {} bytes", size)));
  if (onDevice)
    memory = reinterpret_cast<void *>(address);
  reservations.push_back({space, memory, total});
  void *aligned = alignUp(memory, alignment);
  if (!onDevice) {
    fillBytes(aligned, size, 0);
    return aligned;
  }
  if (size)
    FT_RETURN_IF_ERROR(driver.check(driver.memsetD8(reinterpret_cast<CUdeviceptr>(aligned), 0, size),
                                    fmt::format("clearing {} bytes", size)));
  // The streams do not wait for the null stream, on which this was cleared.
  FT_RETURN_IF_ERROR(synchronize());
  return aligned;
}

Status CudaDevice::upload(uint32_t stream, void *target, const void *host, uint64_t bytes) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (bytes == 0)
    return {};
  return driver.check(driver.memcpyAsync(reinterpret_cast<CUdeviceptr>(target), reinterpret_cast<CUdeviceptr>(host),
                                         bytes, streams[stream]),
                      fmt::format("uploading {} bytes", bytes));
}

Status CudaDevice::download(uint32_t stream, void *host, const void *source, uint64_t bytes) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (bytes == 0)
    return {};
  return driver.check(driver.memcpyAsync(reinterpret_cast<CUdeviceptr>(host), reinterpret_cast<CUdeviceptr>(source),
                                         bytes, streams[stream]),
                      fmt::format("downloading {} bytes", bytes));
}

// Pinned memory has one address on host and device.
Status CudaDevice::write(uint32_t stream, uint32_t *word, uint32_t value) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  return driver.check(driver.streamWriteValue32(streams[stream], reinterpret_cast<CUdeviceptr>(word), value,
                                                CU_STREAM_WRITE_VALUE_DEFAULT),
                      "writing where the GPU is");
}

uint64_t CudaDevice::usedBytes() {
  size_t available = 0, total = 0;
  return driver.memGetInfo(&available, &total) == CUDA_SUCCESS ? total - available : 0;
}

} // namespace ft::rt
