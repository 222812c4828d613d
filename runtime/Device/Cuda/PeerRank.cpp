#include "runtime/Device/Cuda/PeerRank.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace ft::rt {

Expected<uint32_t> PeerRank::prepare(std::string_view name, const plan::Collective &collective,
                                     const CollectiveMemory &memory) {
  const bool reduces = collective.reduction() != plan::Collective::REDUCTION_UNSPECIFIED;
  if (reduces && collective.kernels().empty())
    return cannotRun(fmt::format("{}: GPUs of one process reduce with kernels of the plan; this plan has none for it: "
                                 "compile the recipe again",
                                 name));
  CudaPeers::Member &mine = peers->members[rank()];
  mine.whole.assign(memory.whole.begin(), memory.whole.end());
  mine.part.assign(memory.part.begin(), memory.part.end());
  FT_RETURN_IF_ERROR(meet());
  const plan::Coordinates at = peers->mesh.coordinates(rank());
  const auto axes = plan::axesOf(collective);
  Prepared c;
  c.kind = collective.kind(), c.root = collective.root();
  c.ranks = peers->mesh.group(at, axes), c.member = peers->mesh.member(at, axes);
  if (reduces)
    c.kernel = collective.kernels(int(c.member));
  c.inPlace = plan::isInPlace(collective);
  c.staging = memory.workspace;
  c.arguments.resize(c.ranks.size() + (c.inPlace ? 0 : 1));
  for (int i = 0; i < collective.whole_size(); ++i) {
    Run &run = c.runs.emplace_back();
    run.wholeBytes = collective.whole(i).row_bytes() * collective.whole(i).rows();
    for (const uint32_t member : c.ranks) {
      run.whole.push_back(peers->members[member].whole[size_t(i)]);
      if (collective.part_size() > 0)
        run.part.push_back(peers->members[member].part[size_t(i)]);
    }
  }
  prepared.push_back(std::move(c));
  FT_RETURN_IF_ERROR(meet()); // before anybody's addresses change
  return uint32_t(prepared.size() - 1);
}

Status PeerRank::pass(Moment moment, uint32_t stream, const std::vector<uint32_t> &ranks) {
  FT_RETURN_IF_ERROR(device().record(stream, peers->members[rank()].events[moment]));
  FT_RETURN_IF_ERROR(meet());
  for (const uint32_t peer : ranks)
    if (peer != rank())
      FT_RETURN_IF_ERROR(device().wait(stream, peers->members[peer].events[moment]));
  return {};
}

Status PeerRank::copy(uint32_t stream, std::byte *to, const std::byte *from, uint64_t bytes) {
  if (to == from || bytes == 0)
    return {};
  return device().copy(stream, {to, 1, bytes, bytes}, {const_cast<std::byte *>(from), 1, bytes, bytes});
}

/// Equal shares, or the first has all.
std::pair<uint64_t, uint64_t> PeerRank::shareOf(const Prepared &c, const Run &run, uint32_t member) {
  const uint64_t share = device().kernel(c.kernel).operands(0).bytes();
  return share == run.wholeBytes ? std::pair(member == 0 ? share : 0, uint64_t(0)) : std::pair(share, member * share);
}

Status PeerRank::sum(uint32_t stream, Prepared &c, const Run &run) {
  const auto [bytes, begin] = shareOf(c, run, c.member);
  if (bytes == 0)
    return {};
  std::byte *staged = c.staging;
  for (size_t member = 0; member < c.ranks.size(); ++member) {
    c.arguments[member] = run.whole[member] + begin;
    if (c.staging && member != c.member) {
      FT_RETURN_IF_ERROR(copy(stream, staged, run.whole[member] + begin, bytes));
      c.arguments[member] = std::exchange(staged, staged + bytes);
    }
  }
  if (!c.inPlace)
    c.arguments.back() = run.part[c.member];
  return device().launch(stream, c.kernel, device().kernel(c.kernel).items(), c.arguments);
}

Status PeerRank::allReduce(uint32_t stream, Prepared &c) {
  for (const Run &run : c.runs)
    FT_RETURN_IF_ERROR(sum(stream, c, run));
  FT_RETURN_IF_ERROR(pass(Summed, stream, c.ranks));
  for (const Run &run : c.runs)
    for (uint32_t member = 0; member < c.ranks.size(); ++member) {
      const auto [bytes, begin] = shareOf(c, run, member);
      FT_RETURN_IF_ERROR(copy(stream, run.whole[c.member] + begin, run.whole[member] + begin, bytes));
    }
  return {};
}

Status PeerRank::allGather(uint32_t stream, const Prepared &c) {
  for (const Run &run : c.runs) {
    const uint64_t bytes = run.wholeBytes / c.ranks.size();
    for (size_t member = 0; member < c.ranks.size(); ++member)
      FT_RETURN_IF_ERROR(copy(stream, run.whole[c.member] + member * bytes, run.part[member], bytes));
  }
  return {};
}

Status PeerRank::run(uint32_t stream, uint32_t handle) {
  Prepared &c = prepared[handle];
  FT_RETURN_IF_ERROR(pass(Ready, stream, c.ranks));
  if (c.kind == plan::Collective::ALL_REDUCE)
    FT_RETURN_IF_ERROR(allReduce(stream, c));
  else if (c.kind == plan::Collective::REDUCE_SCATTER)
    for (const Run &run : c.runs)
      FT_RETURN_IF_ERROR(sum(stream, c, run));
  else if (c.kind == plan::Collective::ALL_GATHER)
    FT_RETURN_IF_ERROR(allGather(stream, c));
  else
    for (const Run &run : c.runs)
      FT_RETURN_IF_ERROR(copy(stream, run.whole[c.member], run.whole[c.root], run.wholeBytes));
  return pass(Drained, stream, c.ranks);
}

Status PeerRank::fork() {
  if (leads())
    FT_RETURN_IF_ERROR(device().record(0, peers->members[0].events[Joined]));
  FT_RETURN_IF_ERROR(meet());
  return leads() ? Status() : device().wait(0, peers->members[0].events[Joined]);
}

Status PeerRank::join() {
  if (!leads())
    FT_RETURN_IF_ERROR(device().record(0, peers->members[rank()].events[Joined]));
  FT_RETURN_IF_ERROR(meet());
  if (leads())
    for (uint32_t peer = 1; peer < size(); ++peer)
      FT_RETURN_IF_ERROR(device().wait(0, peers->members[peer].events[Joined]));
  return {};
}

Expected<bool> PeerRank::allWell(bool well) {
  FT_ASSIGN_OR_RETURN(const uint64_t all, host.agree(Agreement::Min, well));
  return all != 0;
}

} // namespace ft::rt
