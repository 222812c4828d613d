// Rows of documents to a token file.
#pragma once

#include "runtime/Support/WorkProgress.h"
#include "runtime/Text/TextCodec.h"
#include "runtime/Text/TokenFile.h"

#include <functional>

namespace ft::rt {

/// Where the bytes of a token file come from and go to. Both are called from several threads.
struct TokenFileEnds {
  /// A document, into memory that is used again.
  std::function<Status(uint32_t index, Document &out)> read;
  /// Each byte once, but for zeros: what nobody writes in front of what somebody does is zero.
  std::function<Status(uint64_t offset, std::span<const std::byte> bytes)> write;
};

/// Writes the token file in which the documents of rows[r] follow one another in row r, on all cores, some rows at a
/// time. Fills in stats.tokens, .targets and .endTrained. Every id must be below identity.vocabSize.
Status writeTokenFile(const TokenFileIdentity &identity, PackingStats stats, const PackedRows &rows,
                      const TokenFileEnds &ends, WorkProgress *progress);

} // namespace ft::rt
