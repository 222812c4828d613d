// Copies and fills of strided regions.
#include "runtime/Device/Cuda/CudaDevice.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

CUdeviceptr addressOf(const Region &region) { return reinterpret_cast<CUdeviceptr>(region.base); }

/// Batches of one row are rows; rows without gaps between them are one row; the like for batches. What comes out is
/// the same bytes with as few dimensions as they need. `other` shares batch, rows and rowBytes and folds along.
void fold(Region &region, Region &other) {
  if (region.rows == 1 && region.batch > 1) {
    for (Region *each : {&region, &other}) {
      each->rows = each->batch;
      each->pitch = each->batchPitch;
      each->batch = 1;
    }
  }
  auto dense = [](const Region &r) {
    return r.pitch == r.rowBytes && (r.batch == 1 || r.batchPitch == r.rows * r.rowBytes);
  };
  if (region.rows > 1 && dense(region) && dense(other)) {
    for (Region *each : {&region, &other}) {
      each->rowBytes *= each->rows * each->batch;
      each->rows = each->batch = 1;
    }
  }
}

bool sameShape(const Region &a, const Region &b) {
  return a.batch == b.batch && a.rows == b.rows && a.rowBytes == b.rowBytes;
}

} // namespace

Status CudaDevice::copyRows(CUstream stream, const Region &dst, const Region &src) {
  const std::string what = fmt::format("copying {} x {} bytes", dst.rows, dst.rowBytes);
  if (dst.rows == 1)
    return driver.check(driver.memcpyAsync(addressOf(dst), addressOf(src), dst.rowBytes, stream), what);
  CUDA_MEMCPY2D rows{};
  // Unified: the driver tells device from page-locked host memory by the address.
  rows.srcMemoryType = rows.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  rows.srcDevice = addressOf(src);
  rows.dstDevice = addressOf(dst);
  rows.srcPitch = src.pitch;
  rows.dstPitch = dst.pitch;
  rows.WidthInBytes = dst.rowBytes;
  rows.Height = dst.rows;
  return driver.check(driver.memcpy2DAsync(&rows, stream), what);
}

Status CudaDevice::copy(uint32_t stream, const Region &dst, const Region &src) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (!sameShape(dst, src))
    return failed(fmt::format("copy: source {} x {} x {} bytes, destination {} x {} x {}", src.batch, src.rows,
                              src.rowBytes, dst.batch, dst.rows, dst.rowBytes));
  if (dst.rows == 0 || dst.rowBytes == 0 || dst.batch == 0)
    return {};
  Region to = dst, from = src;
  fold(to, from);
  const bool planes = to.batch > 1 && to.batchPitch % to.pitch == 0 && from.batchPitch % from.pitch == 0 &&
                      to.batchPitch >= to.rows * to.pitch && from.batchPitch >= from.rows * from.pitch;
  if (planes) {
    CUDA_MEMCPY3D boxes{};
    boxes.srcMemoryType = boxes.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
    boxes.srcDevice = addressOf(from);
    boxes.dstDevice = addressOf(to);
    boxes.srcPitch = from.pitch;
    boxes.dstPitch = to.pitch;
    boxes.srcHeight = from.batchPitch / from.pitch;
    boxes.dstHeight = to.batchPitch / to.pitch;
    boxes.WidthInBytes = to.rowBytes;
    boxes.Height = to.rows;
    boxes.Depth = to.batch;
    return driver.check(driver.memcpy3DAsync(&boxes, streams[stream]),
                        fmt::format("copying {} x {} x {} bytes", to.batch, to.rows, to.rowBytes));
  }
  // Batches that interleave, or whose distance is no multiple of the pitch.
  for (uint64_t batch = 0; batch < to.batch; ++batch) {
    Region target = to, source = from;
    target.base = static_cast<std::byte *>(to.base) + batch * to.batchPitch;
    source.base = static_cast<std::byte *>(from.base) + batch * from.batchPitch;
    FT_RETURN_IF_ERROR(copyRows(streams[stream], target, source));
  }
  return {};
}

Status CudaDevice::transpose(uint32_t stream, const Region &dst, const Region &src) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (!transposer.loaded())
    return failed("transpose: its kernel is not loaded");
  return transposer.run(streams[stream], dst, src);
}

Status CudaDevice::fill(uint32_t stream, const Region &dst, uint8_t value) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (dst.rows == 0 || dst.rowBytes == 0 || dst.batch == 0)
    return {};
  if (isHostMemory(dst.base))
    return fillHost(stream, dst, value);
  Region to = dst, same = dst;
  fold(to, same);
  const std::string what = fmt::format("filling {} x {} x {} bytes", to.batch, to.rows, to.rowBytes);
  for (uint64_t batch = 0; batch < to.batch; ++batch) {
    const CUdeviceptr base = addressOf(to) + batch * to.batchPitch;
    const CUresult result = to.rows == 1
                                ? driver.memsetD8Async(base, value, to.rowBytes, streams[stream])
                                : driver.memsetD2D8Async(base, to.pitch, value, to.rowBytes, to.rows, streams[stream]);
    FT_RETURN_IF_ERROR(driver.check(result, what));
  }
  return {};
}

} // namespace ft::rt
