#include "runtime/Config/HubCache.h"

#include "runtime/Support/MappedFile.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace fs = std::filesystem;

namespace {

constexpr size_t longestName = 96, longestRevision = 256;

bool hasOnly(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || others.find(c) != others.npos;
  });
}

/// huggingface_hub's validate_repo_id.
bool isPart(std::string_view part) {
  constexpr std::string_view edges = "-.";
  return !part.empty() && part.size() <= longestName && hasOnly(part, "-._") &&
         edges.find(part.front()) == edges.npos && edges.find(part.back()) == edges.npos &&
         part.find("--") == part.npos && part.find("..") == part.npos;
}

/// It becomes a path below the cache. As in Git, no part of it starts with a dot.
bool isRevision(std::string_view revision) {
  return !revision.empty() && revision.size() <= longestRevision && hasOnly(revision, "-._/") &&
         revision.front() != '/' && revision.front() != '.' && revision.back() != '/' &&
         revision.find("..") == revision.npos && revision.find("/.") == revision.npos;
}

std::string environment(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

fs::path home() { return environment("HOME"); }

/// As the Hub's tools read a variable: "~" is the home folder.
fs::path expanded(const std::string &path) {
  if (path == "~" || path.starts_with("~/"))
    return home() / path.substr(std::min<size_t>(2, path.size()));
  return path;
}

fs::path cacheFolder() {
  for (const char *name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) // the second is its older name
    if (const std::string folder = environment(name); !folder.empty())
      return expanded(folder);
  if (const std::string folder = environment("HF_HOME"); !folder.empty())
    return expanded(folder) / "hub";
  const std::string caches = environment("XDG_CACHE_HOME");
  return (caches.empty() ? home() / ".cache" : expanded(caches)) / "huggingface" / "hub";
}

/// The commit that a file of refs holds; empty where there is none.
std::string commitIn(const fs::path &reference) {
  const auto file = MappedFile::open(reference.string());
  if (!file.ok() || file->size() > longestRevision)
    return "";
  std::string commit(reinterpret_cast<const char *>(file->bytes().data()), file->size());
  while (commit.ends_with('\n'))
    commit.pop_back();
  return hasOnly(commit, "") ? commit : "";
}

} // namespace

std::optional<HubName> parseHubName(std::string_view text) {
  HubName name;
  if (const size_t at = text.find('@'); at != text.npos) {
    name.revision = text.substr(at + 1);
    text = text.substr(0, at);
  }
  const size_t slash = text.find('/');
  if (slash == text.npos || !isPart(text.substr(0, slash)) || !isPart(text.substr(slash + 1)) ||
      !isRevision(name.revision))
    return std::nullopt;
  name.id = text;
  return name;
}

Expected<std::string> findSnapshot(const HubName &name) {
  const size_t slash = name.id.find('/');
  const fs::path cache = cacheFolder(),
                 model = cache / fmt::format("models--{}--{}", name.id.substr(0, slash), name.id.substr(slash + 1));
  std::error_code ignored;
  for (const std::string &commit : {commitIn(model / "refs" / name.revision), name.revision})
    if (const fs::path snapshot = model / "snapshots" / commit;
        !commit.empty() && commit.find('/') == commit.npos && fs::is_directory(snapshot, ignored))
      return snapshot.string();
  return badInput(fmt::format("{} of {} is not in the cache of the Hugging Face Hub, {}; fetch it: {}", name.revision,
                              name.id, cache.string(), downloadLine(name)));
}

std::string downloadLine(const HubName &name, std::string_view file) {
  return fmt::format("hf download {}{}{}{}", name.id, file.empty() ? "" : " ", file,
                     name.revision == "main" ? "" : " --revision " + name.revision);
}

} // namespace ft::rt
