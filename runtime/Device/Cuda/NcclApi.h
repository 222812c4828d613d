// NCCL's functions, found at run time. Declared here: what is used of nccl.h, whose interface has been stable
// since 2.18.
#pragma once

#include "runtime/Device/Cuda/DynamicLibrary.h"
#include "runtime/Device/Cuda/LibrarySearch.h"

#include <cuda.h>

#include <cstddef>
#include <string>

namespace ft::rt {

struct NcclComm;

/// What the ranks of a communicator find each other by.
struct NcclId {
  char bytes[128];
};

enum class NcclResult : int {
  Success = 0,
  UnhandledCudaError = 1,
  SystemError = 2,
  InternalError = 3,
  InvalidArgument = 4,
  InvalidUsage = 5,
  RemoteError = 6
};

enum class NcclType : int { Int8 = 0, Int32 = 2, Float32 = 7, Float64 = 8, Bfloat16 = 9 };

enum class NcclOp : int { Sum = 0, Max = 2 };

// member, symbol, signature
#define FT_NCCL_FUNCTIONS(X)                                                                                           \
  X(getVersion, ncclGetVersion, NcclResult (*)(int *version))                                                          \
  X(getErrorString, ncclGetErrorString, const char *(*)(NcclResult))                                                   \
  X(getLastError, ncclGetLastError, const char *(*)(NcclComm *))                                                       \
  X(getUniqueId, ncclGetUniqueId, NcclResult (*)(NcclId *))                                                            \
  X(commInitRank, ncclCommInitRank, NcclResult (*)(NcclComm **, int ranks, NcclId, int rank))                          \
  X(commSplit, ncclCommSplit, NcclResult (*)(NcclComm *, int color, int key, NcclComm **, void *config))               \
  X(commAbort, ncclCommAbort, NcclResult (*)(NcclComm *))                                                              \
  X(groupStart, ncclGroupStart, NcclResult (*)())                                                                      \
  X(groupEnd, ncclGroupEnd, NcclResult (*)())                                                                          \
  X(allReduce, ncclAllReduce,                                                                                          \
    NcclResult (*)(const void *, void *, size_t count, NcclType, NcclOp, NcclComm *, CUstream))                        \
  X(reduceScatter, ncclReduceScatter,                                                                                  \
    NcclResult (*)(const void *, void *, size_t countOfPart, NcclType, NcclOp, NcclComm *, CUstream))                  \
  X(allGather, ncclAllGather,                                                                                          \
    NcclResult (*)(const void *, void *, size_t countOfPart, NcclType, NcclComm *, CUstream))                          \
  X(broadcast, ncclBroadcast,                                                                                          \
    NcclResult (*)(const void *, void *, size_t count, NcclType, int root, NcclComm *, CUstream))

LibrarySpec ncclSpec();

struct NcclApi {
#define FT_DECLARE(member, symbol, ...) std::type_identity_t<__VA_ARGS__> member = nullptr;
  FT_NCCL_FUNCTIONS(FT_DECLARE)
#undef FT_DECLARE

  DynamicLibrary library;
  std::string pinned; ///< "NCCL_ALGO=Ring NCCL_PROTO=Simple": what decides the order of a sum

  /// Also pins, in the environment, what NCCL reads there when its first communicator is made; what the user has set
  /// stays. `interface`: the network interface that ranks find each other on; empty: NCCL's choice. Before other
  /// threads read the environment. CannotRun: no library, or one before 2.18.
  static Expected<NcclApi> load(const SearchPlaces &places, const std::string &interface);

  /// "NCCL 2.27.5 NCCL_ALGO=Ring NCCL_PROTO=Simple (path)"
  std::string description() const;
  /// `result` as a Status; `what` says what was being done. A use that NCCL refuses (two ranks on one GPU) and what the
  /// system lacks are CannotRun, the rest Failed.
  Status check(NcclResult result, const std::string &what) const;
};

/// "2.27.5" of 22705.
std::string ncclVersionText(int version);

} // namespace ft::rt
