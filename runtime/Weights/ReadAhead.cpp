#include "runtime/Weights/ReadAhead.h"

#include <algorithm>
#include <sys/mman.h>
#include <unistd.h>

namespace ft::rt {

namespace {

/// The system takes no more than some hundred KiB of one request.
constexpr uint64_t requestBytes = 512 << 10;

/// It is advice: where it is refused, pages come as they are read.
void ask(std::span<const std::byte> part) {
  const auto page = uintptr_t(::sysconf(_SC_PAGESIZE)), end = uintptr_t(part.data()) + part.size();
  for (uintptr_t at = uintptr_t(part.data()) / page * page; at < end; at += requestBytes)
    ::madvise(reinterpret_cast<void *>(at), std::min<uintptr_t>(requestBytes, end - at), MADV_WILLNEED);
}

/// Whether the system has the first page of each part.
bool isInMemory(const ReadAhead::Parts &parts) {
  const auto page = uintptr_t(::sysconf(_SC_PAGESIZE));
  return std::all_of(parts.begin(), parts.end(), [&](std::span<const std::byte> part) {
    unsigned char there = 1;
    auto *const address = reinterpret_cast<void *>(uintptr_t(part.data()) / page * page);
    return part.empty() || (::mincore(address, 1, &there) == 0 && (there & 1));
  });
}

uint64_t bytesOf(const ReadAhead::Parts &parts) {
  uint64_t bytes = 0;
  for (const std::span<const std::byte> part : parts)
    bytes += part.size();
  return bytes;
}

std::vector<ReadAhead::Parts> itemsOf(const Producer &producer, uint64_t count, uint64_t each) {
  std::vector<ReadAhead::Parts> items;
  for (uint64_t first = 0; first < count; first += each)
    items.push_back({producer.fileBytes(first, std::min(each, count - first))});
  return items;
}

} // namespace

ReadAhead::ReadAhead(const Producer &producer, uint64_t count, uint64_t each)
    : ReadAhead(itemsOf(producer, count, each)) {}

ReadAhead::ReadAhead(std::vector<Parts> givenItems) : items(std::move(givenItems)) {
  uint64_t bytes = 0;
  for (const Parts &parts : items)
    ends.push_back(bytes += bytesOf(parts));
}

ReadAhead::Reading::Reading(ReadAhead &of, uint64_t item)
    : of(of), bytes(!of.asksForAll && isInMemory(of.items[item]) ? bytesOf(of.items[item]) : 0),
      start(std::chrono::steady_clock::now()) {}

ReadAhead::Reading::~Reading() {
  constexpr double bytesPerSecond = 0.5e9; // a tenth of what copying takes
  if (bytes && std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() * bytesPerSecond >
                   static_cast<double>(bytes))
    of.asksForAll = true;
}

void ReadAhead::release(uint64_t index) const {
  const auto page = uintptr_t(::sysconf(_SC_PAGESIZE));
  for (const std::span<const std::byte> part : items[index]) {
    const uintptr_t begin = (uintptr_t(part.data()) + page - 1) / page * page;
    const uintptr_t end = (uintptr_t(part.data()) + part.size()) / page * page;
    if (begin < end) // a mapping that nobody writes: the content stays, in the file
      ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
  }
}

ReadAhead::Reading ReadAhead::begin(uint64_t index) {
  const uint64_t until = ends[index] + window;
  for (uint64_t known = asked; known < items.size() && (known <= index || ends[known - 1] < until);) {
    if (!asked.compare_exchange_weak(known, known + 1))
      continue;
    if (asksForAll || !isInMemory(items[known]))
      for (const std::span<const std::byte> part : items[known])
        ask(part);
    known = asked;
  }
  return Reading(*this, index);
}

} // namespace ft::rt
