#include "runtime/Training/CollectingReader.h"

#include "runtime/Plan/Shares.h"

#include <fmt/format.h>

#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
/// Calls `visit(rank, begin, piece)` for each of the ranks of rank 0's group that has some of the bytes of a whole.
template <typename Visit>
Status forOwners(const plan::Plan &plan, uint32_t buffer, uint64_t begin, std::span<std::byte> out, Visit visit) {
  const plan::Mesh mesh(plan);
  const plan::Buffer &shared = plan.buffers(int(buffer));
  for (const uint32_t owner : mesh.group(mesh.coordinates(0), plan::axesOf(shared.shares()))) {
    const plan::Share share = plan::shareOf(mesh, shared, mesh.coordinates(owner));
    const uint64_t from = std::max(begin, share.begin), to = std::min(begin + out.size(), share.end);
    if (from < to)
      FT_RETURN_IF_ERROR(visit(owner, from, out.subspan(from - begin, to - from)));
  }
  return {};
}

/// On every rank alike: `own` reads what the rank has.
Status collect(const plan::Plan &plan, const BufferReader &own, Communicator &host, uint32_t buffer, uint64_t begin,
               std::span<std::byte> out) {
  return forOwners(plan, buffer, begin, out, [&](uint32_t owner, uint64_t from, std::span<std::byte> piece) -> Status {
    if (owner == host.rank())
      FT_RETURN_IF_ERROR(own(buffer, from, piece));
    return host.toRank0(owner, piece);
  });
}

BufferReader readerOf(const Snapshot &snapshot) {
  return [&snapshot](uint32_t buffer, uint64_t offset, std::span<std::byte> out) {
    return snapshot.read(buffer, offset, out);
  };
}
} // namespace

BufferReader ft::rt::collectingReader(const RankProgram &program, Communicator *host, uint32_t rank) {
  return [&program, host, rank](uint32_t buffer, uint64_t offset, std::span<std::byte> out) -> Status {
    const plan::Plan &plan = program.plan();
    if (!host || !plan.buffers(int(buffer)).has_shares())
      return rank == 0 ? program.arenas().read(buffer, offset, out) : Status();
    const plan::Mesh mesh(plan);
    const plan::Share share = plan::shareOf(mesh, plan.buffers(int(buffer)), mesh.coordinates(rank));
    auto own = [&](uint32_t, uint64_t from, std::span<std::byte> piece) {
      return program.arenas().read(buffer, share.inBuffer(from), piece);
    };
    return collect(plan, own, *host, buffer, offset, out);
  };
}

void ProcessSnapshots::add(uint32_t rank, const Snapshot &snapshot) {
  std::lock_guard lock(mutex);
  snapshots[rank] = &snapshot;
}

void ProcessSnapshots::leave(uint32_t rank) {
  std::unique_lock lock(mutex);
  changed.wait(lock, [this] { return readers == 0; });
  snapshots.erase(rank);
}

BufferReader ProcessSnapshots::reader(const plan::Plan &plan) {
  std::lock_guard lock(mutex);
  ++readers;
  const std::shared_ptr<const void> held(this, [this](const void *) {
    std::lock_guard releasing(mutex);
    --readers;
    changed.notify_all();
  });
  return [&plan, held, there = snapshots](uint32_t buffer, uint64_t offset, std::span<std::byte> out) -> Status {
    auto read = [&](uint32_t owner, uint64_t from, std::span<std::byte> piece) {
      const auto snapshot = there.find(owner);
      return snapshot == there.end() ? failed(fmt::format("rank {} has left the run", owner))
                                     : snapshot->second->read(buffer, from, piece);
    };
    return plan.buffers(int(buffer)).has_shares() ? forOwners(plan, buffer, offset, out, read) : read(0, offset, out);
  };
}

// A request is three numbers, which all ranks agree on: a buffer from 1 on, where 0 ends the asking, an offset, a size.
BufferReader ft::rt::askingReader(const plan::Plan &plan, const Snapshot &own, Communicator &host) {
  return [&](uint32_t buffer, uint64_t offset, std::span<std::byte> out) -> Status {
    if (!plan.buffers(int(buffer)).has_shares())
      return own.read(buffer, offset, out);
    for (const uint64_t number : {uint64_t(buffer) + 1, offset, uint64_t(out.size())})
      FT_RETURN_IF_ERROR(host.agree(Agreement::Rank0, number).status());
    return collect(plan, readerOf(own), host, buffer, offset, out);
  };
}

Status ft::rt::endAsking(Communicator &host) { return host.agree(Agreement::Rank0, 0).status(); }

Status ft::rt::answerReads(const plan::Plan &plan, const Snapshot &own, Communicator &host) {
  std::vector<std::byte> piece;
  while (true) {
    FT_ASSIGN_OR_RETURN(const uint64_t buffer, host.agree(Agreement::Rank0, 0));
    if (buffer == 0)
      return {};
    FT_ASSIGN_OR_RETURN(const uint64_t offset, host.agree(Agreement::Rank0, 0));
    FT_ASSIGN_OR_RETURN(const uint64_t size, host.agree(Agreement::Rank0, 0));
    piece.resize(size);
    FT_RETURN_IF_ERROR(collect(plan, readerOf(own), host, uint32_t(buffer - 1), offset, piece));
  }
}
