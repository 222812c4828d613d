// A whole file, mapped read-only.
#pragma once

#include "runtime/Support/Status.h"

#include <cstddef>
#include <span>
#include <string>

namespace ft::rt {

/// Owns the mapping; spans of it live as long as the object. Moving keeps the address. The mapping follows
/// the file: one that shrinks while mapped raises SIGBUS, so whoever replaces files must rename (AtomicFile does), and
/// what a run maps for hours is opened by openCopy().
class MappedFile {
public:
  /// Fails with BadInput, naming the path and the cause. Regular files only; an empty one gives an empty span.
  static Expected<MappedFile> open(const std::string &path);

  /// The same, of a copy that no other process can reach: an unnamed file beside it where the folder takes one, else
  /// memory. What happens to the file afterwards changes nothing here.
  static Expected<MappedFile> openCopy(const std::string &path);

  /// All of an open file, which may be closed afterwards; `name` stands for its path.
  static Expected<MappedFile> ofDescriptor(int fd, const std::string &name);

  MappedFile(MappedFile &&other) noexcept;
  MappedFile &operator=(MappedFile &&other) noexcept;
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return view; }
  size_t size() const { return view.size(); }
  /// The pages of this part stop counting as the process's memory until they are read again, with the same content: for
  /// who reads a large file once from front to back. Pages that other parts share stay.
  void release(std::span<const std::byte> part) const;
  const std::string &path() const { return name; }

private:
  MappedFile(std::span<const std::byte> view, std::string name) : view(view), name(std::move(name)) {}

  std::span<const std::byte> view;
  std::string name;
};

} // namespace ft::rt
