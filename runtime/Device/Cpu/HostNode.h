// The part of a machine that is near to a device: where it has several NUMA nodes, the processors and memory of one.
#pragma once

#include <string>
#include <vector>

namespace ft::rt {

struct HostNode {
  int number = -1; ///< −1: the machine has one node, nothing says which is near, or the process may not go there
  std::vector<int> processors; ///< of the node, those that the process may use; some where it has a number
};

/// Of the PCI device at an address such as "0000:17:00.0", by what the system says under `sys`. `allowed`: numbers of
/// processors.
HostNode nodeNear(const std::string &pciAddress, const std::vector<int> &allowed, const std::string &sys = "/sys");

/// Numbers of the processors in this thread's affinity mask.
std::vector<int> allowedProcessors();

/// While it lives, pages that this thread is the first to touch come from the node as long as it has some. Where the
/// system refuses that, they come from where they would have.
class PreferNode {
public:
  explicit PreferNode(const HostNode &node);
  ~PreferNode();
  PreferNode(const PreferNode &) = delete;
  PreferNode &operator=(const PreferNode &) = delete;

private:
  const bool prefers;
};

} // namespace ft::rt
