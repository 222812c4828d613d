// Where the operands of one rank lie, and which ranks a plan must be proved for.
#pragma once

#include "runtime/Plan/ByteRegion.h"
#include "runtime/Plan/Mesh.h"

#include <string>
#include <vector>

namespace ft::rt {

inline constexpr int maxMeshAxes = 6;
inline constexpr uint64_t maxRanks = 1 << 16;

/// What the rank at `rank` adds to an operand's offset; maxPlanBytes where that is out of any buffer.
uint64_t rankOffset(const plan::Operand &operand, const plan::Coordinates &rank);

/// The region of an operand whose buffer starts at `base`, on the rank at `rank`.
Expected<ByteRegion> makeRegion(const plan::Operand &operand, uint64_t base, const plan::Coordinates &rank);

/// Whether `part` is exactly the piece of `whole` that goes with the rank's member number.
bool isOwnPart(const plan::Mesh &mesh, const plan::Coordinates &rank, const plan::Collective &collective,
               const ByteRegion &whole, const ByteRegion &part);

/// The ranks whose regions differ, one of each kind: by the axes that a rank_pitch or the parts of a collective depend
/// on, all coordinates where these make up to 8 ranks; more ranks are sampled by 0, 1 and the last of each such axis.
/// Places are affine in the coordinates, so a region that leaves its buffer does so there. Fails for a mesh, a
/// rank_pitch or axes that checkPlan refuses.
Expected<std::vector<plan::Coordinates>> ranksToVerify(const plan::Plan &plan);

/// "dp = 1, tp = 0".
std::string describeRank(const plan::Plan &plan, const plan::Coordinates &rank);

} // namespace ft::rt
