#include "runtime/Plan/SavedState.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Shares.h"

#include <algorithm>
#include <map>

using namespace ft;
using namespace ft::plan;

bool plan::isState(Tensor::Role role) {
  return role == Tensor::EXP_AVG || role == Tensor::EXP_AVG_SQ || role == Tensor::EXP_AVG_SCALES ||
         role == Tensor::EXP_AVG_SQ_SCALES || role == Tensor::REMAINDER || role == Tensor::LOSS_SCALE;
}

bool plan::isSaved(Tensor::Role role) { return role == Tensor::TRAINABLE || role == Tensor::ADAPTER || isState(role); }

/// The bytes of its buffer from a tensor's first element to behind its last.
static std::pair<uint64_t, uint64_t> extentOf(const Tensor &tensor) {
  uint64_t last = 0; // in elements from the first
  for (int i = 0; i < tensor.sizes_size(); ++i)
    last += (tensor.sizes(i) - 1) * tensor.strides(i);
  return {tensor.offset(), tensor.offset() + (last + 1) * dtypeBytes(tensor.dtype())};
}

SavedState plan::savedState(const Plan &plan, uint32_t rank) {
  constexpr uint64_t alignment = 256;
  const Mesh mesh(plan);
  const Coordinates at = mesh.coordinates(rank);
  SavedState state;
  std::map<uint32_t, SavedRange> ranges;
  for (int i = 0; i < plan.tensors_size(); ++i) {
    const Tensor &tensor = plan.tensors(i);
    if (!isSaved(tensor.role()))
      continue;
    state.tensors.push_back(static_cast<uint32_t>(i));
    if (const Buffer &buffer = plan.buffers(int(tensor.buffer())); buffer.has_shares()) {
      const Share share = shareOf(mesh, buffer, at);
      ranges[tensor.buffer()] = {tensor.buffer(), share.at, share.at + share.end - share.begin, share.begin, 0};
      continue;
    }
    const auto [begin, end] = extentOf(tensor);
    auto [place, first] = ranges.try_emplace(tensor.buffer(), SavedRange{tensor.buffer(), begin, end, begin, 0});
    place->second.begin = place->second.whole = std::min(place->second.begin, begin);
    place->second.end = std::max(place->second.end, end);
  }
  for (auto &[buffer, range] : ranges) {
    range.staged = state.bytes;
    state.bytes += (range.end - range.begin + alignment - 1) / alignment * alignment;
    state.ranges.push_back(range);
  }
  return state;
}
