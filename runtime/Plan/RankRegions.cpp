#include "runtime/Plan/RankRegions.h"

#include "runtime/Plan/StepOperands.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace ft::rt {

uint64_t rankOffset(const plan::Operand &operand, const plan::Coordinates &rank) {
  unsigned __int128 offset = 0;
  for (size_t axis = 0; axis < rank.size() && axis < size_t(operand.rank_pitch_size()); ++axis)
    offset += static_cast<unsigned __int128>(operand.rank_pitch(int(axis))) * rank[axis];
  return uint64_t(std::min<unsigned __int128>(offset, maxPlanBytes));
}

Expected<ByteRegion> makeRegion(const plan::Operand &operand, uint64_t base, const plan::Coordinates &rank) {
  return makeRegion(operand, base + rankOffset(operand, rank));
}

bool isOwnPart(const plan::Mesh &mesh, const plan::Coordinates &rank, const plan::Collective &collective,
               const ByteRegion &whole, const ByteRegion &part) {
  const auto axes = plan::axesOf(collective);
  return whole.contiguous() && part.contiguous() && part.bytes() * int64_t(mesh.members(axes)) == whole.bytes() &&
         part.start == whole.start + int64_t(mesh.member(rank, axes)) * part.bytes();
}

namespace {

Status usable(const plan::Plan &plan) {
  uint64_t ranks = 1;
  for (const plan::MeshAxis &axis : plan.mesh())
    ranks = std::min(ranks * axis.size(), maxRanks + 1);
  if (plan.mesh_size() > maxMeshAxes || ranks == 0 || ranks > maxRanks)
    return badInput("the mesh has too many axes or ranks, or none; run checkPlan first");
  return {};
}

/// The axes on which a step is not the same everywhere.
Status addAxes(const plan::Step &step, std::vector<bool> &matters) {
  Status status;
  plan::visitOperands(step, [&](std::string_view, int, const plan::Operand &operand) {
    if (size_t(operand.rank_pitch_size()) > matters.size())
      status = badInput("a rank_pitch has more entries than the mesh has axes; run checkPlan first");
    for (size_t axis = 0; status.ok() && axis < size_t(operand.rank_pitch_size()); ++axis)
      matters[axis] = matters[axis] || operand.rank_pitch(int(axis)) != 0;
  });
  for (uint32_t axis : step.collective().axes()) {
    if (axis >= matters.size())
      return badInput("a collective is over an axis that the mesh does not have; run checkPlan first");
    matters[axis] = matters[axis] || step.collective().part_size() > 0;
  }
  return status;
}

} // namespace

Expected<std::vector<plan::Coordinates>> ranksToVerify(const plan::Plan &plan) {
  FT_RETURN_IF_ERROR(usable(plan));
  std::vector<bool> matters(size_t(plan.mesh_size()));
  for (const plan::Segment &segment : plan.segments())
    for (const plan::Step &step : segment.steps())
      FT_RETURN_IF_ERROR(addAxes(step, matters));
  uint64_t different = 1;
  for (size_t axis = 0; axis < matters.size(); ++axis)
    different *= matters[axis] ? plan.mesh(int(axis)).size() : 1;

  std::vector<plan::Coordinates> ranks{{}};
  for (size_t axis = 0; axis < matters.size(); ++axis) {
    const uint32_t size = matters[axis] ? plan.mesh(int(axis)).size() : 1;
    std::vector<uint32_t> values(size);
    std::iota(values.begin(), values.end(), 0);
    if (different > 8 && size > 3)
      values = {0, 1, size - 1};
    std::vector<plan::Coordinates> longer;
    for (const plan::Coordinates &rank : ranks)
      for (uint32_t value : values) {
        longer.push_back(rank);
        longer.back().push_back(value);
      }
    ranks.swap(longer);
  }
  return ranks;
}

std::string describeRank(const plan::Plan &plan, const plan::Coordinates &rank) {
  std::string text;
  for (size_t axis = 0; axis < rank.size(); ++axis)
    text += fmt::format("{}{} = {}", axis > 0 ? ", " : "", plan.mesh(int(axis)).name(), rank[axis]);
  return text;
}

} // namespace ft::rt
