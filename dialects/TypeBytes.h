// The size of an element in memory, for dialects/ and compiler/.
#pragma once

#include "mlir/IR/Types.h"

namespace ft {

/// Bytes of one element of an integer or float type of whole bytes.
inline int64_t elementBytes(mlir::Type element) { return element.getIntOrFloatBitWidth() / 8; }

} // namespace ft
