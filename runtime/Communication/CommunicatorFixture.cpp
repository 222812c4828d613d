#include "runtime/Communication/CommunicatorFixture.h"

#include "runtime/Communication/Moved.h"
#include "runtime/Communication/Sockets.h"
#include "runtime/Communication/Threads.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Support/Bfloat16.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace ft::rt::test {

using plan::Collective;

namespace {
/// Ranks of one process that only know each other over loopback.
std::vector<std::unique_ptr<Communicator>> openSockets(const plan::Mesh &mesh) {
  auto listener = listenAt("127.0.0.1", "", 0);
  EXPECT_TRUE(listener.ok()) << listener.status().message();
  Launch launch;
  launch.world = mesh.ranks(), launch.host = "127.0.0.1", launch.port = portOf(*listener);
  auto attendance = [&](uint32_t rank) { return Attendance{rank, mesh.ranks(), hostName(), rank, {}, {}}; };
  const std::function<bool()> never = [] { return false; };
  std::vector<std::unique_ptr<Communicator>> ends(mesh.ranks());
  std::vector<std::thread> others;
  for (uint32_t rank = 1; rank < mesh.ranks(); ++rank)
    others.emplace_back([&, rank] {
      auto company = join(launch, attendance(rank), SocketChannels, never);
      EXPECT_TRUE(company.ok()) << company.status().message();
      ends[rank] = openFarRank(mesh, rank, std::move(*company), {});
    });
  auto company = gather(std::move(*listener), launch, attendance(0), SocketChannels, never);
  EXPECT_TRUE(company.ok()) << company.status().message();
  ends[0] = openMeetingPlace(mesh, std::move(*company), {});
  for (std::thread &other : others)
    other.join();
  return ends;
}
} // namespace

namespace {
/// Where movers of threads leave what they send, by sender and receiver.
struct PostOffice {
  std::mutex mutex;
  std::map<std::pair<uint32_t, uint32_t>, std::deque<Bytes>> letters;
};

/// A rank's functions, of which `self` is this.
struct ThreadMover {
  std::shared_ptr<PostOffice> office;
  uint32_t rank = 0;
  std::vector<FtParcel> awaited;

  static const char *begin(void *self, const FtParcel *sends, size_t sendCount, const FtParcel *receives,
                           size_t receiveCount) {
    auto &own = *static_cast<ThreadMover *>(self);
    own.awaited.assign(receives, receives + receiveCount);
    std::lock_guard lock(own.office->mutex);
    for (size_t i = 0; i < sendCount; ++i) {
      auto *bytes = static_cast<std::byte *>(sends[i].bytes);
      own.office->letters[{own.rank, sends[i].rank}].emplace_back(bytes, bytes + sends[i].size);
    }
    return nullptr;
  }
  static const char *poll(void *self, int *done) {
    auto &own = *static_cast<ThreadMover *>(self);
    std::lock_guard lock(own.office->mutex);
    for (size_t i = 0; i < own.awaited.size();) {
      const FtParcel parcel = own.awaited[i];
      auto &waiting = own.office->letters[{parcel.rank, own.rank}];
      if (waiting.empty()) {
        ++i;
        continue;
      }
      if (waiting.front().size() != parcel.size)
        return "a letter of another size";
      std::copy(waiting.front().begin(), waiting.front().end(), static_cast<std::byte *>(parcel.bytes));
      waiting.pop_front();
      own.awaited.erase(own.awaited.begin() + std::ptrdiff_t(i));
    }
    *done = own.awaited.empty();
    return nullptr;
  }
  static void close(void *) {}
};
constexpr FtMover threadMover = {ftMoverVersion, nullptr, ThreadMover::begin, ThreadMover::poll, ThreadMover::close};

/// An end, and what it stands on.
class OwnedMoved final : public Communicator {
public:
  OwnedMoved(const plan::Mesh &mesh, std::unique_ptr<Communicator> given, std::shared_ptr<PostOffice> office)
      : host(std::move(given)), mover{std::move(office), host->rank(), {}},
        end(openMoved(mesh, *host, {&threadMover, &mover}, nullptr)) {}
  uint32_t rank() const override { return end->rank(); }
  uint32_t size() const override { return end->size(); }
  Expected<uint32_t> prepare(std::string_view name, const plan::Collective &collective,
                             const CollectiveMemory &memory) override {
    return end->prepare(name, collective, memory);
  }
  Status run(uint32_t stream, uint32_t handle) override { return end->run(stream, handle); }
  Expected<uint64_t> agree(Agreement how, uint64_t value) override { return end->agree(how, value); }
  Status toRank0(uint32_t from, std::span<std::byte> bytes) override { return end->toRank0(from, bytes); }
  void abort(std::string reason) override { end->abort(std::move(reason)); }
  void whenFailed(std::function<void()> what) override { end->whenFailed(std::move(what)); }

private:
  std::unique_ptr<Communicator> host;
  ThreadMover mover;
  std::unique_ptr<Communicator> end;
};

std::vector<std::unique_ptr<Communicator>> openMovedThreads(const plan::Mesh &mesh) {
  auto office = std::make_shared<PostOffice>();
  std::vector<std::unique_ptr<Communicator>> ends = openThreads(mesh);
  for (auto &end : ends)
    end = std::make_unique<OwnedMoved>(mesh, std::move(end), office);
  return ends;
}
} // namespace

