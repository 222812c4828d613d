#include "runtime/Text/Packer.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace ft::rt {

namespace {
uint32_t divideUp(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

/// Maxima over blocks of rows: finds the first row whose room is at least a length.
class RoomTree {
public:
  explicit RoomTree(size_t rows) : leaves(std::bit_ceil(std::max<size_t>(rows, 1))), room(2 * leaves, 0) {}

  void set(size_t row, uint32_t value) {
    size_t node = leaves + row;
    room[node] = value;
    while (node /= 2)
      room[node] = std::max(room[2 * node], room[2 * node + 1]);
  }
  /// `none()` where there is none.
  size_t firstWith(uint32_t length) const {
    if (room[1] < length)
      return leaves;
    size_t node = 1;
    while (node < leaves)
      node = 2 * node + (room[2 * node] < length);
    return node - leaves;
  }
  size_t none() const { return leaves; }

private:
  size_t leaves;
  std::vector<uint32_t> room;
};
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
  std::vector<uint32_t> used;
  RoomTree room(order.size());
  for (uint32_t document : order) {
    const uint32_t length = lengths[document];
    size_t row = shape.packing ? room.firstWith(length) : room.none();
    if (row == room.none()) {
      row = rows.size();
      rows.emplace_back();
      used.push_back(0);
    }
    rows[row].push_back(document);
    used[row] += length;
    // However long the next document is, it can be lengthened to maxDocumentLen: what is left behind that counts.
    const uint32_t left = shape.sequenceLen - used[row], behind = left - std::min(left, shape.maxDocumentLen);
    const bool open =
        shape.packing && rows[row].size() + 1 + divideUp(behind, shape.maxDocumentLen) <= shape.maxDocumentsPerRow;
    room.set(row, open ? left : 0);
  }
  return rows;
}

} // namespace ft::rt
