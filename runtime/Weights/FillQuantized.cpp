#include "runtime/Weights/FillQuantized.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Nf4.h"
#include "runtime/Weights/ReadAhead.h"

#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

namespace {

/// Blocks of one work item, and of one piece of it, whose numbers stay in the cache.
constexpr uint64_t itemBlocks = 4096, pieceBlocks = 64;

void put(std::byte *place, std::span<const std::byte> bytes) {
  if (!bytes.empty())
    std::memcpy(place, bytes.data(), bytes.size());
}

/// Writes codes; returns the first element that is not finite where that is checked, else `elements`.
uint64_t quantizeItem(const QuantizedFill &fill, uint64_t elements, uint64_t firstBlock, uint64_t lastBlock,
                      std::byte *codes, float *scales) {
  float numbers[pieceBlocks * plan::nf4Block];
  for (uint64_t block = firstBlock; block < lastBlock; block += pieceBlocks) {
    const uint64_t first = block * plan::nf4Block;
    const uint64_t count = std::min(std::min(lastBlock, block + pieceBlocks) * plan::nf4Block, elements) - first;
    fill.numbers(first, count, reinterpret_cast<std::byte *>(numbers));
    const uint64_t bad = firstNotFinite(plan::F32, reinterpret_cast<const std::byte *>(numbers), count);
    if (bad < count && !fill.source.empty())
      return first + bad;
    nf4Quantize({numbers, count}, codes + block * plan::nf4Block / 2, scales + block);
  }
  return elements;
}

/// All codes and scales of numbers, in parallel.
Status quantize(const QuantizedFill &fill, uint64_t elements, std::byte *codes, std::span<float> scales,
                uint32_t threads) {
  std::atomic<uint64_t> bad{elements};
  constexpr uint64_t itemElements = itemBlocks * plan::nf4Block;
  ReadAhead ahead(fill.numbers, elements, itemElements);
  parallelFor(threads, (scales.size() + itemBlocks - 1) / itemBlocks, [&](uint64_t item) {
    const ReadAhead::Reading reading = ahead.begin(item);
    const uint64_t first = item * itemBlocks, last = std::min<uint64_t>(scales.size(), first + itemBlocks);
    uint64_t found = quantizeItem(fill, elements, first, last, codes, scales.data());
    for (uint64_t known = bad; found < known && !bad.compare_exchange_weak(known, found);)
      ;
  });
  return bad == elements ? Status() : notFinite(fill.source, bad, elements, plan::F32);
}

Status buildImage(const QuantizedFill &fill, std::byte *image, uint32_t threads) {
  const bool doubleQuant = fill.tensor->quantization().double_quant();
  const uint64_t elements = elementCount(spanOf(fill.tensor->shape()));
  const plan::Nf4Layout layout(elements, doubleQuant);
  std::vector<float> scales;
  if (fill.packed) {
    put(image, fill.packed->codes);
    if (fill.packed->doubleQuant && doubleQuant) {
      put(image + layout.scales, fill.packed->scales);
      put(image + layout.nestedScales, fill.packed->nestedScales);
      put(image + layout.nestedValues, fill.packed->nestedValues);
      put(image + layout.mean, std::as_bytes(std::span(&fill.packed->mean, 1)));
      return {};
    }
    scales = fill.packed->blockScales();
  } else {
    scales.resize(layout.blocks);
    FT_RETURN_IF_ERROR(quantize(fill, elements, image, scales, threads));
  }
  if (doubleQuant)
    nf4QuantizeScales(scales, layout, image);
  else
    put(image + layout.scales, std::as_bytes(std::span(scales)));
  return {};
}

} // namespace

Status runQuantizedFills(const std::vector<QuantizedFill> &fills, const LoadTarget &target, uint32_t threads) {
  std::vector<std::byte> own;
  for (const QuantizedFill &fill : fills) {
    const plan::Tensor &tensor = *fill.tensor;
    const uint64_t bytes =
        plan::Nf4Layout(elementCount(spanOf(tensor.shape())), tensor.quantization().double_quant()).bytes;
    std::byte *base = target.hostBuffer ? target.hostBuffer(tensor.buffer()) : nullptr;
    if (base) {
      FT_RETURN_IF_ERROR(buildImage(fill, base + tensor.offset(), threadCount(threads)));
      if (target.made)
        target.made(bytes);
      continue;
    }
    if (!target.sink)
      return failed(fmt::format("tensor \"{}\" lies in a buffer that the host cannot write, and there is no way to "
                                "upload it",
                                tensor.key()));
    std::span<std::byte> image = target.staging;
    if (bytes > image.size()) {
      own.resize(std::max<uint64_t>(own.size(), bytes));
      image = own;
    }
    image = image.first(bytes);
    std::memset(image.data(), 0, bytes);
    FT_RETURN_IF_ERROR(buildImage(fill, image.data(), threadCount(threads)));
    FT_RETURN_IF_ERROR(target.send(tensor.buffer(), tensor.offset(), image));
    if (target.made)
      target.made(bytes);
  }
  return {};
}

} // namespace ft::rt
