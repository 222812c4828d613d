#include "runtime/Weights/Layout.h"

#include "runtime/Plan/Shares.h"
#include "runtime/Weights/Convert.h"

#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

namespace {

Status problem(const plan::Tensor &tensor, std::string_view what) {
  return badInput(fmt::format("plan: tensor \"{}\": {}; compile the plan again", tensor.key(), what));
}

Status checkFields(const plan::Plan &plan, const plan::Tensor &tensor) {
  if (!plan::DType_IsValid(tensor.dtype()) || tensor.dtype() == plan::DTYPE_UNSPECIFIED)
    return problem(tensor, fmt::format("dtype {} is unknown", int(tensor.dtype())));
  if (tensor.buffer() >= uint32_t(plan.buffers_size()))
    return problem(tensor, fmt::format("buffer {} of {}", tensor.buffer(), plan.buffers_size()));
  if (tensor.sizes_size() != tensor.strides_size())
    return problem(tensor, fmt::format("{} sizes but {} strides", tensor.sizes_size(), tensor.strides_size()));
  uint64_t shaped = elementCount(spanOf(tensor.shape())), sized = elementCount(spanOf(tensor.sizes()));
  if (shaped != sized || shaped == UINT64_MAX)
    return problem(tensor, fmt::format("shape {} and sizes {} hold different numbers of elements",
                                       shapeText(spanOf(tensor.shape())), shapeText(spanOf(tensor.sizes()))));
  return {};
}

} // namespace

Expected<Layout> Layout::of(const plan::Plan &plan, const plan::Tensor &tensor) {
  FT_RETURN_IF_ERROR(checkFields(plan, tensor));
  Layout layout;
  layout.elementSize = dtypeBytes(tensor.dtype());
  layout.elements = elementCount(spanOf(tensor.sizes()));
  layout.first = tensor.offset();
  uint64_t extent = layout.elements ? layout.elementSize : 0;
  for (int i = 0; i < tensor.sizes_size() && layout.elements; ++i) {
    if (tensor.sizes(i) == 1)
      continue;
    Dimension dimension{tensor.sizes(i), 0};
    uint64_t reach = 0;
    if (__builtin_mul_overflow(tensor.strides(i), layout.elementSize, &dimension.strideBytes) ||
        __builtin_mul_overflow(dimension.strideBytes, dimension.size - 1, &reach) ||
        __builtin_add_overflow(extent, reach, &extent))
      return problem(tensor, "its strides exceed 64 bits");
    layout.outer.push_back(dimension);
  }
  uint64_t bufferSize = plan::wholeBytes(plan.buffers(tensor.buffer()));
  if (layout.first > bufferSize || extent > bufferSize - layout.first)
    return problem(tensor, fmt::format("its {} bytes from offset {} leave buffer \"{}\" of {} bytes", extent,
                                       layout.first, plan.buffers(tensor.buffer()).name(), bufferSize));
  layout.last = layout.first + extent;

  // In the order of strides, each dimension must step over all that the smaller ones reach: then no two elements meet.
  std::vector<Dimension> byStride = layout.outer;
  std::sort(byStride.begin(), byStride.end(),
            [](const Dimension &a, const Dimension &b) { return a.strideBytes < b.strideBytes; });
  uint64_t reached = layout.elementSize;
  for (const Dimension &dimension : byStride) {
    if (dimension.strideBytes < reached)
      return problem(tensor, fmt::format("a stride of {} bytes makes elements overlap", dimension.strideBytes));
    reached += dimension.strideBytes * (dimension.size - 1);
  }

  while (!layout.outer.empty() && layout.outer.back().strideBytes == layout.run * layout.elementSize) {
    layout.run *= layout.outer.back().size;
    layout.outer.pop_back();
  }
  return layout;
}

bool Layout::isAscending() const {
  return std::is_sorted(outer.begin(), outer.end(),
                        [](const Dimension &a, const Dimension &b) { return a.strideBytes > b.strideBytes; });
}

std::pair<uint64_t, uint64_t> Layout::elementsIn(uint64_t begin, uint64_t end) const {
  if (!isAscending() || elements == 0)
    return {0, elements};
  const uint64_t runs = elements / run;
  // Elements before `offset`: of the runs that begin before it, all but the last are whole.
  const auto before = [&](uint64_t offset) -> uint64_t {
    uint64_t low = 0, high = runs;
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      if (addressOfRun(middle) < offset)
        low = middle + 1;
      else
        high = middle;
    }
    return low == 0 ? 0 : (low - 1) * run + std::min(run, (offset - addressOfRun(low - 1)) / elementSize);
  };
  return {before(begin), std::max(before(begin), before(end))};
}

void scatter(const Layout &layout, uint64_t from, uint64_t number, const std::byte *dense, std::byte *base,
             uint64_t baseOffset) {
  layout.forRuns(from, number, [&](uint64_t offset, uint64_t index, uint64_t n) {
    std::memcpy(base + (offset - baseOffset), dense + (index - from) * layout.elementBytes(),
                n * layout.elementBytes());
  });
}

void gather(const Layout &layout, uint64_t from, uint64_t number, const std::byte *base, uint64_t baseOffset,
            std::byte *dense) {
  layout.forRuns(from, number, [&](uint64_t offset, uint64_t index, uint64_t n) {
    std::memcpy(dense + (index - from) * layout.elementBytes(), base + (offset - baseOffset),
                n * layout.elementBytes());
  });
}

} // namespace ft::rt
