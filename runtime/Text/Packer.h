// Which documents share a row of tokens.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <span>
#include <vector>

namespace ft::rt {

/// What bounds a row. A document is one sample; attention never leaves it.
struct RowShape {
  uint32_t sequenceLen = 0;        ///< tokens a row
  uint32_t maxDocumentLen = 0;     ///< tokens a document, at most sequenceLen
  uint32_t maxDocumentsPerRow = 0; ///< what attention has room for
  bool packing = true;             ///< false: one document a row

  bool operator==(const RowShape &) const = default;

  /// Every row must be coverable by maxDocumentsPerRow documents of maxDocumentLen, padding included.
  Status check() const;

  /// Padding is attended to as well, so that no output is undefined: it makes documents of its own behind the row's
  /// `count`, or, where these would be more than maxDocumentsPerRow, lengthens the last one first, which no token of
  /// that document can see. False where neither fits.
  bool coverable(uint32_t count, uint32_t lastLen, uint32_t usedTokens) const;

  /// The lengths of all documents of a row, padding included: sum = sequenceLen. `lengths` is what the row holds; its
  /// order is kept. Writes at most maxDocumentsPerRow entries and returns their number; needs coverable().
  uint32_t cover(std::span<const uint32_t> lengths, std::span<uint32_t> out) const;
};

/// Which documents are in which row, one row behind the other.
class PackedRows {
public:
  PackedRows() = default;
  PackedRows(std::initializer_list<std::vector<uint32_t>> rows) {
    for (const auto &row : rows)
      add(row);
  }
  void add(std::span<const uint32_t> row) {
    members.insert(members.end(), row.begin(), row.end());
    ends.push_back(members.size());
  }
  size_t size() const { return ends.size(); }
  std::span<const uint32_t> operator[](size_t row) const {
    return std::span(members).subspan(first(row), ends[row] - first(row));
  }
  /// Documents in the rows before this one.
  uint64_t first(size_t row) const { return row ? ends[row - 1] : 0; }
  bool operator==(const PackedRows &) const = default;

private:
  std::vector<uint32_t> members;
  std::vector<uint64_t> ends;
};

/// Rows of documents, few of them; lengths[i] in [1, maxDocumentLen]. Longer documents go first, equal ones in `order`.
/// What makes the fewest rows is taken of
///  - best fit: into the row that is left with the least room. Good where rows hold few documents;
///  - balanced: over a number of rows, into the one with the most room, and the short documents by best fit. Good where
///    rows hold many, and where maxDocumentsPerRow binds: short documents are spread over the rows of long ones. What
///    is short is tried out, and the number of rows by halving.
/// O(n log n) a try, of which there are at most about 40; 12 bytes a document and 70 a row.
PackedRows packRows(const RowShape &shape, std::span<const uint32_t> lengths, std::span<const uint32_t> order);

} // namespace ft::rt
