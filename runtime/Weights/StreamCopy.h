// Copies of numbers that are looked at on the way.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <cstddef>
#include <cstdint>

namespace ft::rt {

/// Copies `count` elements of `dtype` and looks at them on the way, which costs nothing beside the copy: true where one
/// is NaN or infinite. They are written past the caches: memory is not read before it is written, and what lies in the
/// caches stays there.
bool streamCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to);

/// The same for what is read again at once, as by a GPU's copy: it stays in the caches, and need not come from memory.
bool cachedCopy(plan::DType dtype, const std::byte *from, uint64_t count, std::byte *to);

} // namespace ft::rt
