// Which target files a GPU can run.
#pragma once

#include "runtime/Device/Device.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ft::rt {

/// Names of the targets (recipes/targets) whose plans a GPU of this compute capability and memory runs, the closest
/// first. A plan is for one compute capability: its kernels, and the workspaces of the libraries, are that one's.
std::vector<std::string> matchingTargets(int major, int minor, uint64_t totalBytes);

/// Refuses, with CannotRun, GPUs of different kinds for the ranks of one plan: each has the same arenas and kernels,
/// and all go at the pace of the slowest. `first`: the number of the first.
Status checkOneKind(std::span<const DeviceInfo> gpus, uint32_t first);

} // namespace ft::rt
