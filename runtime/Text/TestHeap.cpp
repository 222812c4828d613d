#include "runtime/Text/TestHeap.h"

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<uint64_t> blocks{0};

uint64_t ft::rt::heapBlocks() { return blocks; }

void *operator new(size_t size) {
  ++blocks;
  if (void *memory = std::malloc(size))
    return memory;
  throw std::bad_alloc();
}
void *operator new(size_t size, const std::nothrow_t &) noexcept {
  ++blocks;
  return std::malloc(size);
}
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, size_t) noexcept { std::free(memory); }
