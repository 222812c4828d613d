// The way of fills into memory that the host cannot write.
#pragma once

#include "runtime/Weights/FillPiece.h"

namespace ft::rt {

/// Makes `fills` on `threads` threads in slots of the target's staging memory, and sends what is made from this one
/// meanwhile. A region that cannot be made in parts is made in memory of its own. Errors are the sink's.
Status sendFills(const std::vector<const Fill *> &fills, const LoadTarget &target, uint32_t threads, FirstBad &bad);

} // namespace ft::rt
