// Files that appear whole or not at all: written aside, fsynced, renamed.
#pragma once

#include "runtime/Support/Files.h"
#include "runtime/Support/Status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ft::rt {

/// A file under construction beside its final path. Until commit() the final path is untouched; an object that is
/// destroyed uncommitted removes what it wrote. A process that is killed can leave "<path>.tmp.<pid>.<n>" behind where
/// the file system has no files without a name, never a partial file at the path itself. Errors have code Failed and
/// name path and cause.
class AtomicFile {
public:
  /// The folder must exist. A link at `path` stays, and the file that it names is written. Errors also as
  /// checkReplaceable's. `files` outlives the object.
  static Expected<AtomicFile> create(const std::string &path, Files &files = systemFiles());

  AtomicFile(AtomicFile &&other) noexcept;
  AtomicFile &operator=(AtomicFile &&other) noexcept;
  AtomicFile(const AtomicFile &) = delete;
  AtomicFile &operator=(const AtomicFile &) = delete;
  ~AtomicFile();

  /// Appends. Buffering is the caller's: each call is at least one system call.
  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text))); }
  /// Overwrites or extends at `offset`, without moving the position of write().
  Status writeAt(uint64_t offset, std::span<const std::byte> bytes);
  /// Bytes appended so far.
  uint64_t size() const { return appended; }
  /// fsync, rename over the final path, fsync the folder. Nothing may be written afterwards.
  Status commit();

private:
  AtomicFile(Files &files, int fd, std::string path, std::string aside)
      : files(&files), fd(fd), path(std::move(path)), aside(std::move(aside)) {}
  void discard();

  Files *files;
  int fd = -1;
  uint64_t appended = 0;
  std::string path, aside;
};

/// BadInput where `path` is there and no file: a device, a pipe or a folder must not be replaced by one.
Status checkReplaceable(const std::string &path);

/// The whole file at once.
Status writeFileAtomically(const std::string &path, std::span<const std::byte> bytes, Files &files = systemFiles());
Status writeFileAtomically(const std::string &path, std::string_view text, Files &files = systemFiles());

} // namespace ft::rt
