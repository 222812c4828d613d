// A libnccl.so.2 for tests on machines without a GPU, above FakeDriver: ranks are threads or processes that meet in
// shared memory. Calls are work of a stream, done when the fake driver does it; sums are in the order of ranks.
#include "runtime/Device/Cuda/NcclApi.h"
#include "runtime/Support/Bfloat16.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

using namespace ft::rt;

namespace {

constexpr uint32_t mostRanks = 16;
constexpr size_t slotBytes = 1 << 16;

/// In shared memory; zero at first.
struct Hall {
  std::atomic<uint32_t> arrived, round;
  std::byte slots[mostRanks][slotBytes];
};

size_t widthOf(NcclType type) {
  switch (type) {
  case NcclType::Int8:
    return 1;
  case NcclType::Bfloat16:
    return 2;
  case NcclType::Float64:
    return 8;
  default:
    return 4;
  }
}

template <typename T> T combined(NcclOp op, T a, T b) { return op == NcclOp::Max ? std::max(a, b) : a + b; }

template <typename T> void fold(NcclOp op, const std::vector<const std::byte *> &from, std::byte *to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    T result{};
    for (size_t rank = 0; rank < from.size(); ++rank) {
      T x;
      std::memcpy(&x, from[rank] + i * sizeof(T), sizeof x);
      result = rank == 0 ? x : combined(op, result, x);
    }
    std::memcpy(to + i * sizeof(T), &result, sizeof result);
  }
}

/// Rounded at each rank, as NCCL does it.
void foldBfloat16(const std::vector<const std::byte *> &from, std::byte *to, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint16_t result = 0;
    for (size_t rank = 0; rank < from.size(); ++rank) {
      uint16_t x;
      std::memcpy(&x, from[rank] + i * 2, 2);
      result = rank == 0 ? x : f32ToBf16(bf16ToF32(result) + bf16ToF32(x));
    }
    std::memcpy(to + i * 2, &result, 2);
  }
}

void foldAll(NcclType type, NcclOp op, const std::vector<const std::byte *> &from, std::byte *to, size_t count) {
  if (type == NcclType::Float64)
    fold<double>(op, from, to, count);
  else if (type == NcclType::Float32)
    fold<float>(op, from, to, count);
  else if (type == NcclType::Int32)
    op == NcclOp::Sum ? fold<uint32_t>(op, from, to, count) : fold<int32_t>(op, from, to, count);
  else
    foldBfloat16(from, to, count);
}

} // namespace

struct ft::rt::NcclComm {
  std::string name;
  uint32_t ranks = 1, rank = 0, splits = 0;
  Hall *hall = nullptr;
  std::atomic<bool> aborted = false;

  /// False once aborted: then nothing has happened, and nobody waits.
  bool meet() {
    const uint32_t round = hall->round;
    if (hall->arrived.fetch_add(1) + 1 == ranks) {
      hall->arrived = 0;
      hall->round.fetch_add(1);
      return true;
    }
    while (hall->round == round) {
      if (aborted)
        return false;
      usleep(20);
    }
    return !aborted;
  }

  /// Piece by piece: each gives `bytes` of what it has for each target, and `take` gets the slots when all have.
  bool exchange(size_t total, size_t pieceBytes, const std::function<void(size_t at, size_t bytes)> &give,
                const std::function<void(size_t at, size_t bytes)> &take) {
    for (size_t at = 0; at < total; at += pieceBytes) {
      const size_t bytes = std::min(pieceBytes, total - at);
      give(at, bytes);
      if (!meet())
        return false;
      take(at, bytes);
      if (!meet())
        return false;
    }
    return true;
  }
  std::byte *own() { return hall->slots[rank]; }
  std::vector<const std::byte *> slots(size_t offset) const {
    std::vector<const std::byte *> all;
    for (uint32_t r = 0; r < ranks; ++r)
      all.push_back(hall->slots[r] + offset);
    return all;
  }
};

namespace {

using Work = std::function<void()>;
thread_local int groups = 0;
thread_local std::vector<std::pair<CUstream, Work>> grouped;

NcclResult enqueue(CUstream stream, Work work) {
  if (groups > 0)
    return grouped.emplace_back(stream, std::move(work)), NcclResult::Success;
  // Kept for good: graphs replay it.
  const CUresult result = cuLaunchHostFunc(
      stream, [](void *data) { (*static_cast<Work *>(data))(); }, new Work(work));
  return result == CUDA_SUCCESS ? NcclResult::Success : NcclResult::UnhandledCudaError;
}

NcclResult openHall(NcclComm &comm) {
  const int file = shm_open(comm.name.c_str(), O_CREAT | O_RDWR, 0600);
  if (file < 0 || ftruncate(file, sizeof(Hall)) != 0)
    return NcclResult::SystemError;
  void *memory = mmap(nullptr, sizeof(Hall), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED)
    return NcclResult::SystemError;
  comm.hall = static_cast<Hall *>(memory);
  if (!comm.meet())
    return NcclResult::InternalError;
  if (comm.rank == 0)
    shm_unlink(comm.name.c_str());
  return NcclResult::Success;
}

const std::byte *bytesOf(const void *p) { return static_cast<const std::byte *>(p); }
std::byte *bytesOf(void *p) { return static_cast<std::byte *>(p); }

} // namespace

