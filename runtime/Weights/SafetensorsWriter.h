// Writes one safetensors file as a stream, whole or not at all.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/AtomicFile.h"
#include "runtime/Support/Checksum.h"

#include <map>
#include <vector>

namespace ft::rt {

struct SafetensorsEntry {
  std::string name;
  plan::DType dtype = plan::F32;
  std::vector<uint64_t> shape;
};

/// What tells a file that was written from one that was damaged since.
struct WrittenFile {
  std::string name; ///< without its folder
  uint64_t bytes = 0, checksum = 0;
};

/// The header, padded with spaces so that data starts at a multiple of 8, is fixed at create(); write() then takes the
/// tensors' bytes in the order of `entries`, in pieces of any size. Equal arguments and bytes give equal files.
class SafetensorsWriter {
public:
  /// The folder must exist. Refuses duplicate and reserved names.
  static Expected<SafetensorsWriter> create(const std::string &path, const std::vector<SafetensorsEntry> &entries,
                                            const std::map<std::string, std::string> &metadata = {{"format", "pt"}},
                                            Files &files = systemFiles());
  Status write(std::span<const std::byte> bytes);
  /// Fails unless exactly the announced bytes were written; then the file appears at its path.
  Expected<WrittenFile> finish();

private:
  SafetensorsWriter(AtomicFile file, std::string path, uint64_t announced)
      : file(std::move(file)), path(std::move(path)), announced(announced) {}

  AtomicFile file;
  std::string path;
  uint64_t announced; ///< bytes of the finished file
  Checksum checksum;
};

} // namespace ft::rt
