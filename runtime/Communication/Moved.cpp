#include "runtime/Communication/Moved.h"

#include "runtime/Communication/Pieces.h"
#include "runtime/Communication/Reduce.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Support/Checksum.h"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
struct Prepared {
  std::string name;
  plan::Collective::Kind kind{};
  plan::Collective::Reduction reduction{};
  plan::DType dtype{};
  uint32_t root = 0, member = 0;
  std::vector<uint32_t> ranks; ///< by member
  std::vector<std::byte *> whole, part;
  std::vector<uint64_t> wholeBytes;

  uint64_t members() const { return ranks.size(); }
  uint64_t width() const { return plan::dtypeBytes(dtype); }
};

class MovedRank final : public Communicator {
public:
  MovedRank(const plan::Mesh &mesh, Communicator &host, Mover mover, Progress *progress)
      : mesh(mesh), host(host), mover(mover), progress(progress), staging(Pieces::mostStagedBytes / sizeof(uint64_t)) {
    host.whenFailed([this] { failedRanks.store(true, std::memory_order_relaxed); });
  }
  ~MovedRank() override {
    host.whenFailed({});
    if (!failedRanks)
      mover.functions->close(mover.self);
  }

  uint32_t rank() const override { return host.rank(); }
  uint32_t size() const override { return host.size(); }
  Expected<uint64_t> agree(Agreement how, uint64_t value) override { return host.agree(how, value); }
  Status toRank0(uint32_t from, std::span<std::byte> bytes) override { return host.toRank0(from, bytes); }
  void abort(std::string reason) override { host.abort(std::move(reason)); }
  void whenFailed(std::function<void()> what) override { host.whenFailed(std::move(what)); }
  Expected<uint32_t> prepare(std::string_view name, const plan::Collective &collective,
                             const CollectiveMemory &memory) override;
  Status run(uint32_t stream, uint32_t handle) override;

private:
  Status compareMeaning(uint32_t handle, std::string_view name, const plan::Collective &collective);
  Status compareOrder(const Prepared &c, uint32_t handle);
  Status allReduce(const Prepared &c, size_t run);
  Status reduceScatter(const Prepared &c, size_t run);
  Status allGather(const Prepared &c, size_t run);
  Status broadcast(const Prepared &c, size_t run);
  void reducePiece(const Prepared &c, std::byte *own, std::byte *target, uint64_t elements);
  void send(uint32_t rank, std::byte *bytes, uint64_t size) { sends.push_back({rank, bytes, size}); }
  void receive(uint32_t rank, std::byte *bytes, uint64_t size) { receives.push_back({rank, bytes, size}); }
  Status exchange();
  Status broken(const char *problem);
  std::byte *staged(uint64_t at) { return reinterpret_cast<std::byte *>(staging.data()) + at; }

  const plan::Mesh mesh;
  Communicator &host;
  const Mover mover;
  Progress *const progress;
  std::atomic<bool> failedRanks = false;
  std::vector<uint64_t> staging;
  std::vector<Prepared> prepared;
  std::vector<FtParcel> sends, receives; ///< of the next exchange; these too keep their memory
  std::vector<uint64_t> orders;
  std::vector<const std::byte *> sources;
};

/// Elements of member m's share of `elements`, and where it begins.
std::pair<uint64_t, uint64_t> shareOf(uint64_t elements, uint64_t members, uint64_t m) {
  const uint64_t each = elements / members, rest = elements % members;
  return {each + (m < rest), each * m + std::min(m, rest)};
}

Expected<uint32_t> MovedRank::prepare(std::string_view name, const plan::Collective &collective,
                                      const CollectiveMemory &memory) {
  const Progress::Wait wait(progress);
  const uint32_t handle = uint32_t(prepared.size());
  FT_RETURN_IF_ERROR(compareMeaning(handle, name, collective));
  const plan::Coordinates at = mesh.coordinates(rank());
  const auto axes = plan::axesOf(collective);
  Prepared c;
  c.name = name;
  c.kind = collective.kind(), c.reduction = collective.reduction(), c.dtype = collective.dtype();
  c.root = collective.root(), c.member = mesh.member(at, axes), c.ranks = mesh.group(at, axes);
  c.whole.assign(memory.whole.begin(), memory.whole.end());
  c.part.assign(memory.part.begin(), memory.part.end());
  for (const plan::Operand &whole : collective.whole())
    c.wholeBytes.push_back(runBytes(whole));
  const uint64_t most = std::max<uint64_t>(sources.size(), c.members());
  sources.resize(most), orders.resize(most + 1);
  sends.reserve(most), receives.reserve(most);
  prepared.push_back(std::move(c));
  return handle;
}

