// checkPlan: where operands lie on other ranks, and collectives.
#include "runtime/Plan/CheckParts.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/RankRegions.h"
#include "runtime/Plan/StepOperands.h"

#include <algorithm>
#include <fmt/ranges.h>

namespace ft::rt::check {

using plan::Collective;

/// One form for one meaning: an entry for each axis, none that can have no effect, and no list without an effect.
Status rankPitch(const plan::Plan &plan, const plan::Operand &operand, uint64_t end) {
  if (operand.rank_pitch_size() == 0)
    return {};
  if (operand.rank_pitch_size() != plan.mesh_size())
    return bad("rank_pitch has {} entries; must have one for each of the {} axes of the mesh, or none",
               operand.rank_pitch_size(), plan.mesh_size());
  for (int axis = 0; axis < plan.mesh_size(); ++axis)
    if (plan.mesh(axis).size() == 1 && operand.rank_pitch(axis) != 0)
      return bad("rank_pitch is {} on axis \"{}\", which has one rank; must be 0", operand.rank_pitch(axis),
                 plan.mesh(axis).name());
  const plan::Mesh mesh(plan);
  const plan::Coordinates last = mesh.coordinates(mesh.ranks() - 1);
  const uint64_t reach = rankOffset(operand, last);
  if (reach == 0)
    return bad("rank_pitch is 0 on every axis; must be left out");
  const plan::Buffer &buffer = plan.buffers(int(operand.buffer()));
  if (end + reach > buffer.size())
    return bad("ends at byte {} of buffer \"{}\", which has {}, on the last rank ({})", end + reach, buffer.name(),
               buffer.size(), describeRank(plan, last));
  return {};
}

namespace {

bool hasParts(const Collective &x) {
  return x.kind() == Collective::REDUCE_SCATTER || x.kind() == Collective::ALL_GATHER;
}

Status kindAndType(const Collective &x) {
  if (x.kind() == Collective::KIND_UNSPECIFIED || !Collective::Kind_IsValid(x.kind()))
    return bad("kind is {}; must be one of Collective.Kind", int(x.kind()));
  if (plan::dtypeBytes(x.dtype()) == 0)
    return bad("dtype is {}; must be one of DType", int(x.dtype()));
  if (x.kind() == Collective::ALL_GATHER || x.kind() == Collective::BROADCAST) {
    if (x.reduction() != Collective::REDUCTION_UNSPECIFIED)
      return bad("reduction is {}; {} has none", int(x.reduction()), Collective::Kind_Name(x.kind()));
    return {};
  }
  if (x.reduction() == Collective::REDUCTION_UNSPECIFIED || !Collective::Reduction_IsValid(x.reduction()))
    return bad("reduction is {}; must be SUM, MAX or NORM2", int(x.reduction()));
  const bool integer = x.dtype() == plan::I32;
  if (!integer && x.dtype() != plan::F64 && x.dtype() != plan::F32 && x.dtype() != plan::BF16)
    return bad("dtype is {}; reductions are of F64, F32, BF16 or I32", plan::DType_Name(x.dtype()));
  if (integer && x.reduction() == Collective::NORM2)
    return bad("reduction is NORM2 of I32; must be SUM or MAX, or of a floating type");
  return {};
}

Status axesAndRoot(const plan::Plan &plan, const Collective &x) {
  for (int i = 0; i < x.axes_size(); ++i) {
    FT_RETURN_IF_ERROR(index(fmt::format("axes[{}]", i), x.axes(i), plan.mesh_size(), "axes of the mesh"));
    if (std::count(x.axes().begin(), x.axes().end(), x.axes(i)) > 1)
      return bad("axes names axis {} (\"{}\") twice; must name it once", x.axes(i), plan.mesh(int(x.axes(i))).name());
  }
  const uint32_t members = plan::Mesh(plan).members(plan::axesOf(x));
  if (x.kind() == Collective::BROADCAST ? x.root() >= members : x.root() != 0)
    return bad("root is {}; must be {}", x.root(),
               x.kind() == Collective::BROADCAST ? fmt::format("below {}, the number of members", members)
                                                 : "0 where nothing is broadcast");
  return {};
}

/// One run of whole elements.
Expected<ByteRegion> runOf(const plan::Plan &plan, plan::DType dtype, const plan::Operand &operand) {
  FT_ASSIGN_OR_RETURN(const ByteRegion region, operandRegion(plan, operand));
  if (!region.contiguous() || (operand.batch_pitch() == 0 && operand.batch() > 1))
    return bad("is {} rows; must be one run of bytes", operand.rows() * std::max<uint64_t>(operand.batch(), 1));
  const uint64_t width = plan::dtypeBytes(dtype);
  if ((placesOf(operand) | uint64_t(region.bytes())) % width != 0)
    return bad("offset {}, rank_pitch [{}] and {} bytes must be multiples of {}, the size of {}", operand.offset(),
               fmt::join(operand.rank_pitch(), ", "), region.bytes(), width, plan::DType_Name(dtype));
  return region;
}

/// Whether the two share bytes on the first rank or on the last.
bool shareBytes(const plan::Mesh &mesh, const plan::Operand &a, const plan::Operand &b) {
  WorkBudget budget;
  for (uint32_t rank : {0u, mesh.ranks() - 1}) {
    const auto regionA = makeRegion(a, 0, mesh.coordinates(rank)), regionB = makeRegion(b, 0, mesh.coordinates(rank));
    if (a.buffer() == b.buffer() && regionA.ok() && regionB.ok() && intersects(*regionA, *regionB, budget))
      return true;
  }
  return false;
}

/// A part that shares bytes with its whole is, on every rank, the member's own. Its place in the whole is affine in the
/// coordinates: the offset and one pitch an axis decide.
Status partInPlace(const plan::Plan &plan, const Collective &x, const plan::Operand &whole, const plan::Operand &part,
                   int64_t partBytes) {
  const plan::Mesh mesh(plan);
  if (!shareBytes(mesh, whole, part))
    return {};
  std::vector<int64_t> wanted(mesh.axes(), 0), got(mesh.axes(), 0);
  for (int i = x.axes_size() - 1; i >= 0; partBytes *= mesh.size(x.axes(i--)))
    wanted[x.axes(i)] = mesh.size(x.axes(i)) > 1 ? partBytes : 0;
  auto pitch = [](const plan::Operand &o, size_t axis) { return o.rank_pitch_size() ? o.rank_pitch(int(axis)) : 0; };
  for (size_t axis = 0; axis < mesh.axes(); ++axis)
    got[axis] = int64_t(pitch(part, axis) - pitch(whole, axis));
  if (part.offset() != whole.offset() || got != wanted)
    return bad("shares bytes with its whole, and starts {} bytes into it and [{}] further along the axes; in place it "
               "must be the member's own piece: 0 and [{}]",
               int64_t(part.offset() - whole.offset()), fmt::join(got, ", "), fmt::join(wanted, ", "));
  return {};
}

Status item(const plan::Plan &plan, const Collective &x, int i) {
  const bool gather = x.kind() == Collective::ALL_GATHER, scatter = x.kind() == Collective::REDUCE_SCATTER;
  auto placeOf = [i](const char *field) { return [=] { return plan::operandName(field, i); }; };
  const Access wholeAccess = gather ? Access::Write : scatter ? Access::Read : Access::Update;
  FT_RETURN_IF_ERROR(at(access(x.whole(i), wholeAccess), placeOf("whole")));
  const Expected<ByteRegion> whole = runOf(plan, x.dtype(), x.whole(i));
  FT_RETURN_IF_ERROR(at(whole.status(), placeOf("whole")));
  if (!hasParts(x))
    return {};
  FT_RETURN_IF_ERROR(at(access(x.part(i), gather ? Access::Read : Access::Write), placeOf("part")));
  const Expected<ByteRegion> part = runOf(plan, x.dtype(), x.part(i));
  FT_RETURN_IF_ERROR(at(part.status(), placeOf("part")));
  const int64_t members = plan::Mesh(plan).members(plan::axesOf(x));
  if (part->bytes() * members != whole->bytes())
    return bad("part[{}] has {} bytes and whole[{}] {}; the whole must be {} parts, one for each member of the group",
               i, part->bytes(), i, whole->bytes(), members);
  return at(partInPlace(plan, x, x.whole(i), x.part(i), part->bytes()), placeOf("part"));
}

/// Whether a member's kernel writes operand `i`: its own share, or the part behind all shares.
bool isResult(const Collective &x, int member, int i) {
  return x.kernels_size() < i + 1 || (i == member && plan::isInPlace(x));
}

/// What a member's kernel was made for: the same share of each member, and where the reduction of these goes.
Status kernelOf(const plan::Plan &plan, const Collective &x, int member) {
  FT_RETURN_IF_ERROR(index("kernel", x.kernels(member), plan.kernels_size(), "kernels"));
  const plan::Kernel &kernel = plan.kernels(int(x.kernels(member)));
  const int apart = plan::isInPlace(x) ? 0 : 1;
  if (kernel.operands_size() != x.kernels_size() + apart)
    return bad("kernel \"{}\" takes {} operands; must take one for each of {} members{}", kernel.name(),
               kernel.operands_size(), x.kernels_size(), apart ? ", and the part" : "");
  const uint64_t share = kernel.operands(0).bytes();
  for (int i = 0; i < kernel.operands_size(); ++i) {
    const plan::KernelOperand &operand = kernel.operands(i);
    if (operand.bytes() != share || operand.written() != isResult(x, member, i) || operand.index_limit() != 0)
      return bad("kernel \"{}\" is not made to reduce equal shares {} operand {}", kernel.name(),
                 apart ? "to" : "in place of", apart ? x.kernels_size() : member);
    for (int w = 0; w < x.whole_size(); ++w) {
      const uint64_t whole = x.whole(w).rows() * x.whole(w).row_bytes();
      const bool first = whole == share && x.kind() == Collective::ALL_REDUCE; // has all of it
      if (!first && whole != share * uint64_t(x.kernels_size()))
        return bad("kernel \"{}\" reduces {} bytes; whole[{}] has {}: must be so many, or so many for each member",
                   kernel.name(), share, w, whole);
      if ((placesOf(x.whole(w)) | (whole != share ? share : 0)) % operand.alignment() != 0)
        return bad("whole[{}] or a share of it does not begin at a multiple of {}, which kernel \"{}\" moves at once",
                   w, operand.alignment(), kernel.name());
      if (apart && placesOf(x.part(w)) % operand.alignment() != 0)
        return bad("part[{}] does not begin at a multiple of {}, which kernel \"{}\" moves at once", w,
                   operand.alignment(), kernel.name());
    }
  }
  return {};
}

Status kernelsOf(const plan::Plan &plan, const Collective &x) {
  if (x.kernels().empty())
    return {};
  const uint32_t members = plan::Mesh(plan).members(plan::axesOf(x));
  if ((x.kind() != Collective::ALL_REDUCE && x.kind() != Collective::REDUCE_SCATTER) ||
      uint32_t(x.kernels_size()) != members)
    return bad("has {} kernels; must have none, or in an ALL_REDUCE or REDUCE_SCATTER one for each of {} members",
               x.kernels_size(), members);
  for (int i = 1; i < x.part_size(); ++i)
    if ((x.part(i).buffer() == x.whole(i).buffer()) != plan::isInPlace(x))
      return bad("part[{}] and part[0] do not lie alike; kernels reduce all in place, or all apart", i);
  for (int member = 0; member < x.kernels_size(); ++member)
    FT_RETURN_IF_ERROR(at(kernelOf(plan, x, member), [&] { return plan::operandName("kernels", member); }));
  return {};
}

/// Where kernels reduce, a workspace takes the shares of all other members, behind each other.
Status staging(const plan::Plan &plan, const Collective &x) {
  FT_RETURN_IF_ERROR(workspace(plan, x.workspace()));
  if (x.kernels().empty())
    return {};
  const plan::KernelOperand &share = plan.kernels(int(x.kernels(0))).operands(0);
  const uint64_t bytes = x.workspace().rows() * x.workspace().row_bytes();
  if (bytes < share.bytes() * (uint64_t(x.kernels_size()) - 1)) // fewer than the whole has
    return bad("has {} bytes; must have {} for each of the {} other members", bytes, share.bytes(),
               x.kernels_size() - 1);
  if ((placesOf(x.workspace()) | share.bytes()) % share.alignment() != 0)
    return bad("offset {} and shares of {} bytes must be multiples of {}, which the kernels move at once",
               x.workspace().offset(), share.bytes(), share.alignment());
  return {};
}

} // namespace

Status collective(const plan::Plan &plan, const Collective &x) {
  FT_RETURN_IF_ERROR(kindAndType(x));
  FT_RETURN_IF_ERROR(axesAndRoot(plan, x));
  if (x.whole_size() == 0 || x.part_size() != (hasParts(x) ? x.whole_size() : 0))
    return bad("has {} whole and {} part operands; {} must have at least one whole and {}", x.whole_size(),
               x.part_size(), Collective::Kind_Name(x.kind()), hasParts(x) ? "as many parts" : "no part");
  for (int i = 0; i < x.whole_size(); ++i)
    FT_RETURN_IF_ERROR(item(plan, x, i));
  FT_RETURN_IF_ERROR(kernelsOf(plan, x));
  return x.has_workspace() ? at(staging(plan, x), [] { return "workspace"; }) : Status();
}

} // namespace ft::rt::check
