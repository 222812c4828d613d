#include "runtime/Device/Cuda/CudnnApi.h"

#include <fmt/format.h>

#include <algorithm>

namespace ft::rt {
namespace fs = std::filesystem;

namespace {

/// Parts in the order of their dependencies. A build of cuDNN may lack some.
constexpr const char *Parts[] = {"libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_heuristic.so.9",
                                 "libcudnn_engines_precompiled.so.9", "libcudnn_engines_runtime_compiled.so.9"};

/// Engines that compile at run time open libnvrtc by name, and that its built-in headers. Without it they are
/// skipped and cuDNN says so when a plan is built.
void preloadCompiler(size_t cudartVersion, const SearchPlaces &places) {
  const size_t major = cudartVersion / 1000;
  auto path = findLibrary(nvrtcSpec(major), places);
  if (!path)
    return;
  std::error_code ignored;
  for (fs::directory_iterator it(path->parent_path(), ignored), end; !ignored && it != end; it.increment(ignored))
    if (it->path().filename().string().starts_with(fmt::format("libnvrtc-builtins.so.{}.", major)))
      (void)DynamicLibrary::open(it->path());
  (void)DynamicLibrary::open(*path);
}

} // namespace

LibrarySpec cudnnSpec() {
  LibrarySpec spec;
  spec.title = "cuDNN";
  spec.files = {"libcudnn.so.9"};
  spec.variable = "FTC_CUDNN_DIR";
  spec.wheelFolders = {"nvidia/cudnn/lib", "nvidia/cu13/lib"};
  spec.advice = "pip install nvidia-cudnn-cu13 (nvidia-cudnn-cu12 for drivers before 580)";
  return spec;
}

LibrarySpec nvrtcSpec(size_t major) {
  LibrarySpec spec;
  spec.title = "NVRTC";
  spec.files = {fmt::format("libnvrtc.so.{}", major)};
  spec.variable = "FTC_NVRTC_DIR";
  spec.wheelFolders = {"nvidia/cu13/lib", "nvidia/cuda_nvrtc/lib"};
  spec.advice = "pip install nvidia-cuda-nvrtc";
  return spec;
}

Expected<CudnnApi> CudnnApi::load(const SearchPlaces &places) {
  FT_ASSIGN_OR_RETURN(const fs::path path, findLibrary(cudnnSpec(), places));
  const fs::path folder = path.parent_path();
  std::error_code ignored;
  for (const char *part : Parts)
    if (fs::exists(folder / part, ignored)) {
      auto opened = DynamicLibrary::open(folder / part);
      if (!opened)
        return opened.status();
    }
  CudnnApi api;
  FT_ASSIGN_OR_RETURN(api.library, DynamicLibrary::open(path));
#define FT_RESOLVE(member, symbol)                                                                                     \
  api.member = reinterpret_cast<decltype(api.member)>(api.library.find(#symbol));                                      \
  if (!api.member)                                                                                                     \
    return cannotRun(fmt::format("{} has no {}: cuDNN {} or later of the 9 series is needed", api.library.path(),      \
                                 #symbol, cudnnVersionText(MinimumVersion)));
  FT_CUDNN_FUNCTIONS(FT_RESOLVE)
#undef FT_RESOLVE
  if (api.getVersion() < MinimumVersion)
    return cannotRun(fmt::format("{} is too old; {} or later is needed: {}, or set FTC_CUDNN_DIR", api.description(),
                                 cudnnVersionText(MinimumVersion), cudnnSpec().advice));
  FT_RETURN_IF_ERROR(checkOneFolder(loadedObjects("libcudnn"), folder, "cuDNN", "FTC_CUDNN_DIR"));
  preloadCompiler(api.getCudartVersion(), places);
  return api;
}

std::string CudnnApi::description() const {
  return fmt::format("cuDNN {} ({})", cudnnVersionText(getVersion()), library.path());
}

Status CudnnApi::check(cudnnStatus_t result, const std::string &what) const {
  if (result == CUDNN_STATUS_SUCCESS)
    return {};
  char reason[1024] = "";
  getLastErrorString(reason, sizeof reason);
  std::string message = fmt::format("{}: cuDNN answers {}", what, getErrorString(result));
  if (*reason)
    message += fmt::format(": {}", reason);
  std::replace(message.begin(), message.end(), '\n', ' ');
  // Codes come in blocks of a thousand, by cause; the 3000s are "not supported".
  const bool unsupported = static_cast<int>(result) / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000;
  return unsupported ? cannotRun(std::move(message)) : failed(std::move(message));
}

std::string cudnnVersionText(size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

Status checkOneFolder(const std::vector<std::string> &paths, const std::string &folder, const std::string &title,
                      const std::string &variable) {
  std::error_code ignored;
  for (const std::string &path : paths) {
    const fs::path other = fs::path(path).parent_path();
    if (other != fs::path(folder) && !fs::equivalent(other, folder, ignored))
      return cannotRun(fmt::format("{} is opened from {}, but {} is loaded as well: two versions in one process give "
                                   "wrong results; set {} to one folder and take the other out of LD_LIBRARY_PATH",
                                   title, folder, path, variable));
  }
  return {};
}

} // namespace ft::rt