Status MovedRank::compareMeaning(uint32_t handle, std::string_view name, const plan::Collective &collective) {
  const std::string text = fmt::format("{}/{}", name, collective.SerializeAsString());
  Checksum sum;
  sum.update(std::as_bytes(std::span(text)));
  FT_ASSIGN_OR_RETURN(const uint64_t most, host.agree(Agreement::Max, sum.value()));
  FT_ASSIGN_OR_RETURN(const uint64_t least, host.agree(Agreement::Min, sum.value()));
  if (most == least)
    return {};
  if (most == sum.value())
    host.abort(fmt::format("prepares collective {} with another meaning than a rank before", handle));
  return host.agree(Agreement::Max, 0).status();
}

/// What the plug-in says, or why the ranks have failed meanwhile.
Status MovedRank::broken(const char *problem) {
  if (problem)
    host.abort(problem);
  return host.agree(Agreement::Max, 0).status();
}

Status MovedRank::exchange() {
  const char *problem =
      mover.functions->begin(mover.self, sends.data(), sends.size(), receives.data(), receives.size());
  constexpr int eager = 1000; // polls before it sleeps in between
  for (int polls = 0, done = 0; !problem; ++polls) {
    problem = mover.functions->poll(mover.self, &done);
    if (!problem && done)
      break;
    if (failedRanks.load(std::memory_order_relaxed))
      return broken(nullptr);
    polls < eager ? void(sched_yield()) : void(usleep(50));
  }
  sends.clear(), receives.clear();
  return problem ? broken(problem) : Status();
}

/// That all members have come for the same, before what they send could be taken for something else.
Status MovedRank::compareOrder(const Prepared &c, uint32_t handle) {
  orders.back() = handle;
  for (uint64_t m = 0; m < c.members(); ++m)
    if (m != c.member) {
      send(c.ranks[m], reinterpret_cast<std::byte *>(&orders.back()), sizeof(uint64_t));
      receive(c.ranks[m], reinterpret_cast<std::byte *>(&orders[m]), sizeof(uint64_t));
    }
  FT_RETURN_IF_ERROR(exchange());
  for (uint64_t m = 0; m < c.members(); ++m)
    if (m != c.member && orders[m] != handle) {
      const std::string other = orders[m] < prepared.size() ? prepared[orders[m]].name : "";
      host.abort(fmt::format("runs collective {} \"{}\" where rank {} runs collective {} \"{}\"", handle, c.name,
                             c.ranks[m], orders[m], other));
      return host.agree(Agreement::Max, 0).status();
    }
  return {};
}

/// `own` and what the others sent of it, behind each other in the staging memory, in the order of members.
void MovedRank::reducePiece(const Prepared &c, std::byte *own, std::byte *target, uint64_t elements) {
  for (uint64_t m = 0, at = 0; m < c.members(); ++m) {
    sources[m] = m == c.member ? own : staged(at);
    at += m == c.member ? 0 : elements * c.width();
  }
  reduce(c.dtype, c.reduction, std::span(sources).first(c.members()), {&target, 1}, elements);
}

