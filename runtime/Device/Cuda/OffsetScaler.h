// Token offsets of documents as the element offsets that cuDNN reads.
#pragma once

#include "runtime/Device/Cuda/DriverApi.h"

#include <array>
#include <cstdint>

namespace ft::rt {

/// cuDNN wants, per ragged tensor, token offset · pitch; plans carry token offsets alone. The one kernel of this
/// driver that is not from a plan: three products per document, enqueued before each ragged attention (about 2 µs).
class OffsetScaler {
public:
  static constexpr uint32_t Outputs = 3;

  /// Bytes from one output array to the next for `count` offsets.
  static uint64_t arrayBytes(uint64_t count) { return (count * 4 + 255) / 256 * 256; }

  /// Loads the kernel into the current context; `api` outlives this object.
  Status load(const DriverApi &api);

  /// out[j · arrayBytes(count) / 4 + i] = offsets[i] · factors[j] for i < count, j < Outputs; all i32 in device memory.
  Status run(CUstream stream, const void *offsets, void *out, uint32_t count,
             const std::array<int32_t, Outputs> &factors) const;

private:
  const DriverApi *driver = nullptr;
  CUmodule module = nullptr;
  CUfunction function = nullptr;
};

} // namespace ft::rt
