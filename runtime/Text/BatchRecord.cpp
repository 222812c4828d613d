#include "runtime/Text/BatchRecord.h"

#include "runtime/Plan/Kinds.h"

#include <algorithm>
#include <fmt/format.h>
#include <numeric>

namespace ft::rt {

namespace {
using plan::BatchInput;
constexpr int32_t NoTarget = -100;
} // namespace

int32_t **BatchRecord::of(BatchInput::Kind kind) {
  switch (kind) {
  case BatchInput::TOKENS:
    return &tokens;
  case BatchInput::LABELS:
    return &labels;
  case BatchInput::POSITIONS:
    return &positions;
  case BatchInput::DOCUMENT_START:
    return &documentStart;
  case BatchInput::DOCUMENT_OFFSETS:
    return &documentOffsets;
  case BatchInput::DOCUMENT_LENS:
    return &documentLens;
  case BatchInput::SORTED_POSITIONS:
    return &sortedPositions;
  case BatchInput::SEGMENT_STARTS:
    return &segmentStarts;
  case BatchInput::SEGMENT_IDS:
    return &segmentIds;
  case BatchInput::TARGET_ROWS:
    return &targetRows;
  case BatchInput::TARGET_LABELS:
    return &targetLabels;
  case BatchInput::TARGET_SLOTS:
    return &targetSlots;
  case BatchInput::ROW_INDEX:
    return &rowIndex;
  default:
    return nullptr;
  }
}

Expected<BatchShape> BatchShape::from(const plan::Batch &batch) {
  const struct {
    const char *name;
    uint64_t value, limit;
  } bounded[] = {
      {"micro_batch_size", batch.micro_batch_size(), 1u << 20},
      {"sequence_len", batch.sequence_len(), 1u << 24},
      {"vocab_size", batch.vocab_size(), 1u << 24},
      {"gradient_accumulation_steps", batch.gradient_accumulation_steps(), 1u << 20},
      {"max_document_len", batch.max_document_len(), 1u << 24},
      {"max_documents_per_row", batch.max_documents_per_row(), 1u << 24},
      {"max_documents", batch.max_documents(), 1u << 30},
      {"max_segments", batch.max_segments(), 1u << 30},
  };
  for (const auto &field : bounded)
    if (field.value == 0 || field.value > field.limit)
      return badInput(
          fmt::format("the plan's batch.{} is {}; must be in [1, {}]", field.name, field.value, field.limit));
  BatchShape shape;
  shape.row = {uint32_t(batch.sequence_len()), uint32_t(batch.max_document_len()),
               uint32_t(batch.max_documents_per_row()), batch.packing()};
  FT_RETURN_IF_ERROR(shape.row.check());
  const uint64_t tokens = batch.micro_batch_size() * batch.sequence_len();
  if (tokens > 1u << 30)
    return badInput(fmt::format("the plan's micro-batch has {} tokens; at most {}", tokens, 1u << 30));
  const uint64_t stepRows = batch.micro_batch_size() * batch.gradient_accumulation_steps();
  if (stepRows > 1u << 24) // the batch source draws them at once
    return badInput(fmt::format(
        "the plan's step has {} rows, micro_batch_size x gradient_accumulation_steps; at most {}", stepRows, 1u << 24));
  const uint64_t documents = batch.micro_batch_size() * batch.max_documents_per_row();
  if (batch.max_documents() < documents)
    return badInput(fmt::format("the plan's batch.max_documents is {}; must be at least micro_batch_size x "
                                "max_documents_per_row = {}",
                                batch.max_documents(), documents));
  if (plan::targetRows(batch) >= tokens)
    return badInput(fmt::format("the plan's batch names {} tokens with a target; must be below the {} of a micro-batch",
                                plan::targetRows(batch), tokens));
  const uint64_t segments = std::min<uint64_t>(tokens, batch.vocab_size());
  if (batch.max_segments() < segments)
    return badInput(fmt::format("the plan's batch.max_segments is {}; must be at least min(tokens, vocab_size) = {}",
                                batch.max_segments(), segments));
  shape.rows = uint32_t(batch.micro_batch_size());
  shape.vocabSize = uint32_t(batch.vocab_size());
  shape.accumulation = uint32_t(batch.gradient_accumulation_steps());
  shape.maxDocuments = uint32_t(batch.max_documents());
  shape.maxSegments = uint32_t(batch.max_segments());
  shape.targetRows = uint32_t(plan::targetRows(batch));
  return shape;
}

uint64_t BatchShape::elements(BatchInput::Kind kind) const {
  switch (kind) {
  case BatchInput::TOKENS:
  case BatchInput::LABELS:
  case BatchInput::POSITIONS:
  case BatchInput::DOCUMENT_START:
  case BatchInput::SORTED_POSITIONS:
  case BatchInput::TARGET_SLOTS:
    return tokens();
  case BatchInput::TARGET_ROWS:
  case BatchInput::TARGET_LABELS:
    return targetRows;
  case BatchInput::DOCUMENT_OFFSETS:
    return uint64_t(maxDocuments) + 1;
  case BatchInput::DOCUMENT_LENS:
    return maxDocuments;
  case BatchInput::SEGMENT_STARTS:
    return uint64_t(maxSegments) + 1;
  case BatchInput::SEGMENT_IDS:
    return maxSegments;
  case BatchInput::ROW_INDEX:
    return 1;
  default:
    return 0;
  }
}

BatchFiller::BatchFiller(const BatchShape &shape)
    : shape(shape), zeros(shape.row.sequenceLen), identity(shape.row.sequenceLen),
      lengths(shape.row.maxDocumentsPerRow), promptTokens(shape.row.sequenceLen), promptSorted(shape.row.sequenceLen),
      promptLen(1), views(shape.rows) {
  std::iota(identity.begin(), identity.end(), 0u);
  heads.reserve(shape.rows);
}

void BatchFiller::fill(const TokenFile &file, std::span<const uint64_t> indices, const BatchRecord &record) {
  const uint32_t length = shape.row.sequenceLen;
  for (uint32_t r = 0; r < shape.rows; ++r) {
    const bool padding = indices[r] == PaddingRow;
    TokenRow &row = views[r];
    row = padding ? TokenRow{zeros, identity, {}, {}, 0} : file.row(indices[r]);
    if (record.tokens)
      std::copy(row.tokens.begin(), row.tokens.end(), record.tokens + r * length);
    if (record.labels)
      for (uint32_t t = 0; t < length; ++t)
        record.labels[r * length + t] = !padding && row.isTarget(t) ? int32_t(row.tokens[t + 1]) : NoTarget;
  }
  fillDocuments(views, record);
  fillSegments(views, record);
  fillTargets(record);
}

Status BatchFiller::fillPrompt(std::span<const uint32_t> ids, const BatchRecord &record) {
  const uint32_t length = shape.row.sequenceLen;
  if (ids.empty() || ids.size() > shape.row.maxDocumentLen)
    return badInput(
        fmt::format("a prompt of {} tokens; must be 1 to max_document_len {}", ids.size(), shape.row.maxDocumentLen));
  for (uint32_t id : ids)
    if (id >= shape.vocabSize)
      return badInput(fmt::format("a prompt holds token {}; must be below vocab_size {}", id, shape.vocabSize));
  std::fill(std::copy(ids.begin(), ids.end(), promptTokens.begin()), promptTokens.end(), 0u);
  std::iota(promptSorted.begin(), promptSorted.end(), 0u);
  std::sort(promptSorted.begin(), promptSorted.end(), [this](uint32_t a, uint32_t b) {
    return promptTokens[a] != promptTokens[b] ? promptTokens[a] < promptTokens[b] : a < b;
  });
  promptLen[0] = uint32_t(ids.size());
  std::fill(views.begin(), views.end(), TokenRow{zeros, identity, {}, {}, 0});
  views[0] = {promptTokens, promptSorted, promptLen, {}, 0};
  for (uint32_t r = 0; r < shape.rows; ++r)
    if (record.tokens)
      std::copy(views[r].tokens.begin(), views[r].tokens.end(), record.tokens + r * length);
  if (record.labels)
    std::fill_n(record.labels, shape.tokens(), NoTarget);
  if (record.rowIndex)
    *record.rowIndex = int32_t(ids.size()) - 1;
  // GENERATE has memory for row 0 alone: no document may lie behind it.
  for (int32_t *array : {record.positions, record.documentStart})
    if (array)
      std::fill_n(array, shape.tokens(), 0);
  fillDocuments(std::span(views).first(1), record);
  fillSegments(views, record);
  fillTargets(record);
  return {};
}

void BatchFiller::fillDocuments(std::span<const TokenRow> rows, const BatchRecord &record) {
  uint32_t documents = 0, token = 0;
  for (const TokenRow &row : rows) {
    const uint32_t count = shape.row.cover(row.documentLens, lengths), rowBegin = token;
    for (uint32_t d = 0; d < count; ++d, ++documents) {
      if (record.documentOffsets)
        record.documentOffsets[documents] = int32_t(token);
      if (record.documentLens)
        record.documentLens[documents] = int32_t(lengths[d]);
      const uint32_t begin = token;
      for (; token < begin + lengths[d]; ++token) {
        if (record.positions)
          record.positions[token] = int32_t(token - begin);
        if (record.documentStart)
          record.documentStart[token] = int32_t(begin - rowBegin);
      }
    }
  }
  if (record.documentOffsets)
    std::fill(record.documentOffsets + documents, record.documentOffsets + shape.maxDocuments + 1, int32_t(token));
  if (record.documentLens)
    std::fill(record.documentLens + documents, record.documentLens + shape.maxDocuments, 0);
}

/// Merges the rows' sorted positions by (id, row, position), and cuts the result into segments of one id.
void BatchFiller::fillSegments(std::span<const TokenRow> rows, const BatchRecord &record) {
  if (!record.sortedPositions && !record.segmentStarts && !record.segmentIds)
    return;
  const uint32_t length = shape.row.sequenceLen;
  constexpr auto later = [](const Head &a, const Head &b) { return a.id != b.id ? a.id > b.id : a.row > b.row; };
  heads.clear();
  for (uint32_t r = 0; r < rows.size(); ++r)
    heads.push_back({rows[r].tokens[rows[r].sortedPositions[0]], r, 0});
  std::make_heap(heads.begin(), heads.end(), later);

  uint32_t written = 0, segments = 0, lastId = UINT32_MAX;
  while (!heads.empty()) {
    std::pop_heap(heads.begin(), heads.end(), later);
    Head &head = heads.back();
    const TokenRow &row = rows[head.row];
    if (head.id != lastId) {
      if (record.segmentStarts)
        record.segmentStarts[segments] = int32_t(written);
      if (record.segmentIds)
        record.segmentIds[segments] = int32_t(head.id);
      ++segments;
      lastId = head.id;
    }
    // All of this row's positions with this id: they stand together, and no other row comes between.
    for (; head.cursor < length && row.tokens[row.sortedPositions[head.cursor]] == lastId; ++head.cursor, ++written)
      if (record.sortedPositions)
        record.sortedPositions[written] = int32_t(head.row * length + row.sortedPositions[head.cursor]);
    if (head.cursor == length) {
      heads.pop_back();
      continue;
    }
    head.id = row.tokens[row.sortedPositions[head.cursor]];
    std::push_heap(heads.begin(), heads.end(), later);
  }
  if (record.segmentStarts)
    std::fill(record.segmentStarts + segments, record.segmentStarts + shape.maxSegments + 1, int32_t(written));
  if (record.segmentIds)
    std::fill(record.segmentIds + segments, record.segmentIds + shape.maxSegments, 0);
}

/// Names the tokens of `views` that have a target, and says of each token where it stands among them.
void BatchFiller::fillTargets(const BatchRecord &record) const {
  if (!record.targetRows && !record.targetLabels && !record.targetSlots)
    return;
  uint32_t count = 0, token = 0;
  for (const TokenRow &row : views)
    for (uint32_t t = 0; t < shape.row.sequenceLen; ++t, ++token) {
      const bool named = row.targets > 0 && row.isTarget(t) && count < shape.targetRows;
      if (record.targetSlots)
        record.targetSlots[token] = int32_t(named ? count : shape.targetRows);
      if (!named)
        continue;
      if (record.targetRows)
        record.targetRows[count] = int32_t(token);
      if (record.targetLabels)
        record.targetLabels[count] = int32_t(row.tokens[t + 1]);
      ++count;
    }
  if (record.targetRows)
    std::fill(record.targetRows + count, record.targetRows + shape.targetRows, 0);
  if (record.targetLabels)
    std::fill(record.targetLabels + count, record.targetLabels + shape.targetRows, NoTarget);
}

} // namespace ft::rt
