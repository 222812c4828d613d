#include "runtime/Plan/SavedState.h"

#include "runtime/Plan/Kinds.h"

#include <algorithm>
#include <map>

using namespace ft;
using namespace ft::plan;

bool plan::isSaved(Tensor::Role role) {
  return role == Tensor::TRAINABLE || role == Tensor::ADAPTER || role == Tensor::EXP_AVG || role == Tensor::EXP_AVG_SQ;
}

/// The bytes of its buffer from a tensor's first element to behind its last.
static std::pair<uint64_t, uint64_t> extentOf(const Tensor &tensor) {
  uint64_t last = 0; // in elements from the first
  for (int i = 0; i < tensor.sizes_size(); ++i)
    last += (tensor.sizes(i) - 1) * tensor.strides(i);
  return {tensor.offset(), tensor.offset() + (last + 1) * dtypeBytes(tensor.dtype())};
}

SavedState plan::savedState(const Plan &plan) {
  constexpr uint64_t alignment = 256;
  SavedState state;
  std::map<uint32_t, SavedRange> ranges;
  for (int i = 0; i < plan.tensors_size(); ++i) {
    const Tensor &tensor = plan.tensors(i);
    if (!isSaved(tensor.role()))
      continue;
    state.tensors.push_back(static_cast<uint32_t>(i));
    const auto [begin, end] = extentOf(tensor);
    auto [place, first] = ranges.try_emplace(tensor.buffer(), SavedRange{tensor.buffer(), begin, end, 0});
    place->second.begin = std::min(place->second.begin, begin);
    place->second.end = std::max(place->second.end, end);
  }
  for (auto &[buffer, range] : ranges) {
    range.staged = state.bytes;
    state.bytes += (range.end - range.begin + alignment - 1) / alignment * alignment;
    state.ranges.push_back(range);
  }
  return state;
}
