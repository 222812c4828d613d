// Which target files a GPU can run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ft::rt {

/// Names of the targets (recipes/targets) whose plans a GPU of this compute capability and memory runs, the closest
/// first. A plan is for one compute capability: its kernels, and the workspaces of the libraries, are that one's.
std::vector<std::string> matchingTargets(int major, int minor, uint64_t totalBytes);

} // namespace ft::rt
