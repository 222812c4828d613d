// The root of a sum of squares, which NCCL has no operation for.
#pragma once

#include "runtime/Device/Cuda/DriverApi.h"

#include <cstdint>

namespace ft::rt {

/// Of one number a rank, gathered: one thread, in the order of members.
class NormKernel {
public:
  /// Loads the kernel into the current context; `api` outlives this object.
  Status load(const DriverApi &api);
  bool loaded() const { return driver != nullptr; }

  /// out[0] = sqrt(Σ values[i]²) over i < count, all f64 in device memory.
  Status run(CUstream stream, const void *values, void *out, uint32_t count) const;

private:
  const DriverApi *driver = nullptr;
  CUmodule module = nullptr;
  CUfunction function = nullptr;
};

} // namespace ft::rt
