// What the host writes for one micro-batch: the arrays behind a plan's batch inputs.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Text/TokenFile.h"

namespace ft::rt {

/// Memory of the caller's, one array for each kind of batch input (plan.proto BatchInput: shapes and meaning); null
/// where the plan does not have it: then it is not written. SCALARS are the executor's.
struct BatchRecord {
  int32_t *tokens = nullptr, *labels = nullptr, *positions = nullptr, *documentStart = nullptr;
  int32_t *documentOffsets = nullptr, *documentLens = nullptr;
  int32_t *sortedPositions = nullptr, *segmentStarts = nullptr, *segmentIds = nullptr;
  int32_t *targetRows = nullptr, *targetLabels = nullptr, *targetSlots = nullptr;
  int32_t *rowIndex = nullptr; ///< written by fillPrompt() alone

  /// The pointer of a kind; null for SCALARS and for what is no kind.
  int32_t **of(plan::BatchInput::Kind kind);
};

/// The sizes of a micro-batch.
struct BatchShape {
  RowShape row;
  uint32_t rows = 0; ///< micro_batch_size
  uint32_t vocabSize = 0;
  uint32_t accumulation = 1; ///< micro-batches a step
  uint32_t maxDocuments = 0; ///< at least rows × row.maxDocumentsPerRow
  uint32_t maxSegments = 0;  ///< at least min(tokens, vocabSize)
  uint32_t targetRows = 0;   ///< tokens with a target that a record names

  /// Checks what the arrays' sizes rest on; a plan that breaks it is refused with both values.
  static Expected<BatchShape> from(const plan::Batch &batch);
  uint32_t tokens() const { return rows * row.sequenceLen; }
  uint32_t rowsPerStep() const { return rows * accumulation; }
  /// i32 elements of a kind's array; 0 for SCALARS.
  uint64_t elements(plan::BatchInput::Kind kind) const;
};

/// Writes batch records. All work space is taken by the constructor; fill() allocates nothing. One thread at a time.
class BatchFiller {
public:
  static constexpr uint64_t PaddingRow = UINT64_MAX;

  explicit BatchFiller(const BatchShape &shape);

  /// Row i of the batch is row indices[i] of the file, or padding: no targets, token 0. indices.size() = shape.rows.
  /// Padding of either kind has label −100 and documents of its own (see RowShape::coverable). Of more targets than
  /// shape.targetRows the first are named.
  /// The file's shape and vocabulary must be the batch's.
  void fill(const TokenFile &file, std::span<const uint64_t> indices, const BatchRecord &record);

  /// Generation: row 0 starts with `ids` as one document, all else is padding; rowIndex says where the last one is.
  /// Fails where there are none, or more than max_document_len.
  Status fillPrompt(std::span<const uint32_t> ids, const BatchRecord &record);

private:
  struct Head {
    uint32_t id, row, cursor;
  };
  void fillDocuments(std::span<const TokenRow> rows, const BatchRecord &record);
  void fillSegments(std::span<const TokenRow> rows, const BatchRecord &record);
  void fillTargets(const BatchRecord &record) const;

  BatchShape shape;
  std::vector<uint32_t> zeros, identity, lengths, promptTokens, promptSorted, promptLen;
  std::vector<TokenRow> views;
  std::vector<Head> heads;
};

} // namespace ft::rt
