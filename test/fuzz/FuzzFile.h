// A file of a fuzzer's input, for readers that map files: in memory, under one name for the whole process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace ft::fuzz {

/// Readers must be done with the file before the next call.
inline std::string fileWith(const uint8_t *data, size_t size) {
  static const int file = memfd_create("input", MFD_CLOEXEC);
  if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != ssize_t(size))
    std::abort();
  return "/proc/self/fd/" + std::to_string(file);
}

} // namespace ft::fuzz