std::vector<Implementation> implementations() {
  return {{"Threads", [](const plan::Mesh &mesh) { return openThreads(mesh); }},
          {"Sockets", openSockets},
          {"Moved", openMovedThreads}};
}

std::vector<CollectiveCase> everyCollective() {
  std::vector<CollectiveCase> all;
  for (auto kind : {Collective::ALL_REDUCE, Collective::REDUCE_SCATTER})
    for (auto reduction : {Collective::SUM, Collective::MAX, Collective::NORM2})
      for (auto dtype : {plan::F64, plan::F32, plan::BF16, plan::I32})
        if (reduction != Collective::NORM2 || dtype != plan::I32)
          all.push_back({kind, reduction, dtype});
  for (auto kind : {Collective::ALL_GATHER, Collective::BROADCAST})
    for (auto dtype : {plan::F64, plan::F32, plan::BF16, plan::F16, plan::I32, plan::I64, plan::U8})
      all.push_back({kind, Collective::REDUCTION_UNSPECIFIED, dtype});
  return all;
}

bool hasParts(Collective::Kind kind) { return kind == Collective::REDUCE_SCATTER || kind == Collective::ALL_GATHER; }

void onEachRank(const Implementation &implementation, const plan::Mesh &mesh,
                const std::function<void(Communicator &)> &body) {
  auto ends = implementation.open(mesh);
  ASSERT_EQ(ends.size(), mesh.ranks());
  std::vector<std::thread> threads;
  for (auto &end : ends)
    threads.emplace_back([&body, own = std::move(end)] { body(*own); });
  for (std::thread &thread : threads)
    thread.join();
}

namespace {

void setRun(plan::Operand &operand, uint64_t bytes) { operand.set_rows(1), operand.set_row_bytes(bytes); }

template <typename T> T get(const Bytes &bytes, uint64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}
template <typename T> void put(Bytes &bytes, uint64_t i, T value) {
  std::memcpy(bytes.data() + i * sizeof(T), &value, sizeof(T));
}

/// Numbers of very different sizes, so that another order of a sum has other bits.
void fillRandom(std::byte *to, uint64_t bytes, plan::DType dtype, std::mt19937 &random) {
  Bytes values(bytes);
  auto number = [&] { return std::ldexp(double(random()) - 2147483648.0, -int(random() % 24) - 20); };
  for (uint64_t i = 0; i < bytes / plan::dtypeBytes(dtype); ++i)
    switch (dtype) {
    case plan::F64:
      put(values, i, number());
      break;
    case plan::F32:
      put(values, i, float(number()));
      break;
    case plan::BF16:
      put(values, i, f32ToBf16(float(number())));
      break;
    case plan::I32:
      put(values, i, int32_t(random()));
      break;
    default:
      values[i] = std::byte(random());
    }
  std::memcpy(to, values.data(), bytes);
}

/// Elements of all members at index i, reduced as plan.proto says.
template <typename Sum>
Sum reduceOne(Collective::Reduction reduction, const std::vector<const Bytes *> &members,
              const std::function<Sum(const Bytes &)> &load) {
  Sum result = 0;
  for (size_t m = 0; m < members.size(); ++m) {
    const Sum x = load(*members[m]);
    if (reduction == Collective::MAX)
      result = m == 0 || x > result ? x : result;
    else if (reduction == Collective::NORM2)
      result = m == 0 ? x * x : result + x * x;
    else
      result = m == 0 ? x : result + x;
  }
  return reduction == Collective::NORM2 ? Sum(std::sqrt(result)) : result;
}

Bytes reduceAll(const Collective &c, const std::vector<const Bytes *> &members) {
  Bytes result(members[0]->size());
  for (uint64_t i = 0; i < result.size() / plan::dtypeBytes(c.dtype()); ++i)
    switch (c.dtype()) {
    case plan::F64:
      put(result, i, reduceOne<double>(c.reduction(), members, [&](auto &b) { return get<double>(b, i); }));
      break;
    case plan::F32:
      put(result, i, reduceOne<float>(c.reduction(), members, [&](auto &b) { return get<float>(b, i); }));
      break;
    case plan::BF16:
      put(result, i,
          f32ToBf16(reduceOne<float>(c.reduction(), members, [&](auto &b) { return bf16ToF32(get<uint16_t>(b, i)); })));
      break;
    default: // I32: exact in 64 bits, then the lowest 32
      put(result, i, int32_t(uint32_t(uint64_t(reduceOne<int64_t>(c.reduction(), members, [&](auto &b) {
            return int64_t(get<int32_t>(b, i));
          })))));
    }
  return result;
}

} // namespace

