#include "compiler/Recipe/ByteSize.h"

#include <charconv>
#include <cmath>

std::optional<uint64_t> ft::parseByteSize(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr Unit units[] = {{"", 1},         {"MB", 1e6},     {"GB", 1e9},    {"TB", 1e12},
                            {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  double number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc())
    return std::nullopt;
  std::string_view name = text.substr(end - text.data());
  if (!name.empty() && name.front() == ' ')
    name.remove_prefix(1);
  for (const Unit &unit : units)
    if (const double bytes = std::floor(number * unit.bytes); name == unit.name)
      return bytes >= 1 && bytes < 0x1p63 ? std::optional(static_cast<uint64_t>(bytes)) : std::nullopt;
  return std::nullopt;
}
