// cuDNN's functions, found at run time.
#pragma once

#include "runtime/Device/Cuda/DynamicLibrary.h"
#include "runtime/Device/Cuda/LibrarySearch.h"

#include <cudnn.h>

#include <string>

namespace ft::rt {

#define FT_CUDNN_FUNCTIONS(X)                                                                                          \
  X(getVersion, cudnnGetVersion)                                                                                       \
  X(getCudartVersion, cudnnGetCudartVersion)                                                                           \
  X(getErrorString, cudnnGetErrorString)                                                                               \
  X(getLastErrorString, cudnnGetLastErrorString)                                                                       \
  X(create, cudnnCreate)                                                                                               \
  X(destroy, cudnnDestroy)                                                                                             \
  X(setStream, cudnnSetStream)                                                                                         \
  X(createDescriptor, cudnnBackendCreateDescriptor)                                                                    \
  X(destroyDescriptor, cudnnBackendDestroyDescriptor)                                                                  \
  X(setAttribute, cudnnBackendSetAttribute)                                                                            \
  X(getAttribute, cudnnBackendGetAttribute)                                                                            \
  X(finalize, cudnnBackendFinalize)                                                                                    \
  X(execute, cudnnBackendExecute)

LibrarySpec cudnnSpec();

/// The run-time compiler that cuDNN's engines ask for by name; `major` as cuDNN was built for.
LibrarySpec nvrtcSpec(size_t major);

struct CudnnApi {
#define FT_DECLARE(member, symbol) decltype(&::symbol) member = nullptr;
  FT_CUDNN_FUNCTIONS(FT_DECLARE)
#undef FT_DECLARE

  DynamicLibrary library;

  /// Opens every part of cuDNN from one folder by absolute path before libcudnn itself, which looks them up by name:
  /// a second cuDNN in LD_LIBRARY_PATH would win otherwise. CannotRun where parts of another folder are mapped all
  /// the same, or where the version is older than MinimumVersion.
  static Expected<CudnnApi> load(const SearchPlaces &places);

  /// 9.10 masks with −inf instead of the lowest float, and needs no second padding mask in backward.
  static constexpr size_t MinimumVersion = 91000;

  /// "cuDNN 9.14.0 (path)"
  std::string description() const;

  /// `result` as a Status with cuDNN's own last message; not supported is CannotRun, the rest Failed.
  Status check(cudnnStatus_t result, const std::string &what) const;
};

/// "9.14.0" of 91400.
std::string cudnnVersionText(size_t version);

/// Fails where one of `paths` lies outside `folder`: two versions of one library in a process.
Status checkOneFolder(const std::vector<std::string> &paths, const std::string &folder, const std::string &title,
                      const std::string &variable);

} // namespace ft::rt
