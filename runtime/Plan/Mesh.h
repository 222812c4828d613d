// The ranks of a plan as points of its mesh, and the groups that they form.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstdint>
#include <span>
#include <vector>

namespace ft::plan {

/// A rank's place on each axis of the mesh.
using Coordinates = std::vector<uint32_t>;

/// Ranks are numbered with the first axis outermost. A group over some axes is the ranks that differ in their
/// coordinates on these alone; its members are numbered likewise, the first axis listed outermost.
class Mesh {
public:
  /// `sizes`: of the axes, each at least 1, their product below 2^32. No axes: one rank.
  explicit Mesh(std::vector<uint32_t> sizes) : sizes(std::move(sizes)) {}
  explicit Mesh(const Plan &plan) {
    for (const MeshAxis &axis : plan.mesh())
      sizes.push_back(axis.size());
  }

  size_t axes() const { return sizes.size(); }
  uint32_t size(uint32_t axis) const { return sizes[axis]; }
  uint32_t ranks() const {
    uint32_t product = 1;
    for (uint32_t size : sizes)
      product *= size;
    return product;
  }

  Coordinates coordinates(uint32_t rank) const {
    Coordinates at(sizes.size());
    for (size_t axis = sizes.size(); axis-- > 0; rank /= sizes[axis])
      at[axis] = rank % sizes[axis];
    return at;
  }
  uint32_t rank(const Coordinates &at) const {
    uint32_t rank = 0;
    for (size_t axis = 0; axis < sizes.size(); ++axis)
      rank = rank * sizes[axis] + at[axis];
    return rank;
  }

  /// How many members a group over `axes` has, and which of them the rank at `at` is.
  uint32_t members(std::span<const uint32_t> axes) const {
    uint32_t product = 1;
    for (uint32_t axis : axes)
      product *= sizes[axis];
    return product;
  }
  uint32_t member(const Coordinates &at, std::span<const uint32_t> axes) const {
    uint32_t number = 0;
    for (uint32_t axis : axes)
      number = number * sizes[axis] + at[axis];
    return number;
  }
  /// The ranks of the group over `axes` that the rank at `at` is in, by member number.
  std::vector<uint32_t> group(Coordinates at, std::span<const uint32_t> axes) const {
    std::vector<uint32_t> ranks(members(axes));
    for (uint32_t number = 0; number < ranks.size(); ++number) {
      uint32_t rest = number;
      for (size_t i = axes.size(); i-- > 0; rest /= sizes[axes[i]])
        at[axes[i]] = rest % sizes[axes[i]];
      ranks[number] = rank(at);
    }
    return ranks;
  }

private:
  std::vector<uint32_t> sizes;
};

inline std::span<const uint32_t> axesOf(const Collective &collective) {
  return {collective.axes().data(), size_t(collective.axes_size())};
}

/// Whether results lie in what they are made of; of one that checkPlan accepts, a part in its whole.
inline bool isInPlace(const Collective &collective) {
  return collective.part_size() == 0 || collective.part(0).buffer() == collective.whole(0).buffer();
}

} // namespace ft::plan
