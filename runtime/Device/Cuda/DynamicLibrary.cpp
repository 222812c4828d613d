#include "runtime/Device/Cuda/DynamicLibrary.h"

#include <fmt/format.h>

#include <dlfcn.h>
#include <link.h>

namespace ft::rt {

Expected<DynamicLibrary> DynamicLibrary::open(const std::string &name) {
  DynamicLibrary library;
  library.handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library.handle) {
    const char *reason = dlerror();
    return cannotRun(fmt::format("{} cannot be opened: {}", name, reason ? reason : "no reason given"));
  }
  link_map *map = nullptr;
  const bool known = dlinfo(library.handle, RTLD_DI_LINKMAP, &map) == 0 && map && map->l_name && *map->l_name;
  library.file = known ? map->l_name : name;
  return library;
}

void *DynamicLibrary::find(const char *symbol) const { return handle ? dlsym(handle, symbol) : nullptr; }

std::vector<std::string> loadedObjects(const std::string &prefix) {
  struct Search {
    const std::string &prefix;
    std::vector<std::string> paths;
  } search{prefix, {}};
  auto visit = [](dl_phdr_info *object, size_t, void *context) {
    auto *found = static_cast<Search *>(context);
    const std::string path = object->dlpi_name ? object->dlpi_name : "";
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name.starts_with(found->prefix))
      found->paths.push_back(path);
    return 0;
  };
  dl_iterate_phdr(visit, &search);
  return search.paths;
}

} // namespace ft::rt
