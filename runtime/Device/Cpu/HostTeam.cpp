#include "runtime/Device/Cpu/HostTeam.h"

#include <algorithm>
#include <pthread.h>
#include <sched.h>

using namespace ft::rt;

/// Pieces for each thread: the last ones end together, and taking one costs nothing beside it.
constexpr int64_t piecesEach = 8;

HostTeam::HostTeam(uint32_t threads, const std::vector<int> &processors) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int processor : processors)
    CPU_SET(processor, &set);
  for (uint32_t i = 1; i < threads; ++i) {
    members.emplace_back([this] { work(); });
    if (!processors.empty()) // where the system refuses, they are wherever it puts them
      pthread_setaffinity_np(members.back().native_handle(), sizeof set, &set);
  }
}

HostTeam::~HostTeam() {
  {
    const std::lock_guard lock(mutex);
    ending = true;
  }
  begun.notify_all();
  for (std::thread &member : members)
    member.join();
}

void HostTeam::takePieces() {
  for (int64_t begin = next.fetch_add(piece); begin < items; begin = next.fetch_add(piece))
    (*body)(begin, std::min(begin + piece, items));
}

void HostTeam::work() {
  uint64_t seen = 0;
  for (std::unique_lock lock(mutex);;) {
    begun.wait(lock, [&] { return ending || round != seen; });
    if (ending)
      return;
    seen = round;
    lock.unlock();
    takePieces();
    lock.lock();
    if (--working == 0)
      done.notify_one();
  }
}

void HostTeam::run(int64_t count, const std::function<void(int64_t, int64_t)> &of) {
  if (count <= 0)
    return;
  if (members.empty() || count == 1)
    return of(0, count);
  {
    const std::lock_guard lock(mutex);
    body = &of;
    items = count;
    piece = std::max<int64_t>(1, count / (piecesEach * threads()));
    next = 0;
    working = members.size();
    ++round;
  }
  begun.notify_all();
  takePieces();
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return working == 0; });
}
