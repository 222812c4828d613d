#include "runtime/Device/Cuda/Targets.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {

/// The least memory that drivers have reported for the card, rounded down: data sheets' 80 GB is 79.1 to 79.6 GiB
/// here.
struct KnownTarget {
  const char *name;
  int major, minor;
  uint64_t leastGiB;
};

// Of one compute capability the largest first.
constexpr KnownTarget Targets[] = {
    {"h200", 9, 0, 138},   {"h100-80gb", 9, 0, 78}, {"a100-80gb", 8, 0, 78},
    {"rtx4090", 8, 9, 23}, {"v100-32gb", 7, 0, 31},
};

} // namespace

std::vector<std::string> matchingTargets(int major, int minor, uint64_t totalBytes) {
  std::vector<std::string> names;
  for (const KnownTarget &target : Targets)
    if (target.major == major && target.minor == minor && totalBytes >= target.leastGiB << 30)
      names.push_back(target.name);
  return names;
}

Status checkOneKind(std::span<const DeviceInfo> gpus, uint32_t first) {
  auto kind = [](const DeviceInfo &gpu) {
    return fmt::format("{} ({}, {})", gpu.name, gpu.arch, formatBytes(gpu.totalBytes));
  };
  for (size_t i = 1; i < gpus.size(); ++i)
    if (kind(gpus[i]) != kind(gpus[0]))
      return cannotRun(fmt::format("the plan's ranks need {} GPUs of one kind, from number {} on; number {} is {}, and "
                                   "number {} {}: choose others with --gpu or CUDA_VISIBLE_DEVICES",
                                   gpus.size(), first, first, kind(gpus[0]), first + i, kind(gpus[i])));
  return {};
}

} // namespace ft::rt
