#include "runtime/Device/Cuda/DriverApi.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<DriverApi> DriverApi::load(const std::string &name) {
  DriverApi api;
  auto library = DynamicLibrary::open(name);
  if (!library)
    return cannotRun(fmt::format("no NVIDIA driver on this machine ({}); install it, or use a plan compiled for cpu",
                                 library.status().message()));
  api.library = *library;
#define FT_RESOLVE(member, symbol)                                                                                     \
  api.member = reinterpret_cast<decltype(api.member)>(api.library.find(#symbol));                                      \
  if (!api.member)                                                                                                     \
    return cannotRun(fmt::format("{} has no {}: the NVIDIA driver is too old; 525 (CUDA 12.0) or later is needed",     \
                                 api.library.path(), #symbol));
  FT_DRIVER_FUNCTIONS(FT_RESOLVE)
#undef FT_RESOLVE
  FT_RETURN_IF_ERROR(api.check(api.init(0), "starting the NVIDIA driver"));
  FT_RETURN_IF_ERROR(api.check(api.driverGetVersion(&api.version), "asking the NVIDIA driver for its version"));
  return api;
}

Status DriverApi::check(CUresult result, const std::string &what) const {
  if (result == CUDA_SUCCESS)
    return {};
  const char *name = nullptr, *text = nullptr;
  getErrorName(result, &name);
  getErrorString(result, &text);
  std::string message = fmt::format("{}: {} ({})", what, text ? text : "unknown error", name ? name : "?");
  size_t available = 0, total = 0;
  if (result == CUDA_ERROR_OUT_OF_MEMORY && memGetInfo(&available, &total) == CUDA_SUCCESS) // else there is no context
    message += fmt::format("; the GPU has {} bytes free of {}: end other programs on it (nvidia-smi lists them), or "
                           "compile for a smaller footprint",
                           available, total);
  switch (result) {
  case CUDA_ERROR_OUT_OF_MEMORY:
  case CUDA_ERROR_NO_DEVICE:
  case CUDA_ERROR_NO_BINARY_FOR_GPU:
  case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
  case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
  case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
  case CUDA_ERROR_STUB_LIBRARY:
    return cannotRun(std::move(message));
  default:
    return failed(std::move(message));
  }
}

} // namespace ft::rt
