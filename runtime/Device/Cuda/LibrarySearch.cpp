#include "runtime/Device/Cuda/LibrarySearch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

namespace ft::rt {
namespace fs = std::filesystem;

namespace {

constexpr const char *Variables[] = {"FTC_CUBLAS_DIR", "FTC_CUDNN_DIR", "FTC_NCCL_DIR",   "FTC_NVRTC_DIR",
                                     "VIRTUAL_ENV",    "CONDA_PREFIX",  "PYTHONPATH",     "PATH",
                                     "CUDA_HOME",      "CUDA_PATH",     "LD_LIBRARY_PATH"};

std::string variable(const SearchPlaces &places, const std::string &name) {
  auto found = places.variables.find(name);
  return found == places.variables.end() ? std::string() : found->second;
}

std::vector<std::string> split(const std::string &list) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= list.size();) {
    size_t end = std::min(list.find(':', begin), list.size());
    if (end > begin)
      parts.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// Package folders of a Python installation: <prefix>/lib/python3*/{site,dist}-packages, newest Python first.
std::vector<fs::path> packageFolders(const fs::path &prefix) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const char *lib : {"lib", "lib64", "local/lib"})
    for (fs::directory_iterator it(prefix / lib, ignored), end; !ignored && it != end; it.increment(ignored))
      if (it->path().filename().string().starts_with("python3"))
        for (const char *packages : {"site-packages", "dist-packages"})
          folders.push_back(it->path() / packages);
  std::sort(folders.begin(), folders.end(), std::greater<>());
  return folders;
}

/// The prefix of the first python3 in PATH, and of what it links to: a virtual environment's python3 is a link into
/// the base installation, and packages may lie in either.
std::vector<fs::path> pythonPrefixes(const SearchPlaces &places) {
  std::error_code ignored;
  for (const std::string &folder : split(variable(places, "PATH"))) {
    const fs::path python = fs::path(folder) / "python3";
    if (!fs::exists(python, ignored))
      continue;
    std::vector<fs::path> prefixes{python.parent_path().parent_path()};
    const fs::path real = fs::canonical(python, ignored);
    if (!ignored && real.parent_path().parent_path() != prefixes.front())
      prefixes.push_back(real.parent_path().parent_path());
    return prefixes;
  }
  return {};
}

void addWheels(std::vector<fs::path> &folders, const LibrarySpec &spec, const std::vector<fs::path> &packages) {
  for (const fs::path &package : packages)
    for (const std::string &wheel : spec.wheelFolders)
      folders.push_back(package / wheel);
}

} // namespace

SearchPlaces processPlaces() {
  SearchPlaces places;
  for (const char *name : Variables)
    if (const char *value = std::getenv(name))
      places.variables[name] = value;
  std::error_code ignored;
  places.binaryFolder = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  places.systemFolders = {"/usr/local/cuda/lib64",
                          "/usr/local/cuda/lib",
                          "/usr/lib/x86_64-linux-gnu",
                          "/usr/local/lib",
                          "/usr/lib64",
                          "/usr/lib",
                          "/usr/lib/aarch64-linux-gnu"};
  return places;
}

std::vector<fs::path> searchFolders(const LibrarySpec &spec, const SearchPlaces &places) {
  if (std::string only = variable(places, spec.variable); !only.empty())
    return {only};
  std::vector<fs::path> folders;
  if (!places.binaryFolder.empty()) {
    folders.push_back(places.binaryFolder);
    folders.push_back(places.binaryFolder.parent_path() / "lib");
  }
  for (const char *name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (std::string prefix = variable(places, name); !prefix.empty())
      addWheels(folders, spec, packageFolders(prefix));
  for (const std::string &package : split(variable(places, "PYTHONPATH")))
    addWheels(folders, spec, {package});
  for (const fs::path &prefix : pythonPrefixes(places))
    addWheels(folders, spec, packageFolders(prefix));
  for (const char *name : {"CUDA_HOME", "CUDA_PATH"})
    if (std::string home = variable(places, name); !home.empty()) {
      folders.push_back(fs::path(home) / "lib64");
      folders.push_back(fs::path(home) / "lib");
    }
  for (const std::string &folder : split(variable(places, "LD_LIBRARY_PATH")))
    folders.push_back(folder);
  folders.insert(folders.end(), places.systemFolders.begin(), places.systemFolders.end());
  return folders;
}

Expected<fs::path> findLibrary(const LibrarySpec &spec, const SearchPlaces &places) {
  std::error_code ignored;
  for (const fs::path &folder : searchFolders(spec, places))
    for (const std::string &file : spec.files)
      if (fs::exists(folder / file, ignored))
        return fs::absolute(folder / file).lexically_normal();
  if (std::string only = variable(places, spec.variable); !only.empty())
    return cannotRun(fmt::format("{}: {} is {}, which holds none of {}; correct or unset it", spec.title, spec.variable,
                                 only, fmt::join(spec.files, ", ")));
  return cannotRun(fmt::format("{}: none of {} found beside the binary, in Python's packages, CUDA_HOME, "
                               "LD_LIBRARY_PATH and the system's folders; {}, or set {} to its folder",
                               spec.title, fmt::join(spec.files, ", "), spec.advice, spec.variable));
}

} // namespace ft::rt
