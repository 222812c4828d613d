#include "runtime/Communication/Threads.h"

#include "runtime/Communication/Reduce.h"
#include "runtime/Communication/Room.h"
#include "runtime/Plan/Kinds.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

namespace {

/// What the ranks tell each other about one collective.
struct Announced {
  std::string description;
  std::vector<std::vector<std::byte *>> whole, part; ///< of each rank, each run
};

/// What all ranks of a process share.
struct Shared {
  Shared(const plan::Mesh &mesh, std::shared_ptr<Room> room) : mesh(mesh), room(std::move(room)) {}
  const plan::Mesh mesh;
  const std::shared_ptr<Room> room;
  std::mutex mutex;
  std::vector<std::unique_ptr<Announced>> announced; ///< by handle
  std::span<const std::byte> offered;                ///< what rank 0 gets, from before all have met until they part
};

/// One contiguous run: where it lies on each member.
struct Run {
  std::vector<std::byte *> whole, part;
  uint64_t wholeBytes = 0, partBytes = 0;
};

struct Prepared {
  std::string name;
  plan::Collective::Kind kind{};
  plan::Collective::Reduction reduction{};
  plan::DType dtype{};
  uint32_t root = 0, member = 0, members = 0;
  Room::Group *group = nullptr;
  std::vector<Run> runs;
  std::vector<const std::byte *> sources; ///< scratch, so that running allocates nothing
  std::vector<std::byte *> targets;

  void exchange();
  void allReduce(const Run &run);
  void reduceScatter(const Run &run);
  void allGather(const Run &run);
};

uint64_t bytesOf(const plan::Operand &operand) {
  return operand.row_bytes() * operand.rows() * std::max<uint64_t>(operand.batch(), 1);
}

void copyUnlessSame(std::byte *to, const std::byte *from, uint64_t bytes) {
  if (to != from)
    std::memcpy(to, from, bytes);
}

/// Each member sums its share of the elements and hands the result to all: nobody else touches the share.
void Prepared::allReduce(const Run &run) {
  const uint64_t width = plan::dtypeBytes(dtype), elements = run.wholeBytes / width;
  const uint64_t rest = elements % members, begin = elements / members * member + std::min<uint64_t>(member, rest);
  for (uint32_t m = 0; m < members; ++m)
    sources[m] = targets[m] = run.whole[m] + begin * width;
  reduce(dtype, reduction, sources, targets, elements / members + (member < rest));
}

void Prepared::reduceScatter(const Run &run) {
  for (uint32_t m = 0; m < members; ++m)
    sources[m] = run.whole[m] + member * run.partBytes;
  reduce(dtype, reduction, sources, {&run.part[member], 1}, run.partBytes / plan::dtypeBytes(dtype));
}

void Prepared::allGather(const Run &run) {
  for (uint32_t m = 0; m < members; ++m)
    copyUnlessSame(run.whole[member] + m * run.partBytes, run.part[m], run.partBytes);
}

void Prepared::exchange() {
  for (const Run &run : runs)
    switch (kind) {
    case plan::Collective::ALL_REDUCE:
      allReduce(run);
      break;
    case plan::Collective::REDUCE_SCATTER:
      reduceScatter(run);
      break;
    case plan::Collective::ALL_GATHER:
      allGather(run);
      break;
    case plan::Collective::BROADCAST:
      copyUnlessSame(run.whole[member], run.whole[root], run.wholeBytes);
      break;
    default:
      break;
    }
}

class ThreadRank final : public Communicator {
public:
  ThreadRank(std::shared_ptr<Shared> s, uint32_t number)
      : shared(std::move(s)), number(number), at(shared->mesh.coordinates(number)) {
    std::vector<uint32_t> all(shared->mesh.axes());
    for (uint32_t axis = 0; axis < all.size(); ++axis)
      all[axis] = axis;
    world = &shared->room->group(shared->mesh.group(at, all));
  }
  ~ThreadRank() override { shared->room->leave(number); }

  uint32_t rank() const override { return number; }
  uint32_t size() const override { return shared->room->size(); }

  Expected<uint32_t> prepare(std::string_view name, const plan::Collective &collective,
                             const CollectiveMemory &memory) override {
    const uint32_t handle = uint32_t(prepared.size());
    Announced &announced = announce(handle, collective, memory);
    const Purpose purpose{Purpose::Prepare, name, handle};
    FT_RETURN_IF_ERROR(shared->room->open(*world, number, purpose));
    prepared.push_back(assemble(name, collective, announced));
    FT_RETURN_IF_ERROR(shared->room->close(*world, number, purpose));
    return handle;
  }

