// The shared libraries of the cpu driver, opened at run time: oneDNN for GEMM and the OpenMP runtime under it.
#pragma once

#include "runtime/Support/Status.h"

#include <dnnl.h>

#include <string>
#include <vector>

namespace ft::rt {

// The part of oneDNN's C API (major version 2, whose memory descriptors are plain structs) that the driver calls.
#define FT_DNNL_FUNCTIONS(X)                                                                                           \
  X(dnnl_version)                                                                                                      \
  X(dnnl_set_max_cpu_isa)                                                                                              \
  X(dnnl_set_default_fpmath_mode)                                                                                      \
  X(dnnl_sgemm)                                                                                                        \
  X(dnnl_engine_create)                                                                                                \
  X(dnnl_engine_destroy)                                                                                               \
  X(dnnl_stream_create)                                                                                                \
  X(dnnl_stream_destroy)                                                                                               \
  X(dnnl_memory_desc_init_by_strides)                                                                                  \
  X(dnnl_memory_desc_get_size)                                                                                         \
  X(dnnl_memory_create)                                                                                                \
  X(dnnl_memory_set_data_handle)                                                                                       \
  X(dnnl_memory_destroy)                                                                                               \
  X(dnnl_matmul_desc_init)                                                                                             \
  X(dnnl_post_ops_create)                                                                                              \
  X(dnnl_post_ops_append_sum)                                                                                          \
  X(dnnl_post_ops_destroy)                                                                                             \
  X(dnnl_primitive_attr_create)                                                                                        \
  X(dnnl_primitive_attr_set_scratchpad_mode)                                                                           \
  X(dnnl_primitive_attr_set_output_scales)                                                                             \
  X(dnnl_primitive_attr_set_post_ops)                                                                                  \
  X(dnnl_primitive_attr_destroy)                                                                                       \
  X(dnnl_primitive_desc_iterator_create)                                                                               \
  X(dnnl_primitive_desc_iterator_next)                                                                                 \
  X(dnnl_primitive_desc_iterator_fetch)                                                                                \
  X(dnnl_primitive_desc_iterator_destroy)                                                                              \
  X(dnnl_primitive_desc_query)                                                                                         \
  X(dnnl_primitive_desc_query_md)                                                                                      \
  X(dnnl_primitive_desc_destroy)                                                                                       \
  X(dnnl_primitive_create)                                                                                             \
  X(dnnl_primitive_execute)                                                                                            \
  X(dnnl_primitive_destroy)

struct DnnlApi {
#define FT_DNNL_MEMBER(name) decltype(&::name) name = nullptr;
  FT_DNNL_FUNCTIONS(FT_DNNL_MEMBER)
#undef FT_DNNL_MEMBER
};

/// The OpenMP runtime's own entry points (libgomp's ABI, which libomp implements as well), so that no OpenMP library
/// is needed at link time.
struct OpenMpApi {
  void (*parallel)(void (*body)(void *), void *data, unsigned threads, unsigned flags) = nullptr;
  int (*threadNum)() = nullptr;
  int (*numThreads)() = nullptr;
  void (*setNumThreads)(int) = nullptr;
  void (*setDynamic)(int) = nullptr;
};

/// Opened for the life of the process: neither library can be unloaded safely while its threads exist.
struct CpuLibraries {
  OpenMpApi openMp;
  bool hasDnnl = false;
  DnnlApi dnnl;
  std::string description; ///< "oneDNN 2.6.3 (/usr/lib/x86_64-linux-gnu/libdnnl.so.2)"; empty without oneDNN
  std::string missing;     ///< why there is no oneDNN and which package brings it
};

/// Where shared libraries are looked for, in order: the folder that the environment variable names, beside the
/// binary, the system's folders. With the variable set nothing else is tried: a wrong value must not go unnoticed.
std::vector<std::string> librarySearchPath(const char *environmentFolder);

/// Opens oneDNN where the search finds it, and the OpenMP runtime that it uses; without oneDNN libgomp alone. Fails
/// with CannotRun when there is no OpenMP runtime at all, or the oneDNN found is of another kind.
Expected<CpuLibraries> openCpuLibraries();

} // namespace ft::rt
