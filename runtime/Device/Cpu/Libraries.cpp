#include "runtime/Device/Cpu/Libraries.h"

#include <fmt/format.h>

#include <climits>
#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr const char *dnnlFile = "libdnnl.so.2";
constexpr const char *gompFile = "libgomp.so.1";

std::string binaryFolder() {
  char path[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0)
    return {};
  std::string text(path, length);
  return text.substr(0, text.rfind('/'));
}

/// Opens `file` in the first folder that has it; `tried` collects the folders and, where the file is there but does
/// not load, the loader's reason.
void *openFirst(const std::vector<std::string> &folders, const char *file, std::string &path, std::string &tried) {
  for (const std::string &folder : folders) {
    path = folder + "/" + file;
    tried += (tried.empty() ? "" : ", ") + folder;
    if (access(path.c_str(), R_OK) != 0)
      continue;
    if (void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
      return handle;
    tried += fmt::format(" ({})", dlerror());
  }
  return nullptr;
}

template <typename Function> bool resolve(void *handle, const char *name, Function &function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  return function != nullptr;
}

bool resolveOpenMp(void *handle, OpenMpApi &api) {
  return resolve(handle, "GOMP_parallel", api.parallel) && resolve(handle, "omp_get_thread_num", api.threadNum) &&
         resolve(handle, "omp_get_num_threads", api.numThreads) &&
         resolve(handle, "omp_set_num_threads", api.setNumThreads) &&
         resolve(handle, "omp_set_dynamic", api.setDynamic);
}

Status resolveDnnl(void *handle, const std::string &path, CpuLibraries &libraries) {
  std::string absent;
#define FT_DNNL_RESOLVE(name)                                                                                          \
  if (!resolve(handle, #name, libraries.dnnl.name))                                                                    \
    absent = #name;
  FT_DNNL_FUNCTIONS(FT_DNNL_RESOLVE)
#undef FT_DNNL_RESOLVE
  if (!absent.empty())
    return cannotRun(
        fmt::format("{} lacks the function {}; oneDNN 2.6 or a later 2.x is needed (Debian: libdnnl2)", path, absent));
  const dnnl_version_t *version = libraries.dnnl.dnnl_version();
  if (version->major != 2 || version->cpu_runtime != DNNL_RUNTIME_OMP)
    return cannotRun(
        fmt::format("{} is oneDNN {}.{}.{} with {} threads; oneDNN 2.x built for OpenMP is needed (Debian: "
                    "libdnnl2)",
                    path, version->major, version->minor, version->patch,
                    version->cpu_runtime == DNNL_RUNTIME_OMP ? "OpenMP" : "other"));
  // A variable of the environment may ask for products of f32 that are rounded to bf16 first.
  if (libraries.dnnl.dnnl_set_default_fpmath_mode(dnnl_fpmath_mode_strict) != dnnl_success)
    return cannotRun(fmt::format("{}: cannot be told to multiply f32 as such", path));
  libraries.description = fmt::format("oneDNN {}.{}.{} ({})", version->major, version->minor, version->patch, path);
  libraries.hasDnnl = true;
  return {};
}
} // namespace

std::vector<std::string> ft::rt::librarySearchPath(const char *environmentFolder) {
  if (environmentFolder && *environmentFolder)
    return {environmentFolder};
  std::string beside = binaryFolder();
  std::vector<std::string> folders;
  if (!beside.empty())
    folders = {beside, beside + "/../lib"};
  folders.insert(folders.end(), {"/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"});
  return folders;
}

Expected<CpuLibraries> ft::rt::openCpuLibraries() {
  CpuLibraries libraries;
  std::string path, tried;
  if (void *handle = openFirst(librarySearchPath(std::getenv("FTC_DNNL_DIR")), dnnlFile, path, tried)) {
    FT_RETURN_IF_ERROR(resolveDnnl(handle, path, libraries));
    // The symbols of a library's dependencies are found through its handle: this is the very team that oneDNN uses.
    if (!resolveOpenMp(handle, libraries.openMp))
      return cannotRun(
          fmt::format("{} brings no OpenMP runtime with GOMP_parallel (Debian: libdnnl2, libgomp1)", path));
    return libraries;
  }
  libraries.missing = fmt::format("{} not found in {}: install oneDNN (Debian: apt-get install libdnnl2) or set "
                                  "FTC_DNNL_DIR to its folder",
                                  dnnlFile, tried);
  tried.clear();
  void *handle = openFirst(librarySearchPath(nullptr), gompFile, path, tried);
  if (!handle || !resolveOpenMp(handle, libraries.openMp))
    return cannotRun(fmt::format("no OpenMP runtime for the CPU's threads: {} not found in {} (Debian: apt-get install "
                                 "libgomp1, which libdnnl2 brings along)",
                                 gompFile, tried));
  return libraries;
}
