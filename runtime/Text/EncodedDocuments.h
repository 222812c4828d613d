// Tokenised samples, of which memory holds no more than the lengths.
#pragma once

#include "runtime/Support/ScratchFile.h"
#include "runtime/Text/TextCodec.h"

namespace ft::rt {

/// Documents, appended one after the other, then read in any order. 12 bytes of memory each.
class EncodedDocuments {
public:
  /// They lie in a scratch file in `folder`, or in memory where that takes none.
  static Expected<EncodedDocuments> create(const std::string &folder);

  Status append(const Document &document);
  /// Behind the last append().
  Status finish() { return flush(); }

  size_t size() const { return lens.size(); }
  /// By document: its tokens.
  std::span<const uint32_t> lengths() const { return lens; }
  /// Into `out`, whose memory is used again. From any thread, behind finish().
  Status read(uint32_t index, Document &out) const;

private:
  explicit EncodedDocuments(ScratchFile file) : file(std::move(file)) {}
  Status flush();

  ScratchFile file;
  std::vector<uint32_t> lens;
  std::vector<uint64_t> places;  ///< in the file, in words of 4 bytes
  std::vector<uint32_t> pending; ///< words that are not yet in the file
  uint64_t words = 0;            ///< in the file
};

} // namespace ft::rt
