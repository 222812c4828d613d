#include "runtime/Training/CollectingReader.h"

#include "runtime/Plan/Shares.h"

using namespace ft;
using namespace ft::rt;

namespace {
/// Bytes [begin, begin + out.size()) of a whole, from the ranks of rank 0's group.
Status collect(const RankProgram &program, Communicator &host, uint32_t buffer, uint64_t begin,
               std::span<std::byte> out) {
  const plan::Mesh mesh(program.plan());
  const plan::Buffer &shared = program.plan().buffers(int(buffer));
  for (const uint32_t owner : mesh.group(mesh.coordinates(0), plan::axesOf(shared.shares()))) {
    const plan::Share share = plan::shareOf(mesh, shared, mesh.coordinates(owner));
    const uint64_t from = std::max(begin, share.begin), to = std::min(begin + out.size(), share.end);
    if (from >= to)
      continue;
    const std::span<std::byte> piece = out.subspan(from - begin, to - from);
    if (owner == host.rank())
      FT_RETURN_IF_ERROR(program.arenas().read(buffer, share.inBuffer(from), piece));
    FT_RETURN_IF_ERROR(host.toRank0(owner, piece));
  }
  return {};
}
} // namespace

BufferReader ft::rt::collectingReader(const RankProgram &program, Communicator *host, uint32_t rank) {
  return [&program, host, rank](uint32_t buffer, uint64_t offset, std::span<std::byte> out) -> Status {
    if (host && program.plan().buffers(int(buffer)).has_shares())
      return collect(program, *host, buffer, offset, out);
    return rank == 0 ? program.arenas().read(buffer, offset, out) : Status();
  };
}
