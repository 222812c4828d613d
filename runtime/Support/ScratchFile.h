// Bytes that are too many for memory and that nobody else shall reach.
#pragma once

#include "runtime/Support/MappedFile.h"

#include <cstdint>

namespace ft::rt {

/// A file without a name: no other process can open it, and it is gone with the object, whatever ends the process.
/// Functions that are const may run on several threads.
class ScratchFile {
public:
  /// In `folder` where that takes one, else in memory.
  static Expected<ScratchFile> create(const std::string &folder);
  /// In memory.
  static Expected<ScratchFile> inMemory();

  ScratchFile(ScratchFile &&other) noexcept;
  ScratchFile &operator=(ScratchFile &&other) noexcept;
  ~ScratchFile();

  /// Where the disk is full, what there is moves to the folder for temporary files (TMPDIR, or /tmp), once, if that is
  /// on another one; CannotRun where there is no room either.
  Status append(std::span<const std::byte> bytes);
  Status writeAt(uint64_t offset, std::span<const std::byte> bytes) const;
  /// All of `out`; Failed beyond the end.
  Status readAt(uint64_t offset, std::span<std::byte> out) const;
  /// Appended so far.
  uint64_t size() const { return appended; }
  /// What has been written. `name` is for messages. The mapping outlives the object.
  Expected<MappedFile> map(const std::string &name) const;

private:
  ScratchFile(int fd, std::string place) : fd(fd), place(std::move(place)) {}
  bool moveTo(const std::string &folder);

  int fd;
  uint64_t appended = 0;
  std::string place; ///< for messages
};

} // namespace ft::rt