extern "C" {

NcclResult ncclGetVersion(int *version) {
  const char *said = std::getenv("FTC_FAKE_NCCL_VERSION");
  *version = said ? std::atoi(said) : 22703;
  return NcclResult::Success;
}
const char *ncclGetErrorString(NcclResult result) {
  return result == NcclResult::InvalidUsage ? "invalid usage" : "an error of the fake library";
}
const char *ncclGetLastError(NcclComm *) { return ""; }

NcclResult ncclGetUniqueId(NcclId *id) {
  static std::atomic<uint32_t> count = 0;
  const std::string name = "/ftc-fake-nccl-" + std::to_string(getpid()) + "-" + std::to_string(count++);
  std::memset(id->bytes, 0, sizeof id->bytes);
  std::memcpy(id->bytes, name.data(), name.size());
  return NcclResult::Success;
}

NcclResult ncclCommInitRank(NcclComm **comm, int ranks, NcclId id, int rank) {
  if (ranks > int(mostRanks))
    return NcclResult::InvalidUsage;
  auto *made = new NcclComm;
  made->name = id.bytes, made->ranks = uint32_t(ranks), made->rank = uint32_t(rank);
  *comm = made;
  return openHall(*made);
}

NcclResult ncclCommSplit(NcclComm *parent, int color, int key, NcclComm **comm, void *) {
  struct Place {
    int color, key, rank;
  } mine{color, key, int(parent->rank)};
  std::vector<Place> members;
  parent->exchange(
      sizeof mine, slotBytes, [&](size_t, size_t) { std::memcpy(parent->own(), &mine, sizeof mine); },
      [&](size_t, size_t) {
        for (const std::byte *slot : parent->slots(0)) {
          Place place;
          std::memcpy(&place, slot, sizeof place);
          if (place.color == color)
            members.push_back(place);
        }
      });
  std::stable_sort(members.begin(), members.end(), [](const Place &a, const Place &b) { return a.key < b.key; });
  auto *made = new NcclComm;
  made->name = parent->name + "-" + std::to_string(parent->splits++) + "-" + std::to_string(color);
  made->ranks = uint32_t(members.size());
  made->rank =
      uint32_t(std::find_if(members.begin(), members.end(), [&](const Place &p) { return p.rank == mine.rank; }) -
               members.begin());
  *comm = made;
  return openHall(*made);
}

/// What waits in it ends; its memory stays, for graphs that still name it.
NcclResult ncclCommAbort(NcclComm *comm) { return comm->aborted = true, NcclResult::Success; }

NcclResult ncclGroupStart() { return ++groups, NcclResult::Success; }
NcclResult ncclGroupEnd() {
  if (--groups > 0)
    return NcclResult::Success;
  NcclResult result = NcclResult::Success;
  for (auto &[stream, work] : grouped)
    if (result == NcclResult::Success)
      result = enqueue(stream, std::move(work));
  grouped.clear();
  return result;
}

NcclResult ncclAllReduce(const void *send, void *receive, size_t count, NcclType type, NcclOp op, NcclComm *comm,
                         CUstream stream) {
  return enqueue(stream, [=] {
    const size_t width = widthOf(type);
    comm->exchange(
        count * width, slotBytes, [&](size_t at, size_t bytes) { std::memcpy(comm->own(), bytesOf(send) + at, bytes); },
        [&](size_t at, size_t bytes) { foldAll(type, op, comm->slots(0), bytesOf(receive) + at, bytes / width); });
  });
}

NcclResult ncclReduceScatter(const void *send, void *receive, size_t count, NcclType type, NcclOp op, NcclComm *comm,
                             CUstream stream) {
  return enqueue(stream, [=] {
    const size_t width = widthOf(type), part = count * width, piece = slotBytes / comm->ranks / 8 * 8;
    comm->exchange(
        part, piece,
        [&](size_t at, size_t bytes) {
          for (uint32_t target = 0; target < comm->ranks; ++target)
            std::memcpy(comm->own() + target * piece, bytesOf(send) + target * part + at, bytes);
        },
        [&](size_t at, size_t bytes) {
          foldAll(type, op, comm->slots(comm->rank * piece), bytesOf(receive) + at, bytes / width);
        });
  });
}

NcclResult ncclAllGather(const void *send, void *receive, size_t count, NcclType type, NcclComm *comm,
                         CUstream stream) {
  return enqueue(stream, [=] {
    const size_t part = count * widthOf(type);
    comm->exchange(
        part, slotBytes, [&](size_t at, size_t bytes) { std::memcpy(comm->own(), bytesOf(send) + at, bytes); },
        [&](size_t at, size_t bytes) {
          for (uint32_t from = 0; from < comm->ranks; ++from)
            std::memcpy(bytesOf(receive) + from * part + at, comm->hall->slots[from], bytes);
        });
  });
}

NcclResult ncclBroadcast(const void *send, void *receive, size_t count, NcclType type, int root, NcclComm *comm,
                         CUstream stream) {
  return enqueue(stream, [=] {
    comm->exchange(
        count * widthOf(type), slotBytes,
        [&](size_t at, size_t bytes) { std::memcpy(comm->own(), bytesOf(send) + at, bytes); },
        [&](size_t at, size_t bytes) { std::memcpy(bytesOf(receive) + at, comm->hall->slots[root], bytes); });
  });
}

} // extern "C"
