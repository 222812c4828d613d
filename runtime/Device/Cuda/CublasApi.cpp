#include "runtime/Device/Cuda/CublasApi.h"

#include <fmt/format.h>

namespace ft::rt {

LibrarySpec cublasSpec(int driverVersion) {
  LibrarySpec spec;
  spec.title = "cuBLASLt";
  // A library of CUDA 13 refuses drivers of CUDA 12; the other way round works.
  if (driverVersion >= 13000)
    spec.files.push_back("libcublasLt.so.13");
  spec.files.push_back("libcublasLt.so.12");
  spec.variable = "FTC_CUBLAS_DIR";
  spec.wheelFolders = {"nvidia/cu13/lib", "nvidia/cublas/lib"};
  spec.advice = driverVersion >= 13000 ? "pip install nvidia-cublas" : "pip install nvidia-cublas-cu12";
  return spec;
}

Expected<CublasApi> CublasApi::load(int driverVersion, const SearchPlaces &places) {
  FT_ASSIGN_OR_RETURN(const std::filesystem::path path, findLibrary(cublasSpec(driverVersion), places));
  CublasApi api;
  FT_ASSIGN_OR_RETURN(api.library, DynamicLibrary::open(path));
#define FT_RESOLVE(member, symbol)                                                                                     \
  api.member = reinterpret_cast<decltype(api.member)>(api.library.find(#symbol));                                      \
  if (!api.member)                                                                                                     \
    return cannotRun(fmt::format("{} has no {}: cuBLASLt 12 or 13 is needed", api.library.path(), #symbol));
  FT_CUBLAS_FUNCTIONS(FT_RESOLVE)
#undef FT_RESOLVE
  return api;
}

std::string CublasApi::description() const {
  return fmt::format("cuBLASLt {} ({})", cublasVersionText(getVersion()), library.path());
}

std::string cublasVersionText(size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

Status checkCublas(cublasStatus_t result, const std::string &what) {
  const char *name = "unknown result";
  switch (result) {
  case CUBLAS_STATUS_SUCCESS:
    return {};
  case CUBLAS_STATUS_NOT_SUPPORTED:
    return cannotRun(what + ": cuBLASLt does not support this (CUBLAS_STATUS_NOT_SUPPORTED)");
  case CUBLAS_STATUS_ARCH_MISMATCH:
    return cannotRun(what + ": cuBLASLt does not support this GPU (CUBLAS_STATUS_ARCH_MISMATCH)");
  case CUBLAS_STATUS_NOT_INITIALIZED:
    name = "CUBLAS_STATUS_NOT_INITIALIZED";
    break;
  case CUBLAS_STATUS_ALLOC_FAILED:
    name = "CUBLAS_STATUS_ALLOC_FAILED";
    break;
  case CUBLAS_STATUS_INVALID_VALUE:
    name = "CUBLAS_STATUS_INVALID_VALUE";
    break;
  case CUBLAS_STATUS_MAPPING_ERROR:
    name = "CUBLAS_STATUS_MAPPING_ERROR";
    break;
  case CUBLAS_STATUS_EXECUTION_FAILED:
    name = "CUBLAS_STATUS_EXECUTION_FAILED";
    break;
  case CUBLAS_STATUS_INTERNAL_ERROR:
    name = "CUBLAS_STATUS_INTERNAL_ERROR";
    break;
  case CUBLAS_STATUS_LICENSE_ERROR:
    name = "CUBLAS_STATUS_LICENSE_ERROR";
    break;
  }
  return failed(fmt::format("{}: cuBLASLt answers {} ({})", what, name, static_cast<int>(result)));
}

} // namespace ft::rt