Status MovedRank::allReduce(const Prepared &c, size_t run) {
  const uint64_t width = c.width(), total = c.wholeBytes[run] / width;
  const uint64_t most = std::max<uint64_t>(Pieces::mostStagedBytes / width / c.members(), 1) * c.members();
  for (uint64_t at = 0; at < total; at += most) {
    std::byte *piece = c.whole[run] + at * width;
    const uint64_t elements = std::min(most, total - at);
    const auto [mine, begin] = shareOf(elements, c.members(), c.member);
    for (uint64_t m = 0, place = 0; m < c.members(); ++m)
      if (m != c.member) {
        const auto [count, first] = shareOf(elements, c.members(), m);
        send(c.ranks[m], piece + first * width, count * width);
        receive(c.ranks[m], staged(place), mine * width);
        place += mine * width;
      }
    FT_RETURN_IF_ERROR(exchange());
    reducePiece(c, piece + begin * width, piece + begin * width, mine);
    for (uint64_t m = 0; m < c.members(); ++m)
      if (m != c.member) {
        const auto [count, first] = shareOf(elements, c.members(), m);
        send(c.ranks[m], piece + begin * width, mine * width);
        receive(c.ranks[m], piece + first * width, count * width);
      }
    FT_RETURN_IF_ERROR(exchange());
  }
  return {};
}

Status MovedRank::reduceScatter(const Prepared &c, size_t run) {
  const uint64_t width = c.width(), part = c.wholeBytes[run] / c.members();
  const uint64_t most = std::max<uint64_t>(Pieces::mostStagedBytes / width / c.members(), 1) * width;
  for (uint64_t at = 0; at < part; at += most) {
    const uint64_t bytes = std::min(most, part - at);
    for (uint64_t m = 0, place = 0; m < c.members(); ++m)
      if (m != c.member) {
        send(c.ranks[m], c.whole[run] + m * part + at, bytes);
        receive(c.ranks[m], staged(place), bytes);
        place += bytes;
      }
    FT_RETURN_IF_ERROR(exchange());
    reducePiece(c, c.whole[run] + c.member * part + at, c.part[run] + at, bytes / width);
  }
  return {};
}

Status MovedRank::allGather(const Prepared &c, size_t run) {
  const uint64_t part = c.wholeBytes[run] / c.members();
  std::byte *own = c.whole[run] + c.member * part;
  if (own != c.part[run])
    std::copy_n(c.part[run], part, own);
  for (uint64_t at = 0; at < part; at += Pieces::mostStagedBytes) {
    const uint64_t bytes = std::min(Pieces::mostStagedBytes, part - at);
    for (uint64_t m = 0; m < c.members(); ++m)
      if (m != c.member) {
        send(c.ranks[m], own + at, bytes);
        receive(c.ranks[m], c.whole[run] + m * part + at, bytes);
      }
    FT_RETURN_IF_ERROR(exchange());
  }
  return {};
}

Status MovedRank::broadcast(const Prepared &c, size_t run) {
  for (uint64_t at = 0; at < c.wholeBytes[run]; at += Pieces::mostStagedBytes) {
    const uint64_t bytes = std::min(Pieces::mostStagedBytes, c.wholeBytes[run] - at);
    if (c.member != c.root)
      receive(c.ranks[c.root], c.whole[run] + at, bytes);
    for (uint64_t m = 0; m < c.members() && c.member == c.root; ++m)
      if (m != c.root)
        send(c.ranks[m], c.whole[run] + at, bytes);
    FT_RETURN_IF_ERROR(exchange());
  }
  return {};
}

Status MovedRank::run(uint32_t, uint32_t handle) {
  const Progress::Wait wait(progress);
  const Prepared &c = prepared[handle];
  if (failedRanks.load(std::memory_order_relaxed))
    return broken(nullptr);
  FT_RETURN_IF_ERROR(compareOrder(c, handle));
  for (size_t run = 0; run < c.whole.size(); ++run) {
    Status status;
    if (c.kind == plan::Collective::ALL_REDUCE)
      status = allReduce(c, run);
    else if (c.kind == plan::Collective::REDUCE_SCATTER)
      status = reduceScatter(c, run);
    else
      status = c.kind == plan::Collective::ALL_GATHER ? allGather(c, run) : broadcast(c, run);
    FT_RETURN_IF_ERROR(status);
  }
  return {};
}
} // namespace

std::unique_ptr<Communicator> ft::rt::openMoved(const plan::Mesh &mesh, Communicator &host, Mover mover,
                                                Progress *progress) {
  return std::make_unique<MovedRank>(mesh, host, mover, progress);
}
