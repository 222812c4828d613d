#include "runtime/Program/Snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

using namespace ft;
using namespace ft::rt;

Snapshot::Snapshot(const plan::Plan &plan, const Arenas &arenas, Device &device, uint32_t rank)
    : plan(plan), state(plan::savedState(plan, rank)), arenas(arenas), device(device),
      room(arenas.arenaAddress(plan::checkpointArena)) {}

Status Snapshot::capture() {
  for (const plan::SavedRange &range : state.ranges)
    FT_RETURN_IF_ERROR(device.download(0, room + range.staged, arenas.bufferAddress(range.buffer) + range.begin,
                                       range.end - range.begin));
  return device.synchronize();
}

namespace {
/// What crosses at a time: a GPU's bus is busy with it, and no copy of a whole state is needed.
constexpr uint64_t chunkBytes = 16 << 20;

/// Calls `visit(begin, end, staged)` for pieces of a range, offsets into its buffer and into the arena.
template <typename Visit> Status forChunks(const plan::SavedRange &range, Visit visit) {
  for (uint64_t begin = range.begin; begin < range.end; begin += chunkBytes)
    FT_RETURN_IF_ERROR(visit(begin, std::min(begin + chunkBytes, range.end), range.staged + (begin - range.begin)));
  return {};
}
} // namespace

Status Snapshot::exchange() {
  std::vector<std::byte> held(std::min(chunkBytes, state.bytes));
  for (const plan::SavedRange &range : state.ranges)
    FT_RETURN_IF_ERROR(forChunks(range, [&](uint64_t begin, uint64_t end, uint64_t staged) -> Status {
      const std::span<std::byte> chunk(held.data(), end - begin),
          kept(reinterpret_cast<std::byte *>(room) + staged, end - begin);
      FT_RETURN_IF_ERROR(arenas.read(range.buffer, begin, chunk));
      FT_RETURN_IF_ERROR(arenas.write(range.buffer, begin, kept));
      std::ranges::copy(chunk, kept.begin());
      return {};
    }));
  return {};
}

Expected<std::string> Snapshot::compare() const {
  std::vector<std::byte> held(std::min(chunkBytes, state.bytes));
  std::string found;
  for (const plan::SavedRange &range : state.ranges)
    FT_RETURN_IF_ERROR(forChunks(range, [&](uint64_t begin, uint64_t end, uint64_t staged) -> Status {
      const std::span<std::byte> chunk(held.data(), end - begin);
      FT_RETURN_IF_ERROR(arenas.read(range.buffer, begin, chunk));
      const auto *kept = reinterpret_cast<const std::byte *>(room) + staged;
      const auto [now, then] = std::mismatch(chunk.begin(), chunk.end(), kept);
      if (found.empty() && now != chunk.end())
        found = describe(range, begin + static_cast<uint64_t>(now - chunk.begin()));
      return {};
    }));
  return found;
}

std::string Snapshot::describe(const plan::SavedRange &range, uint64_t byte) const {
  const plan::Tensor *nearest = nullptr; // the last that begins before it
  const uint64_t whole = range.whole + (byte - range.begin);
  for (const uint32_t index : state.tensors)
    if (const plan::Tensor &tensor = plan.tensors(static_cast<int>(index));
        tensor.buffer() == range.buffer && tensor.offset() <= whole &&
        (!nearest || tensor.offset() > nearest->offset()))
      nearest = &tensor;
  const std::string place = fmt::format("byte {} of buffer {}", byte, plan.buffers(int(range.buffer)).name());
  return nearest ? fmt::format("{} {} ({})", plan::Tensor::Role_Name(nearest->role()), nearest->key(), place) : place;
}

Status Snapshot::read(uint32_t buffer, uint64_t offset, std::span<std::byte> out) const {
  for (const plan::SavedRange &range : state.ranges)
    if (const uint64_t bytes = range.end - range.begin, at = offset - range.whole;
        range.buffer == buffer && offset >= range.whole && at <= bytes && out.size() <= bytes - at) {
      std::memcpy(out.data(), room + range.staged + at, out.size());
      return {};
    }
  return failed(fmt::format("bytes [{}, {}) of buffer {} are not among what a checkpoint holds", offset,
                            offset + out.size(), buffer));
}
