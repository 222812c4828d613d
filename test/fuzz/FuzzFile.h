// A file of a fuzzer's input, for readers that map files: in memory, under one name for the whole process; or in a
// folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
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

/// A folder of the process, for readers that want names.
class Folder {
public:
  Folder() {
    path = (std::filesystem::temp_directory_path() / "ftc-fuzz-XXXXXX").string();
    if (!mkdtemp(path.data()))
      std::abort();
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder &) = delete;

  /// Its path.
  std::string write(const std::string &name, std::string_view content) const {
    const std::string file = path + "/" + name;
    std::FILE *stream = std::fopen(file.c_str(), "wb");
    if (!stream || std::fwrite(content.data(), 1, content.size(), stream) != content.size() || std::fclose(stream) != 0)
      std::abort();
    return file;
  }
  std::string path;
};

inline std::string_view textOf(const uint8_t *data, size_t size) {
  return {reinterpret_cast<const char *>(data), size};
}

} // namespace ft::fuzz
