// Memory of the cpu driver: how much there is, and reservations whose every page is present.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ft::rt {

struct HostMemory {
  uint64_t totalBytes = 0;
  uint64_t freeBytes = 0; ///< the smaller of MemAvailable and what each enclosing cgroup leaves
};

/// Reads <proc>/meminfo (where it is absent, asks the kernel), <proc>/self/cgroup and the cgroup files (version 2, or
/// 1) under `cgroups`. Caches of files count as free, as in MemAvailable: the kernel gives them up.
HostMemory readHostMemory(const std::string &proc = "/proc", const std::string &cgroups = "/sys/fs/cgroup");

/// Sets every byte, with as many threads as pay.
void fillBytes(void *memory, uint64_t bytes, uint8_t value);

/// Anonymous zeroed mappings, released together.
class Reservations {
public:
  Reservations() = default;
  Reservations(const Reservations &) = delete;
  Reservations &operator=(const Reservations &) = delete;
  ~Reservations();

  /// `size` bytes at a multiple of `alignment` (a power of two), huge pages advised, every page present. Fails with
  /// CannotRun, naming what was asked and what is free, before it touches anything.
  Expected<void *> reserve(uint64_t size, uint64_t alignment);

private:
  struct Mapping {
    void *base;
    uint64_t bytes;
  };
  std::vector<Mapping> mappings;
};

} // namespace ft::rt
