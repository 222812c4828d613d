// The bytes of a data file, packed or not.
#pragma once

#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Sha256.h"

#include <memory>

namespace ft::rt {

/// A data file's text, mapped: of a copy of it (see MappedFile::openCopy), or of what it unpacks to (.gz, .zst; see
/// ScratchFile), so that text larger than memory can be read from front to back. Views live as long as the object.
class DataFile {
public:
  /// BadInput, saying what it is and the way out, where the file is no text in UTF-8: UTF-16, an archive, Parquet,
  /// other packers; where it is damaged; or above MaxUnpacked bytes unpacked, or
  /// 200 times what it has packed.
  static Expected<DataFile> open(const std::string &path);
  static constexpr uint64_t MaxUnpacked = uint64_t(16) << 30;

  /// Without a byte order mark.
  std::string_view text() const { return view; }
  /// See MappedFile::release().
  void release(std::string_view part) const { mapped->release(std::as_bytes(std::span(part))); }
  /// Of the file as it lies there.
  const Sha256Digest &digest() const { return hash; }

private:
  DataFile() = default;
  Status unpack(const std::string &path, bool gzip);
  std::shared_ptr<const MappedFile> mapped;
  std::string_view view;
  Sha256Digest hash{};
};

/// Of all bytes, which stop counting as the process's memory.
Sha256Digest digestOf(const MappedFile &file);

} // namespace ft::rt
