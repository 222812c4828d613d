#include "runtime/Weights/FillFp8.h"

#include "runtime/Plan/Fp8.h"
#include "runtime/Plan/Fp8Rows.h"
#include "runtime/Support/Parallel.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/ReadAhead.h"

#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

float fp8Quantize(std::span<const float> row, std::byte *codes) {
  float largest = 0;
  for (const float value : row)
    largest = std::max(largest, std::fabs(value));
  const float scale = plan::fp8Scale(largest), inverse = 1 / scale;
  for (const float value : row)
    *codes++ = static_cast<std::byte>(plan::e4m3Code(value * inverse));
  return scale;
}

namespace {

/// `codes` is where the layout begins, `scales` that of the first row.
Status quantize(const Fp8Fill &fill, std::byte *codes, float *scales, uint32_t threads) {
  const uint64_t rows = fill.tensor->shape(0), columns = fill.tensor->shape(1);
  const plan::Fp8Rows places = *plan::Fp8Rows::of(*fill.tensor); // as checkPlan has made sure
  std::atomic<uint64_t> bad{rows * columns};
  ReadAhead ahead(fill.numbers, rows * columns, columns);
  parallelFor(threads, rows, [&](uint64_t row) {
    const ReadAhead::Reading reading = ahead.begin(row);
    std::vector<float> numbers(columns);
    std::vector<std::byte> coded(columns);
    fill.numbers(row * columns, columns, reinterpret_cast<std::byte *>(numbers.data()));
    const uint64_t first = firstNotFinite(plan::F32, reinterpret_cast<const std::byte *>(numbers.data()), columns);
    if (first < columns && !fill.source.empty()) {
      const uint64_t found = row * columns + first;
      for (uint64_t known = bad; found < known && !bad.compare_exchange_weak(known, found);)
        ;
      return;
    }
    scales[places.indexOf(row)] = fp8Quantize(numbers, coded.data());
    scatter(fill.layout, row * columns, columns, coded.data(), codes, fill.layout.begin());
  });
  return bad == rows * columns ? Status() : notFinite(fill.source, bad, rows * columns, plan::F32);
}

/// Where the host cannot write: the codes from the first to the last, and the scales, each in one piece.
Status quantizeApart(const Fp8Fill &fill, const LoadTarget &target, std::vector<std::byte> &own, uint32_t threads) {
  const plan::Tensor &tensor = *fill.tensor;
  if (!target.sink)
    return failed(
        fmt::format("tensor \"{}\" lies in a buffer that the host cannot write, and there is no way to upload "
                    "it",
                    tensor.key()));
  const uint64_t bytes = fill.layout.end() - fill.layout.begin();
  std::span<std::byte> image = target.staging;
  if (bytes > image.size()) {
    own.resize(std::max<uint64_t>(own.size(), bytes));
    image = own;
  }
  image = image.first(bytes);
  std::memset(image.data(), 0, bytes);
  std::vector<float> scales(plan::Fp8Rows::of(tensor)->count());
  FT_RETURN_IF_ERROR(quantize(fill, image.data(), scales.data(), threads));
  FT_RETURN_IF_ERROR(target.send(tensor.buffer(), fill.layout.begin(), image));
  return target.send(tensor.buffer(), tensor.quantization().scales_offset(), std::as_bytes(std::span(scales)));
}

} // namespace

Status runFp8Fills(const std::vector<Fp8Fill> &fills, const LoadTarget &target, uint32_t threads) {
  std::vector<std::byte> own;
  for (const Fp8Fill &fill : fills) {
    std::byte *base = target.hostBuffer ? target.hostBuffer(fill.tensor->buffer()) : nullptr;
    if (base) {
      auto *scales = reinterpret_cast<float *>(base + fill.tensor->quantization().scales_offset());
      FT_RETURN_IF_ERROR(quantize(fill, base + fill.layout.begin(), scales, threadCount(threads)));
    } else {
      FT_RETURN_IF_ERROR(quantizeApart(fill, target, own, threadCount(threads)));
    }
    if (target.made)
      target.made(fill.layout.count());
  }
  return {};
}

} // namespace ft::rt
