// The kernel that transposes a matrix of bytes: codes of weights, ahead of a product that reads them the other way.
#pragma once

#include "runtime/Device/Cuda/DriverApi.h"
#include "runtime/Device/Device.h"

#include <string>

namespace ft::rt {

/// Tiles of 128 × 128 bytes pass through shared memory, so that both sides are read and written by whole lines.
class ByteTranspose {
public:
  /// Loads the kernel into the current context; `api` outlives this object.
  Status load(const DriverApi &api);
  bool loaded() const { return driver != nullptr; }

  /// Byte r of row c of dst = byte c of row r of src. Rows, row bytes, pitches and addresses are multiples of 4; fails
  /// else. Enqueues one launch.
  Status run(CUstream stream, const Region &dst, const Region &src) const;

  /// The kernel as PTX.
  static std::string source();

private:
  const DriverApi *driver = nullptr;
  CUmodule module = nullptr;
  CUfunction function = nullptr;
};

} // namespace ft::rt
