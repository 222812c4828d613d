#include "runtime/Device/Cuda/Targets.h"

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

} // namespace ft::rt
