// The operations by which files come and go for good, so that a test can put a full disk or a power cut between any
// two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace ft::rt {

/// A file system as a writer sees it. What is written may be lost with the power until its file is synced; a name that
/// was made, renamed or removed, until its folder is.
class Files {
public:
  virtual ~Files() = default;
  /// Opens a new file for writing; fails where the path is taken. `file` is then this layer's name of it. The file need
  /// not be seen there before it is renamed.
  virtual std::error_code create(const std::string &path, int &file) = 0;
  /// All of the bytes, at `offset`.
  virtual std::error_code write(int file, uint64_t offset, std::span<const std::byte> bytes) = 0;
  virtual std::error_code sync(int file) = 0;
  virtual void close(int file) = 0;
  virtual std::error_code makeFolder(const std::string &path) = 0;
  /// Ok as well where the file system has no such thing.
  virtual std::error_code syncFolder(const std::string &path) = 0;
  /// Of a file or a folder; replaces a file that is there.
  virtual std::error_code rename(const std::string &from, const std::string &to) = 0;
  /// A file, or a folder that is empty.
  virtual std::error_code remove(const std::string &path) = 0;
  /// The names in a folder, sorted; none where there is no such folder.
  virtual std::vector<std::string> list(const std::string &path) = 0;
};

/// The operating system's.
Files &systemFiles();

/// Of a path: what stands before its last slash.
std::string folderOf(const std::string &path);

/// A folder of files, with them; nothing where there is none.
std::error_code removeFolder(Files &files, const std::string &path);

} // namespace ft::rt
