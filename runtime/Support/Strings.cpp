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

/// Bytes of the well-formed UTF-8 character at the start of `text`, which is not empty; 0 where there is none.
static size_t characterBytes(std::string_view text, uint32_t &code) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const size_t size = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  if (size == 0 || size > text.size())
    return 0;
  code = size == 1 ? lead : lead & (0x7fu >> size);
  for (char c : text.substr(1, size - 1)) {
    if ((c & 0xc0) != 0x80)
      return 0;
    code = code << 6 | (c & 0x3fu);
  }
  constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  return code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

/// Control characters of both sets, and what reorders or breaks the line around it.
static bool drivesATerminal(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f ||
         (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/// Appends the character at the start of `text`, escaped where it must be, and returns its bytes.
static size_t appendEscaped(std::string &out, std::string_view text, bool keepLines) {
  uint32_t code = 0;
  const size_t size = characterBytes(text, code);
  if (size == 0) {
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    return 1;
  }
  if (!drivesATerminal(code) || (keepLines && (code == '\n' || code == '\t')))
    out += text.substr(0, size);
  else
    out += size == 1 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{:04x}", code);
  return size;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty())
    text.remove_prefix(appendEscaped(out, text, /*keepLines=*/true));
  return out;
}

std::string shown(std::string_view text, size_t most) {
  std::string out;
  size_t done = 0;
  while (done < text.size() && out.size() < most)
    done += appendEscaped(out, text.substr(done), /*keepLines=*/false);
  return done == text.size() ? out : fmt::format("{}… ({} bytes)", out, text.size());
}

bool isUtf8(std::string_view text) {
  uint32_t code = 0;
  for (size_t size = 0; !text.empty(); text.remove_prefix(size))
    if (size = characterBytes(text, code); size == 0)
      return false;
  return true;
}

bool isFileName(std::string_view text) {
  constexpr size_t longest = 200;
  return !text.empty() && text.size() <= longest && text.front() != '.' && text.find('/') == text.npos &&
         shown(text, 2 * longest) == text;
}

template <typename Text> static std::string nearest(std::string_view name, std::span<const Text> candidates) {
  constexpr size_t longest = 512; // the distance costs the product of both lengths, and no name is as long
  size_t best = std::clamp<size_t>(name.size() / 3, 1, 4) + 1;
  std::string_view found;
  if (name.size() > longest)
    return {};
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
  return found.empty() ? "" : fmt::format("; did you mean \"{}\"?", shown(found));
}

std::string suggestion(std::string_view name, std::span<const std::string> candidates) {
  return suggest(name, candidates);
}

std::string suggestion(std::string_view name, std::span<const std::string_view> candidates) {
  return suggest(name, candidates);
}

} // namespace ft::rt
