// Copies of numbers that are not read again soon.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstddef>
#include <cstdint>

namespace ft::rt {

/// Copies `count` elements of `dtype` and looks at them on the way, which costs nothing beside the copy: true where one
/// is NaN or infinite. They are written past the caches: memory is not read before it is written, and what lies in the
/// caches stays there.
bool streamCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to);

} // namespace ft::rt
