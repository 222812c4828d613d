#include "runtime/Communication/Pieces.h"

#include "runtime/Plan/Kinds.h"

#include <algorithm>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;
using plan::Collective;

uint64_t ft::rt::runBytes(const plan::Operand &operand) {
  return operand.row_bytes() * operand.rows() * std::max<uint64_t>(operand.batch(), 1);
}

namespace {
bool isWhole(const plan::Mesh &mesh, const Collective &collective) {
  std::vector<bool> seen(mesh.axes());
  for (const uint32_t axis : collective.axes()) {
    if (axis >= mesh.axes() || seen[axis])
      return false;
    seen[axis] = true;
  }
  return collective.kind() >= Collective::ALL_REDUCE && collective.kind() <= Collective::BROADCAST &&
         collective.dtype() >= plan::F64 && collective.dtype() <= plan::U8 && collective.whole_size() > 0 &&
         collective.root() < mesh.members(plan::axesOf(collective));
}
} // namespace

Expected<Pieces> Pieces::make(const plan::Mesh &mesh, uint32_t rank, const Collective &collective) {
  if (!isWhole(mesh, collective))
    return badInput("a collective that no plan for these ranks has");
  Pieces pieces;
  const auto axes = plan::axesOf(collective);
  pieces.members = mesh.members(axes);
  pieces.member = mesh.member(mesh.coordinates(rank), axes);
  pieces.hasParts = collective.kind() == Collective::REDUCE_SCATTER || collective.kind() == Collective::ALL_GATHER;
  pieces.elementBytes = uint32_t(plan::dtypeBytes(collective.dtype()));
  pieces.places.resize(pieces.members);
  uint64_t longest = 0;
  for (const plan::Operand &whole : collective.whole())
    longest = std::max(longest, pieces.cutBytes(runBytes(whole)));
  constexpr uint64_t unit = 64; // of every element type
  const uint64_t most =
      pieces.hasParts ? std::max(mostStagedBytes / pieces.members / unit * unit, unit) : mostStagedBytes;
  pieces.sliceBytes = std::min(longest, most);
  if (pieces.sliceBytes % pieces.elementBytes != 0)
    return badInput("a collective over parts of elements");

  Collective &staged = pieces.stagedCollective;
  staged = collective;
  staged.clear_whole(), staged.clear_part(), staged.clear_workspace(), staged.clear_kernels();
  auto run = [](plan::Operand &operand, uint64_t bytes) { operand.set_rows(1), operand.set_row_bytes(bytes); };
  run(*staged.add_whole(), pieces.sliceBytes * (pieces.hasParts ? pieces.members : 1));
  if (pieces.hasParts)
    run(*staged.add_part(), pieces.sliceBytes);
  return pieces;
}

std::span<const iovec> Pieces::one(std::byte *begin, uint64_t bytes) {
  places[0] = {begin, bytes};
  return {places.data(), 1};
}

std::span<const iovec> Pieces::allOf(const Memory &memory, uint64_t bytes) {
  for (uint32_t m = 0; m < members; ++m)
    places[m] = {memory.whole + m * memory.pitch, bytes};
  return places;
}

std::span<const iovec> Pieces::gives(const Memory &memory, uint64_t bytes) {
  switch (stagedCollective.kind()) {
  case Collective::REDUCE_SCATTER:
    return allOf(memory, bytes);
  case Collective::ALL_GATHER:
    return one(memory.part, bytes);
  case Collective::BROADCAST:
    return one(memory.whole, member == stagedCollective.root() ? bytes : 0);
  default:
    return one(memory.whole, bytes);
  }
}

std::span<const iovec> Pieces::gets(const Memory &memory, uint64_t bytes) {
  switch (stagedCollective.kind()) {
  case Collective::REDUCE_SCATTER:
    return one(memory.part, bytes);
  case Collective::ALL_GATHER:
    return allOf(memory, bytes);
  case Collective::BROADCAST:
    return one(memory.whole, member == stagedCollective.root() ? 0 : bytes);
  default:
    return one(memory.whole, bytes);
  }
}
