#include "runtime/Text/Packer.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>
#include <optional>
#include <set>

namespace ft::rt {

namespace {
uint32_t divideUp(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

constexpr uint32_t None = UINT32_MAX;

/// Rows that are being filled, by the room that is left in them.
class Filling {
public:
  Filling(const RowShape &shape, std::span<const uint32_t> lengths)
      : shape(shape), lengths(lengths), next(lengths.size(), None) {}

  size_t size() const { return rows.size(); }
  void addRow() {
    open.insert({shape.sequenceLen, uint32_t(rows.size())});
    rows.emplace_back();
  }
  /// Into the fullest row that has room, or the emptiest; false where none has.
  bool put(uint32_t document, bool fullest) {
    const uint32_t length = lengths[document];
    auto at = fullest ? open.lower_bound({length, 0}) : open.empty() ? open.end() : std::prev(open.end());
    if (at == open.end() || at->first < length)
      return false;
    auto node = open.extract(at);
    Row &row = rows[node.value().second];
    (row.count ? next[row.last] : row.first) = document;
    row.last = document;
    ++row.count;
    // However long the next document is, it can be lengthened to maxDocumentLen: what is left behind that counts.
    const uint32_t left = node.value().first -= length, behind = left - std::min(left, shape.maxDocumentLen);
    if (left > 0 && row.count + 1 + divideUp(behind, shape.maxDocumentLen) <= shape.maxDocumentsPerRow)
      open.insert(std::move(node));
    return true;
  }
  PackedRows take() const {
    PackedRows result;
    std::vector<uint32_t> members;
    for (const Row &row : rows) {
      members.clear();
      for (uint32_t document = row.first; document != None; document = next[document])
        members.push_back(document);
      result.add(members);
    }
    return result;
  }

private:
  struct Row {
    uint32_t first = None, last = None, count = 0;
  };
  const RowShape &shape;
  std::span<const uint32_t> lengths;
  std::vector<uint32_t> next; ///< by document: the one behind it in its row
  std::vector<Row> rows;
  std::set<std::pair<uint32_t, uint32_t>> open; ///< room, row
};

PackedRows bestFit(const RowShape &shape, std::span<const uint32_t> lengths, std::span<const uint32_t> order) {
  Filling filling(shape, lengths);
  for (uint32_t document : order)
    if (!filling.put(document, /*fullest=*/true)) {
      filling.addRow();
      filling.put(document, /*fullest=*/true);
    }
  return filling.take();
}

/// Over `count` rows, documents of less than `shortLen` by best fit; nothing where the rows do not suffice.
std::optional<PackedRows> balanced(const RowShape &shape, std::span<const uint32_t> lengths,
                                   std::span<const uint32_t> order, size_t count, uint32_t shortLen) {
  Filling filling(shape, lengths);
  while (filling.size() < count)
    filling.addRow();
  for (uint32_t document : order)
    if (!filling.put(document, /*fullest=*/lengths[document] < shortLen))
      return std::nullopt;
  return filling.take();
}

/// `order` with the longest first, equal ones as they were.
std::vector<uint32_t> longestFirst(const RowShape &shape, std::span<const uint32_t> lengths,
                                   std::span<const uint32_t> order) {
  std::vector<size_t> places(size_t(shape.maxDocumentLen) + 2); // by length: where the next one goes
  for (uint32_t document : order)
    ++places[shape.maxDocumentLen - lengths[document] + 1];
  std::partial_sum(places.begin(), places.end(), places.begin());
  std::vector<uint32_t> sorted(order.size());
  for (uint32_t document : order)
    sorted[places[shape.maxDocumentLen - lengths[document]]++] = document;
  return sorted;
}
} // namespace

Status RowShape::check() const {
  if (sequenceLen == 0 || maxDocumentLen == 0 || maxDocumentLen > sequenceLen)
    return badInput(
        fmt::format("max_document_len is {}; must be in [1, sequence_len = {}]", maxDocumentLen, sequenceLen));
  if (maxDocumentsPerRow == 0 || maxDocumentsPerRow > sequenceLen)
    return badInput(
        fmt::format("max_documents_per_row is {}; must be in [1, sequence_len = {}]", maxDocumentsPerRow, sequenceLen));
  if (uint64_t(maxDocumentsPerRow) * maxDocumentLen < sequenceLen)
    return badInput(
        fmt::format("max_documents_per_row {} x max_document_len {} is {}; must be at least sequence_len {}, "
                    "or rows cannot be covered: raise one of the two{}",
                    maxDocumentsPerRow, maxDocumentLen, uint64_t(maxDocumentsPerRow) * maxDocumentLen, sequenceLen,
                    packing ? "" : ", or turn packing on"));
  return {};
}

bool RowShape::coverable(uint32_t count, uint32_t lastLen, uint32_t usedTokens) const {
  const uint32_t tail = sequenceLen - usedTokens;
  const uint32_t taken = std::min(tail, maxDocumentLen - lastLen);
  return count + divideUp(tail - taken, maxDocumentLen) <= maxDocumentsPerRow;
}

uint32_t RowShape::cover(std::span<const uint32_t> lengths, std::span<uint32_t> out) const {
  uint32_t count = 0, used = 0;
  for (uint32_t length : lengths) {
    out[count++] = length;
    used += length;
  }
  uint32_t tail = sequenceLen - used;
  if (count > 0 && count + divideUp(tail, maxDocumentLen) > maxDocumentsPerRow) {
    const uint32_t taken = std::min(tail, maxDocumentLen - out[count - 1]);
    out[count - 1] += taken;
    tail -= taken;
  }
  for (; tail > 0; tail -= out[count++])
    out[count] = std::min(tail, maxDocumentLen);
  return count;
}

PackedRows packRows(const RowShape &shape, std::span<const uint32_t> lengths, std::span<const uint32_t> order) {
  PackedRows rows;
  if (!shape.packing) {
    for (uint32_t document : order)
      rows.add({&document, 1});
    return rows;
  }
  const std::vector<uint32_t> sorted = longestFirst(shape, lengths, order);
  rows = bestFit(shape, lengths, sorted);
  uint64_t tokens = 0;
  for (uint32_t document : order)
    tokens += lengths[document];
  const size_t least = std::max<size_t>((tokens + shape.sequenceLen - 1) / shape.sequenceLen,
                                        (order.size() + shape.maxDocumentsPerRow - 1) / shape.maxDocumentsPerRow);
  for (uint32_t divisor : {0, 4, 8, 16}) {
    const uint32_t shortLen = divisor ? shape.sequenceLen / divisor : 0;
    // Between what no packing can do and the best so far, to half a percent.
    for (size_t low = least; low + least / 200 < rows.size();) {
      const size_t middle = low + (rows.size() - low) / 2;
      if (auto fewer = balanced(shape, lengths, sorted, middle, shortLen))
        rows = std::move(*fewer);
      else
        low = middle + 1;
    }
  }
  return rows;
}

} // namespace ft::rt