Collective makeCollective(Collective::Kind kind, Collective::Reduction reduction, plan::DType dtype,
                          const std::vector<uint32_t> &axes, uint32_t members,
                          const std::vector<uint64_t> &wholeBytes) {
  Collective c;
  c.set_kind(kind);
  c.set_reduction(reduction);
  c.set_dtype(dtype);
  c.mutable_axes()->Assign(axes.begin(), axes.end());
  for (uint64_t bytes : wholeBytes) {
    setRun(*c.add_whole(), bytes);
    if (hasParts(kind))
      setRun(*c.add_part(), bytes / members);
  }
  return c;
}

RankMemory::RankMemory(const Collective &c, uint32_t member, uint32_t members, bool inPlace, uint32_t seed) {
  constexpr uint64_t gap = 64;
  uint64_t total = 0;
  for (const plan::Operand &whole : c.whole())
    total += 2 * (whole.row_bytes() + gap);
  memory.resize(total);
  std::mt19937 random(seed * 64 + member);
  std::byte *next = memory.data();
  auto place = [&](uint64_t bytes) {
    std::byte *run = next;
    fillRandom(run, bytes, c.dtype(), random);
    next += (bytes + gap) / 8 * 8;
    return run;
  };
  for (int i = 0; i < c.whole_size(); ++i) {
    wholeBytes.push_back(c.whole(i).row_bytes());
    whole.push_back(place(wholeBytes.back()));
    if (!hasParts(c.kind()))
      continue;
    partBytes.push_back(wholeBytes.back() / members);
    part.push_back(inPlace ? whole.back() + member * partBytes.back() : place(partBytes.back()));
  }
}

std::vector<Bytes> RankMemory::contents() const {
  std::vector<Bytes> all;
  for (size_t i = 0; i < whole.size(); ++i)
    all.emplace_back(whole[i], whole[i] + wholeBytes[i]);
  for (size_t i = 0; i < part.size(); ++i)
    all.emplace_back(part[i], part[i] + partBytes[i]);
  return all;
}

std::vector<Bytes> expectedContents(const Collective &c, uint32_t member, const std::vector<std::vector<Bytes>> &before,
                                    bool inPlace) {
  std::vector<Bytes> result = before[member];
  const size_t runs = size_t(c.whole_size());
  for (size_t i = 0; i < runs; ++i) {
    std::vector<const Bytes *> wholes;
    for (const std::vector<Bytes> &memory : before)
      wholes.push_back(&memory[i]);
    Bytes &whole = result[i];
    if (c.kind() == Collective::ALL_REDUCE) {
      whole = reduceAll(c, wholes);
    } else if (c.kind() == Collective::BROADCAST) {
      whole = *wholes[c.root()];
    } else if (c.kind() == Collective::ALL_GATHER) {
      whole.clear();
      for (const std::vector<Bytes> &memory : before)
        whole.insert(whole.end(), memory[runs + i].begin(), memory[runs + i].end());
    } else {
      Bytes &part = result[runs + i];
      const auto offset = std::ptrdiff_t(member * part.size());
      const Bytes sum = reduceAll(c, wholes);
      std::copy_n(sum.begin() + offset, part.size(), part.begin());
      if (inPlace)
        std::copy_n(sum.begin() + offset, part.size(), whole.begin() + offset);
    }
  }
  return result;
}

void dawdle(std::mt19937 &random) {
  const uint32_t kind = random() % 4;
  if (kind == 1)
    std::this_thread::yield();
  if (kind == 2)
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
}

} // namespace ft::rt::test