  Status run(uint32_t, uint32_t handle) override {
    Prepared &p = prepared[handle];
    const Purpose purpose{Purpose::Run, p.name, handle};
    FT_RETURN_IF_ERROR(shared->room->open(*p.group, number, purpose));
    p.exchange();
    return shared->room->close(*p.group, number, purpose);
  }

  Expected<uint64_t> agree(Agreement how, uint64_t value) override {
    constexpr std::string_view names[] = {"the largest value", "the least value", "the sum", "rank 0's value"};
    return shared->room->agree(*world, number, {Purpose::Agree, names[size_t(how)], uint64_t(how)}, how, value);
  }

  Status toRank0(uint32_t from, std::span<std::byte> bytes) override {
    if (number == from) {
      std::lock_guard lock(shared->mutex);
      shared->offered = bytes;
    }
    const Purpose purpose{Purpose::Collect, "bytes", from};
    FT_RETURN_IF_ERROR(shared->room->open(*world, number, purpose));
    if (number == 0 && from != 0)
      std::memcpy(bytes.data(), shared->offered.data(), std::min(bytes.size(), shared->offered.size()));
    return shared->room->close(*world, number, purpose);
  }

  void abort(std::string reason) override { shared->room->fail(number, reason); }
  void whenFailed(std::function<void()> what) override { shared->room->whenFailed(number, std::move(what)); }

private:
  /// Tells the others where this rank's runs lie; they look once all have met.
  Announced &announce(uint32_t handle, const plan::Collective &collective, const CollectiveMemory &memory) {
    const std::string description = collective.SerializeAsString();
    std::lock_guard lock(shared->mutex);
    if (shared->announced.size() == handle) {
      shared->announced.push_back(std::make_unique<Announced>());
      shared->announced[handle]->description = description;
      shared->announced[handle]->whole.resize(size());
      shared->announced[handle]->part.resize(size());
    }
    Announced &announced = *shared->announced[handle];
    if (announced.description != description)
      shared->room->fail(number, fmt::format("prepares collective {} with another meaning than a rank before", handle));
    announced.whole[number].assign(memory.whole.begin(), memory.whole.end());
    announced.part[number].assign(memory.part.begin(), memory.part.end());
    return announced;
  }

  Prepared assemble(std::string_view name, const plan::Collective &collective, const Announced &announced) const {
    const auto axes = plan::axesOf(collective);
    const std::vector<uint32_t> ranks = shared->mesh.group(at, axes);
    Prepared p;
    p.name = name;
    p.kind = collective.kind(), p.reduction = collective.reduction(), p.dtype = collective.dtype();
    p.root = collective.root();
    p.member = shared->mesh.member(at, axes), p.members = uint32_t(ranks.size());
    p.group = &shared->room->group(ranks);
    p.sources.resize(ranks.size()), p.targets.resize(ranks.size());
    p.runs.resize(size_t(collective.whole_size()));
    for (size_t i = 0; i < p.runs.size(); ++i) {
      Run &run = p.runs[i];
      run.wholeBytes = bytesOf(collective.whole(int(i)));
      run.partBytes = run.wholeBytes / p.members;
      for (uint32_t rank : ranks) {
        run.whole.push_back(announced.whole[rank][i]);
        if (collective.part_size() > 0)
          run.part.push_back(announced.part[rank][i]);
      }
    }
    return p;
  }

  std::shared_ptr<Shared> shared;
  const uint32_t number;
  const plan::Coordinates at;
  Room::Group *world = nullptr;
  std::vector<Prepared> prepared;
};

} // namespace

std::vector<std::unique_ptr<Communicator>> openThreads(const plan::Mesh &mesh) {
  return openThreads(mesh, std::make_shared<Room>(mesh.ranks()));
}

std::vector<std::unique_ptr<Communicator>> openThreads(const plan::Mesh &mesh, std::shared_ptr<Room> room) {
  auto shared = std::make_shared<Shared>(mesh, std::move(room));
  std::vector<std::unique_ptr<Communicator>> ends;
  for (uint32_t rank = 0; rank < mesh.ranks(); ++rank)
    ends.push_back(std::make_unique<ThreadRank>(shared, rank));
  return ends;
}

} // namespace ft::rt
