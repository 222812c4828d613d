// Which rank has what of a buffer whose tensors are spread over ranks.
#pragma once

#include "runtime/Plan/Mesh.h"

#include <algorithm>

namespace ft::plan {

/// The feature that a plan with shares names.
inline constexpr const char *sharesFeature = "shares";

/// Whether ranks hold something of the plan in shares.
inline bool hasShares(const Plan &plan) {
  return std::any_of(plan.buffers().begin(), plan.buffers().end(),
                     [](const Buffer &buffer) { return buffer.has_shares(); });
}

/// Bytes that the places of a buffer's tensors count in.
inline uint64_t wholeBytes(const Buffer &buffer) {
  return buffer.has_shares() ? buffer.shares().bytes() : buffer.size();
}

/// Bytes [begin, end) of a whole, which lie in a rank's buffer from byte `at` on.
struct Share {
  uint64_t begin = 0, end = UINT64_MAX, at = 0;

  uint64_t inBuffer(uint64_t offset) const { return offset - begin + at; }
};

inline std::span<const uint32_t> axesOf(const Shares &shares) {
  return {shares.axes().data(), size_t(shares.axes_size())};
}

/// What the rank at `at` has: all, or its share. The buffer is one that checkPlan accepts.
inline Share shareOf(const Mesh &mesh, const Buffer &buffer, const Coordinates &at) {
  if (!buffer.has_shares())
    return {0, buffer.size(), 0};
  const uint64_t member = mesh.member(at, axesOf(buffer.shares()));
  const uint64_t bytes = buffer.shares().bytes() / mesh.members(axesOf(buffer.shares()));
  return {member * bytes, (member + 1) * bytes, buffer.size() == bytes ? 0 : member * bytes};
}

} // namespace ft::plan
