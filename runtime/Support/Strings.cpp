#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <utility>
#include <vector>

namespace ft::rt {

std::string formatBytes(uint64_t bytes) {
  if (bytes < 1024)
    return fmt::format("{} B", bytes);
  static constexpr const char *units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = double(bytes) / 1024;
  int unit = 0;
  // 1023.995 would print as 1024.00.
  for (; value >= 1023.995 && unit < 5; ++unit)
    value /= 1024;
  return fmt::format("{:.2f} {}", value, units[unit]);
}

size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

std::string ofAllLayers(std::string_view name) {
  auto isDigit = [](char c) { return c >= '0' && c <= '9'; };
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    if (i == 0 || name[i - 1] != '.' || !isDigit(name[i])) {
      out += name[i];
      continue;
    }
    out += '*';
    while (i + 1 < name.size() && isDigit(name[i + 1]))
      ++i;
  }
  return out;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
      out += fmt::format("\\x{:02x}", c);
    else
      out += c;
  return out;
}

template <typename Text> static std::string nearest(std::string_view name, std::span<const Text> candidates) {
  size_t best = std::clamp<size_t>(name.size() / 3, 1, 4) + 1;
  std::string_view found;
  for (const Text &candidate : candidates) {
    // Lengths alone tell most of many long names apart.
    if (std::max(candidate.size(), name.size()) - std::min(candidate.size(), name.size()) >= best)
      continue;
    const size_t distance = editDistance(name, candidate);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return std::string(found);
}

std::string nearestName(std::string_view name, std::span<const std::string> candidates) {
  return nearest(name, candidates);
}

std::string nearestName(std::string_view name, std::span<const std::string_view> candidates) {
  return nearest(name, candidates);
}

template <typename Text> static std::string suggest(std::string_view name, std::span<const Text> candidates) {
  const std::string found = nearest(name, candidates);
  return found.empty() ? "" : fmt::format("; did you mean \"{}\"?", found);
}

std::string suggestion(std::string_view name, std::span<const std::string> candidates) {
  return suggest(name, candidates);
}

std::string suggestion(std::string_view name, std::span<const std::string_view> candidates) {
  return suggest(name, candidates);
}

} // namespace ft::rt
