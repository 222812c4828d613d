#include "runtime/Weights/NamePrefix.h"

#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <string_view>

namespace ft::rt {

namespace {

using Names = std::set<std::string, std::less<>>;

/// Maps an expected name to the one that the file may have.
struct Renaming {
  std::string prefix;
  bool added; ///< else the file lacks it

  std::optional<std::string> apply(std::string_view name) const {
    if (added)
      return prefix + std::string(name);
    if (!name.starts_with(prefix))
      return std::nullopt;
    return std::string(name.substr(prefix.size()));
  }

  bool explains(std::string_view name, const Names &extra) const {
    const auto renamed = apply(name);
    return renamed && extra.count(*renamed);
  }
};

bool isPrefix(std::string_view text) { return text.size() > 1 && text.size() < 100 && text.back() == '.'; }

/// What would rename `name` to a name of the file.
std::optional<Renaming> renamingOf(std::string_view name, const Names &extra) {
  for (const std::string &own : extra) {
    const std::string_view other = own;
    if (other.ends_with(name) && isPrefix(other.substr(0, other.size() - name.size())))
      return Renaming{std::string(other.substr(0, other.size() - name.size())), true};
    if (name.ends_with(other) && isPrefix(name.substr(0, name.size() - other.size())))
      return Renaming{std::string(name.substr(0, name.size() - other.size())), false};
  }
  return std::nullopt;
}

} // namespace

std::string explainPrefix(std::vector<std::string> &missing, Names &extra) {
  if (missing.size() < 2)
    return "";
  constexpr size_t tried = 4; // an odd name or two must not hide the others
  for (size_t i = 0; i < std::min(tried, missing.size()); ++i) {
    const auto renaming = renamingOf(missing[i], extra);
    if (!renaming)
      continue;
    const std::string example = missing[i];
    const auto rest = std::stable_partition(missing.begin(), missing.end(),
                                            [&](const std::string &name) { return !renaming->explains(name, extra); });
    const auto count = size_t(missing.end() - rest);
    if (count < 2 || count * 2 < missing.size())
      continue;
    for (auto it = rest; it != missing.end(); ++it)
      extra.erase(*renaming->apply(*it));
    missing.erase(rest, missing.end());
    return fmt::format("{} tensors {} \"{}\": \"{}\" should be \"{}\"; save the model itself, {}", count,
                       renaming->added ? "have names that begin with" : "have names that lack", shown(renaming->prefix),
                       shown(*renaming->apply(example)), shown(example),
                       renaming->added ? "without what wraps it" : "with its head, as its causal language model");
  }
  return "";
}

} // namespace ft::rt
