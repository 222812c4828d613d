#include "runtime/Device/Cpu/HostMemory.h"

#include "runtime/Device/Device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <thread>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 // Linux 5.14
#endif

using namespace ft;
using namespace ft::rt;

namespace {
constexpr uint64_t hugePage = 2u << 20;

std::optional<uint64_t> readNumber(const std::string &path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value)
    return value;
  return std::nullopt; // absent, or "max"
}

/// The value of the line "<key><separator> <number>" of a file of such lines, 0 where there is none.
uint64_t readField(const std::string &path, const std::string &key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    uint64_t value = 0;
    if (words >> name >> value && name == key)
      return value;
  }
  return 0;
}

/// What one cgroup leaves: its limit, minus what is used, file caches aside.
std::optional<uint64_t> cgroupLeft(const std::string &folder, const char *limitFile, const char *usageFile,
                                   const char *cacheKey) {
  std::optional<uint64_t> limit = readNumber(folder + "/" + limitFile), used = readNumber(folder + "/" + usageFile);
  if (!limit || !used)
    return std::nullopt;
  uint64_t cache = std::min(*used, readField(folder + "/memory.stat", cacheKey));
  return *limit - std::min(*limit, *used - cache);
}

/// The smallest remainder from the process's own cgroup up to the root of the hierarchy.
uint64_t smallestLeft(const std::string &root, std::string path, const char *limitFile, const char *usageFile,
                      const char *cacheKey) {
  uint64_t smallest = std::numeric_limits<uint64_t>::max();
  while (true) {
    if (auto left = cgroupLeft(root + (path == "/" ? "" : path), limitFile, usageFile, cacheKey))
      smallest = std::min(smallest, *left);
    const size_t parent = path.rfind('/');
    if (parent == std::string::npos || path == "/")
      return smallest;
    path.erase(parent);
  }
}
} // namespace

HostMemory ft::rt::readHostMemory(const std::string &proc, const std::string &cgroups) {
  HostMemory memory;
  memory.totalBytes = readField(proc + "/meminfo", "MemTotal:") * 1024;
  memory.freeBytes = readField(proc + "/meminfo", "MemAvailable:") * 1024;
  // A container without /proc, or a kernel that does not say what is available: what is free, without what could be.
  if (struct sysinfo told = {}; (memory.totalBytes == 0 || memory.freeBytes == 0) && sysinfo(&told) == 0)
    memory = {uint64_t(told.totalram) * told.mem_unit, uint64_t(told.freeram + told.bufferram) * told.mem_unit};
  std::ifstream file(proc + "/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos)
      continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) // version 2
      memory.freeBytes =
          std::min(memory.freeBytes, smallestLeft(cgroups, path, "memory.max", "memory.current", "inactive_file"));
    else if (("," + controllers + ",").find(",memory,") != std::string::npos)
      memory.freeBytes = std::min(memory.freeBytes, smallestLeft(cgroups + "/memory", path, "memory.limit_in_bytes",
                                                                 "memory.usage_in_bytes", "total_inactive_file"));
  }
  return memory;
}

void ft::rt::fillBytes(void *memory, uint64_t bytes, uint8_t value) {
  constexpr uint64_t least = 64 << 20; // for which a thread is worth its start
  const uint64_t threads = std::clamp<uint64_t>(bytes / least, 1, usableProcessors());
  const uint64_t share = bytes / threads;
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < threads; ++i)
    others.emplace_back([=] {
      std::memset(static_cast<char *>(memory) + i * share, value, i + 1 < threads ? share : bytes - i * share);
    });
  std::memset(memory, value, threads > 1 ? share : bytes);
  for (std::thread &other : others)
    other.join();
}

uint64_t ft::rt::freeHostBytes() { return readHostMemory().freeBytes; }

Reservations::~Reservations() {
  for (const Mapping &mapping : mappings)
    munmap(mapping.base, mapping.bytes);
}

Expected<void *> Reservations::reserve(uint64_t size, uint64_t alignment) {
  const uint64_t align = std::max(alignment, hugePage);
  const HostMemory memory = readHostMemory();
  if (size > memory.freeBytes)
    return cannotRun(fmt::format("cannot reserve {} bytes ({:.2f} GiB): {} bytes ({:.2f} GiB) are free; end other "
                                 "programs or compile a smaller plan",
                                 size, size / 0x1p30, memory.freeBytes, memory.freeBytes / 0x1p30));
  const uint64_t bytes = size + align; // room to align in
  void *base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return cannotRun(fmt::format("cannot reserve {} bytes ({:.2f} GiB) of {} free: {}", size, size / 0x1p30,
                                 memory.freeBytes, std::strerror(errno)));
  mappings.push_back({base, bytes});
  char *start = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(base) + align - 1) / align * align);
  madvise(start, size, MADV_HUGEPAGE); // advice: a kernel without huge pages may refuse it
  if (size && madvise(start, size, MADV_POPULATE_WRITE) != 0) {
    if (errno == ENOMEM)
      return cannotRun(fmt::format("cannot fill {} bytes ({:.2f} GiB) with memory of {} free: {}", size, size / 0x1p30,
                                   memory.freeBytes, std::strerror(ENOMEM)));
    const uint64_t page = sysconf(_SC_PAGESIZE); // a kernel before 5.14: touch every page
    for (uint64_t offset = 0; offset < size; offset += page)
      *reinterpret_cast<volatile char *>(start + offset) = 0;
  }
  return static_cast<void *>(start);
}
