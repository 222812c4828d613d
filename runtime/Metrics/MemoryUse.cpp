#include "runtime/Metrics/MemoryUse.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sstream>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
struct Mapping {
  AddressRange range{};
  std::string path;
  bool executable = false;
  uint64_t resident = 0;
};

/// Headers look like "7f..-7f.. r-xp 00000000 08:01 123   /path"; the lines below them like "Rss:   12 kB".
std::vector<Mapping> readMappings(const std::string &path) {
  std::vector<Mapping> mappings;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    Mapping mapping;
    char permissions[5] = {};
    int pathAt = 0;
    unsigned long begin = 0, end = 0, kilobytes = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %4s %*x %*x:%*x %*u %n", &begin, &end, permissions, &pathAt) == 3) {
      mapping.range = {begin, end};
      mapping.executable = permissions[2] == 'x';
      mapping.path = line.substr(std::min<size_t>(pathAt, line.size()));
      mappings.push_back(mapping);
    } else if (!mappings.empty() && std::sscanf(line.c_str(), "Rss: %lu kB", &kilobytes) == 1) {
      mappings.back().resident = kilobytes * 1024;
    }
  }
  return mappings;
}

uint64_t statusField(const std::string &path, const std::string &name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name))
      return std::strtoull(line.c_str() + name.size(), nullptr, 10) * 1024;
  return 0;
}
} // namespace

ProcessMemory ft::rt::readProcessMemory(std::span<const AddressRange> arenas, const std::string &proc) {
  ProcessMemory memory;
  const std::vector<Mapping> mappings = readMappings(proc + "/self/smaps");
  std::set<std::string> libraries;
  for (const Mapping &mapping : mappings)
    if (mapping.executable)
      libraries.insert(mapping.path);
  for (const Mapping &mapping : mappings) {
    const bool isArena = std::any_of(arenas.begin(), arenas.end(), [&](const AddressRange &arena) {
      return mapping.range.begin < arena.end && arena.begin < mapping.range.end;
    });
    if (isArena)
      memory.arenaBytes += mapping.resident;
    else if (mapping.path.starts_with("/") && !libraries.contains(mapping.path))
      memory.mappedFileBytes += mapping.resident;
    else
      memory.programBytes += mapping.resident;
  }
  memory.peakBytes = statusField(proc + "/self/status", "VmHWM:");
  memory.residentBytes = statusField(proc + "/self/status", "VmRSS:");
  return memory;
}

uint64_t ft::rt::residentBytes() {
  char text[128] = {};
  int descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return 0;
  const ssize_t length = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  unsigned long size = 0, resident = 0;
  return length > 0 && std::sscanf(text, "%lu %lu", &size, &resident) == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

std::string ft::rt::formatMemoryOutcome(const MemoryOutcome &o) {
  auto row = [](const char *name, const std::string &predicted, const std::string &measured) {
    return fmt::format("  {:<24} {:>14} {:>14}\n", name, predicted, measured);
  };
  std::string table = row("memory", "predicted", "measured peak");
  table += row("arenas", formatBytes(o.predictedArenas), formatBytes(o.measuredArenas));
  table += row("outside the arenas", formatBytes(o.predictedOutside), formatBytes(o.measuredOutside));
  table += row("together", formatBytes(o.predictedArenas + o.predictedOutside),
               formatBytes(o.measuredArenas + o.measuredOutside));
  if (o.measuredMapped)
    table += row("mapped files", "", formatBytes(o.measuredMapped));
  if (o.measuredPeak)
    table += row("whole process", "", formatBytes(o.measuredPeak));
  return table;
}
