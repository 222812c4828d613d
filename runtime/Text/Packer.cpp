#include "runtime/Text/Packer.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <set>

namespace ft::rt {

namespace {
uint32_t divideUp(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

/// Rows that are being filled, by the room that is left in them.
class Filling {
public:
  Filling(const RowShape &shape, std::span<const uint32_t> lengths) : shape(shape), lengths(lengths) {}

  size_t size() const { return rows.size(); }
  void addRow() {
    open.insert({shape.sequenceLen, uint32_t(rows.size())});
    rows.emplace_back();
    used.push_back(0);
  }
  /// Into the fullest row that has room, or the emptiest; false where none has.
  bool put(uint32_t document, bool fullest) {
    const uint32_t length = lengths[document];
    auto at = fullest ? open.lower_bound({length, 0}) : open.empty() ? open.end() : std::prev(open.end());
    if (at == open.end() || at->first < length)
      return false;
    const uint32_t row = at->second;
    open.erase(at);
    rows[row].push_back(document);
    used[row] += length;
    // However long the next document is, it can be lengthened to maxDocumentLen: what is left behind that counts.
    const uint32_t left = shape.sequenceLen - used[row], behind = left - std::min(left, shape.maxDocumentLen);
    if (left > 0 && rows[row].size() + 1 + divideUp(behind, shape.maxDocumentLen) <= shape.maxDocumentsPerRow)
      open.insert({left, row});
    return true;
  }
  std::vector<std::vector<uint32_t>> take() { return std::move(rows); }

private:
  const RowShape &shape;
  std::span<const uint32_t> lengths;
  std::vector<std::vector<uint32_t>> rows;
  std::vector<uint32_t> used;
  std::set<std::pair<uint32_t, uint32_t>> open; ///< room, row
};

std::vector<std::vector<uint32_t>> bestFit(const RowShape &shape, std::span<const uint32_t> lengths,
                                           std::span<const uint32_t> order) {
  Filling filling(shape, lengths);
  for (uint32_t document : order)
    if (!filling.put(document, /*fullest=*/true)) {
      filling.addRow();
      filling.put(document, /*fullest=*/true);
    }
  return filling.take();
}

/// Over `count` rows, documents of less than `shortLen` by best fit; nothing where the rows do not suffice.
std::optional<std::vector<std::vector<uint32_t>>> balanced(const RowShape &shape, std::span<const uint32_t> lengths,
                                                           std::span<const uint32_t> order, size_t count,
                                                           uint32_t shortLen) {
  Filling filling(shape, lengths);
  while (filling.size() < count)
    filling.addRow();
  for (uint32_t document : order)
    if (!filling.put(document, /*fullest=*/lengths[document] < shortLen))
      return std::nullopt;
  return filling.take();
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

std::vector<std::vector<uint32_t>> packRows(const RowShape &shape, std::span<const uint32_t> lengths,
                                            std::span<const uint32_t> order) {
  std::vector<std::vector<uint32_t>> rows;
  if (!shape.packing) {
    for (uint32_t document : order)
      rows.push_back({document});
    return rows;
  }
  std::vector<uint32_t> longestFirst(order.begin(), order.end());
  std::stable_sort(longestFirst.begin(), longestFirst.end(),
                   [&](uint32_t a, uint32_t b) { return lengths[a] > lengths[b]; });
  rows = bestFit(shape, lengths, longestFirst);
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
      if (auto fewer = balanced(shape, lengths, longestFirst, middle, shortLen))
        rows = std::move(*fewer);
      else
        low = middle + 1;
    }
  }
  return rows;
}

} // namespace ft::rt
