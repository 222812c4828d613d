#include "runtime/Communication/PiecewiseRank.h"

#include <algorithm>

using namespace ft;
using namespace ft::rt;

Expected<uint32_t> PiecewiseRank::prepare(std::string_view name, const plan::Collective &collective,
                                          const CollectiveMemory &memory) {
  const Progress::Wait wait(progress);
  FT_ASSIGN_OR_RETURN(Pieces pieces, Pieces::make(mesh, number, collective));
  std::vector<Run> runs;
  for (size_t i = 0; i < memory.whole.size(); ++i)
    runs.push_back({memory.whole[i], memory.part.empty() ? nullptr : memory.part[i],
                    runBytes(collective.whole(static_cast<int>(i)))});
  prepared.push_back({std::move(pieces), std::move(runs)});
  FT_RETURN_IF_ERROR(announce(name, collective));
  return uint32_t(prepared.size() - 1);
}

Status PiecewiseRank::run(uint32_t, uint32_t handle) {
  const Progress::Wait wait(progress);
  Prepared &p = prepared[handle];
  for (const Run &run : p.runs) {
    const uint64_t cut = p.pieces.cutBytes(run.wholeBytes);
    for (uint64_t offset = 0; offset < cut; offset += p.pieces.slice()) {
      const uint64_t bytes = std::min(p.pieces.slice(), cut - offset);
      const Pieces::Memory memory{run.whole + offset, cut, run.part ? run.part + offset : nullptr};
      FT_RETURN_IF_ERROR(exchange(handle, bytes, p.pieces.gives(memory, bytes), p.pieces, memory));
    }
  }
  return {};
}

Status PiecewiseRank::toRank0(uint32_t from, std::span<std::byte> bytes) {
  const Progress::Wait wait(progress);
  for (size_t at = 0; at < bytes.size(); at += Pieces::mostStagedBytes)
    FT_RETURN_IF_ERROR(bring(from, bytes.subspan(at, std::min<size_t>(Pieces::mostStagedBytes, bytes.size() - at))));
  return {};
}
