// Counts heap blocks, for tests of what promises to allocate none.
#pragma once

#include <cstdint>

namespace ft::rt {

/// Blocks that operator new has handed out in this program so far, on all threads.
uint64_t heapBlocks();

} // namespace ft::rt
