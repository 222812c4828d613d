// cuBLASLt's functions, found at run time.
#pragma once

#include "runtime/Device/Cuda/DynamicLibrary.h"
#include "runtime/Device/Cuda/LibrarySearch.h"

#include <cublasLt.h>

#include <string>

namespace ft::rt {

#define FT_CUBLAS_FUNCTIONS(X)                                                                                         \
  X(getVersion, cublasLtGetVersion)                                                                                    \
  X(create, cublasLtCreate)                                                                                            \
  X(destroy, cublasLtDestroy)                                                                                          \
  X(matmul, cublasLtMatmul)                                                                                            \
  X(layoutCreate, cublasLtMatrixLayoutCreate)                                                                          \
  X(layoutDestroy, cublasLtMatrixLayoutDestroy)                                                                        \
  X(layoutSet, cublasLtMatrixLayoutSetAttribute)                                                                       \
  X(matmulDescCreate, cublasLtMatmulDescCreate)                                                                        \
  X(matmulDescDestroy, cublasLtMatmulDescDestroy)                                                                      \
  X(matmulDescSet, cublasLtMatmulDescSetAttribute)                                                                     \
  X(preferenceCreate, cublasLtMatmulPreferenceCreate)                                                                  \
  X(preferenceDestroy, cublasLtMatmulPreferenceDestroy)                                                                \
  X(preferenceSet, cublasLtMatmulPreferenceSetAttribute)                                                               \
  X(algoGetHeuristic, cublasLtMatmulAlgoGetHeuristic)                                                                  \
  X(algoGet, cublasLtMatmulAlgoConfigGetAttribute)

/// The library that a driver of version `driverVersion` (13000: CUDA 13.0) can carry.
LibrarySpec cublasSpec(int driverVersion);

struct CublasApi {
#define FT_DECLARE(member, symbol) decltype(&::symbol) member = nullptr;
  FT_CUBLAS_FUNCTIONS(FT_DECLARE)
#undef FT_DECLARE

  DynamicLibrary library;

  static Expected<CublasApi> load(int driverVersion, const SearchPlaces &places);

  /// "cuBLASLt 13.1.0 (path)"
  std::string description() const;
};

/// "13.1.0" of 130100; from version 10.1 on the number is major · 10000 + minor · 100 + patch.
std::string cublasVersionText(size_t version);

/// `result` as a Status; `what` says what was being done, on what. Not supported is CannotRun, the rest Failed.
Status checkCublas(cublasStatus_t result, const std::string &what);

} // namespace ft::rt
