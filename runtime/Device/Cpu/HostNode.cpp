#include "runtime/Device/Cpu/HostNode.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

using namespace ft::rt;

namespace {
constexpr int defaultPolicy = 0, preferredPolicy = 1; // MPOL_DEFAULT, MPOL_PREFERRED of linux/mempolicy.h
constexpr int mostNodes = 8 * sizeof(unsigned long);

int numberIn(std::string_view text) {
  int number = -1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string lineOf(const std::string &path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// "0-3,8,10-11" as numbers; what is no number ends the list.
std::vector<int> listOf(const std::string &text) {
  std::vector<int> numbers;
  for (size_t begin = 0; begin < text.size();) {
    const std::string_view part = std::string_view(text).substr(begin, text.find(',', begin) - begin);
    const size_t dash = part.find('-');
    const int first = numberIn(part), last = dash == std::string_view::npos ? first : numberIn(part.substr(dash + 1));
    if (first < 0 || last < first || last >= CPU_SETSIZE)
      return numbers;
    for (int i = first; i <= last; ++i)
      numbers.push_back(i);
    begin += part.size() + 1;
  }
  return numbers;
}
} // namespace

HostNode ft::rt::nodeNear(const std::string &pciAddress, const std::vector<int> &allowed, const std::string &sys) {
  const std::string nodes = sys + "/devices/system/node/node";
  std::error_code none;
  if (!std::filesystem::exists(nodes + "1", none))
    return {};
  HostNode node;
  node.number = numberIn(lineOf(sys + "/bus/pci/devices/" + pciAddress + "/numa_node"));
  if (node.number >= 0 && node.number < mostNodes)
    for (int processor : listOf(lineOf(nodes + std::to_string(node.number) + "/cpulist")))
      if (std::find(allowed.begin(), allowed.end(), processor) != allowed.end())
        node.processors.push_back(processor);
  return node.processors.empty() ? HostNode() : node;
}

std::vector<int> ft::rt::allowedProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> numbers;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set))
        numbers.push_back(i);
  return numbers;
}

static bool setPolicy(int policy, unsigned long nodes) {
  return syscall(SYS_set_mempolicy, policy, nodes ? &nodes : nullptr, nodes ? mostNodes + 1 : 0) == 0;
}

PreferNode::PreferNode(const HostNode &node)
    : prefers(node.number >= 0 && setPolicy(preferredPolicy, 1ul << node.number)) {}

PreferNode::~PreferNode() {
  if (prefers)
    setPolicy(defaultPolicy, 0);
}
