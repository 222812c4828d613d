// The bytes of a data file, packed or not.
#pragma once

#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Sha256.h"

#include <memory>

namespace ft::rt {

/// A data file's text: a mapped copy of it (see MappedFile::openCopy), or unpacked (.gz, .zst) into memory. Views live
/// as long as the object.
class DataFile {
public:
  /// BadInput, saying what it is and the way out, where the file is no text in UTF-8: UTF-16, an archive, Parquet,
  /// other packers; where it is damaged; or above MaxUnpacked bytes unpacked, or
  /// 200 times what it has packed.
  static Expected<DataFile> open(const std::string &path);
  static constexpr uint64_t MaxUnpacked = uint64_t(16) << 30;

  /// Without a byte order mark.
  std::string_view text() const { return view; }
  /// Of the file as it lies there.
  const Sha256Digest &digest() const { return hash; }

private:
  DataFile() = default;
  std::shared_ptr<const MappedFile> mapped;
  std::shared_ptr<const std::string> unpacked;
  std::string_view view;
  Sha256Digest hash{};
};

} // namespace ft::rt
