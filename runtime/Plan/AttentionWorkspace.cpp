#include "runtime/Plan/AttentionWorkspace.h"

#include <algorithm>

namespace ft::rt {

namespace {

constexpr uint64_t TileRows = 128;

uint64_t roundUp(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }
uint64_t page(uint64_t bytes) { return roundUp(bytes, 256); }

/// Sizes of one attention. `entries` of `length` rows are what cuDNN sees: documents, or rows of the batch.
struct Sizes {
  explicit Sizes(const plan::Attention &a)
      : ragged(a.form() == plan::Attention::RAGGED), packed(ragged && a.head_dim() % 16 == 0),
        deterministic(a.deterministic()), documents(a.max_documents()), heads(a.heads()),
        group(a.heads() / a.kv_heads()), width(a.heads() * a.head_dim()), pitch(a.d_qkv_pitch()),
        entries(ragged ? documents : a.batch()), length(ragged ? a.max_document_len() : a.sequence_len()),
        tokens(a.batch() * a.sequence_len()), rows(packed ? tokens : entries * length) {}

  const bool ragged;
  const bool packed; ///< cuDNN sizes ragged intermediates by tokens, not by documents of the longest length
  const bool deterministic;
  const uint64_t documents, heads, group, width, pitch, entries, length, tokens, rows;
};

uint64_t backwardLibrary(const Sizes &s) {
  // dS in 16 bits, rows in 64s and columns in 128s.
  const uint64_t kept =
      s.deterministic ? s.entries * s.heads * roundUp(s.length, 64) * roundUp(s.length, TileRows) * 2 : 0;
  const uint64_t fullHeads = s.group > 1 && !s.packed ? 4 * s.rows * s.width : 0; // dK and dV in 16 bits
  if (!s.ragged)
    return kept + fullHeads + 256;
  // Tables of documents: one each, and one for each tensor whose rows it finds itself.
  const uint64_t tables = !s.packed ? (s.group > 1 ? 0 : 2) : s.deterministic ? 2 : 3;
  return kept + fullHeads + 256 * s.documents + 768 + tables * (64 * s.documents + 128);
}

uint64_t backwardPieces(const Sizes &s) {
  uint64_t bytes = page(4 * s.rows * s.heads); // row sums
  if (!s.deterministic)                        // dQ in f32
    bytes += page(4 * (s.packed ? (s.tokens - 1) * s.pitch + s.width : s.rows * s.width));
  if (s.packed && s.group > 1) // dK and dV of every query head in 16 bits
    bytes += 2 * page(2 * ((s.tokens - 1 + TileRows) * s.pitch * s.group + s.width));
  return bytes;
}

} // namespace

AttentionWorkspaceBytes attentionWorkspaceBytes(const plan::Attention &attention) {
  const Sizes s(attention);
  AttentionWorkspaceBytes bytes;
  if (s.ragged)
    bytes.own = 3 * page(4 * (s.documents + 1));
  if (attention.direction() == plan::Attention::FORWARD) {
    bytes.library = s.ragged ? 256 * std::max<uint64_t>(s.documents, 64) + 768 : 256;
    return bytes;
  }
  bytes.library = backwardLibrary(s);
  bytes.own += backwardPieces(s);
  return bytes;
}

} // namespace ft::rt
