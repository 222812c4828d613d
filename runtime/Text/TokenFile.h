// Packed, tokenised data, memory-mapped (docs/token-file.md is the specification).
#pragma once

#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Sha256.h"
#include "runtime/Text/Packer.h"

#include <array>
#include <atomic>
#include <memory>
#include <string>

namespace ft::rt {

struct Document;

/// Which samples of the data a file holds.
enum class Split : uint32_t { Whole = 0, Train = 1, Evaluation = 2 };

/// What fixes a token file's content: two files with the same identity are the same.
struct TokenFileIdentity {
  RowShape shape;
  uint32_t vocabSize = 0;
  uint64_t seed = 0;
  bool trainOnPrompt = false;
  Split split = Split::Whole;
  double valSetSize = 0; ///< 0 where split is Whole
  Sha256Digest tokenizer{}, promptTemplate{}, data{};

  bool operator==(const TokenFileIdentity &) const = default;
  /// The first field that differs, with both values: "sequence_len is 512 in a.tokens, 256 in the plan". Empty where
  /// none does.
  std::string difference(const std::string &name, const TokenFileIdentity &wanted) const;
};

/// What one file of the data came to.
struct SourceStats {
  std::string name;        ///< without folders
  uint64_t samples = 0;    ///< read
  uint64_t documents = 0;  ///< made of them
  uint64_t tokens = 0;     ///< of the documents
  uint64_t targets = 0;    ///< among them
  uint64_t truncated = 0;  ///< samples that were cut
  uint64_t tooLong = 0;    ///< dropped: the prompt alone fills max_document_len
  uint64_t untrained = 0;  ///< dropped: nothing of it is trained
  uint64_t endTrained = 0; ///< documents whose end is trained
  uint64_t duplicates = 0; ///< documents that another one before is equal to, in whatever file
  std::string unread;      ///< fields of the first sample that are not read
  bool operator==(const SourceStats &) const = default;
};

/// What packing met; kept in the file, so that the report is the same for a file from the cache.
struct PackingStats {
  uint64_t samples = 0;    ///< read, dropped ones included
  uint64_t truncated = 0;  ///< cut to maxDocumentLen
  uint64_t dropped = 0;    ///< without a target
  uint64_t endTrained = 0; ///< documents whose end of turn is a target
  uint64_t tokens = 0;     ///< without padding
  uint64_t targets = 0;
  std::array<uint64_t, 3> droppedPlaces{}; ///< of the first min(3, dropped)
  bool lines = false;                      ///< places are lines of JSONL, else indices of an array
  std::vector<SourceStats> sources;        ///< by file of the data; none where it is synthetic
};

/// One row, as views of the file.
struct TokenRow {
  std::span<const uint32_t> tokens;          ///< sequenceLen; 0 behind the documents
  std::span<const uint32_t> sortedPositions; ///< sequenceLen: positions by (token, position)
  std::span<const uint32_t> documentLens;    ///< one for each document, padding not among them
  std::span<const uint8_t> targetMask;       ///< bit t % 8 of byte t / 8: position t has a target, token t + 1
  uint32_t targets = 0;                      ///< bits set

  bool isTarget(uint32_t position) const { return targetMask[position / 8] >> (position % 8) & 1; }
};

/// Immutable; readable from several threads. Everything is checked when it is opened (one pass over the file, on all
/// cores): ids below vocabSize, documents within the shape, targets inside documents, positions sorted, and all of it
/// as its checksum says.
class TokenFile {
public:
  /// Refuses with BadInput, naming file, place and value, everything that is not a well-formed version 3 file. What is
  /// used is a copy that nobody else can change, so that what was checked holds for the whole run.
  static Expected<TokenFile> open(const std::string &path);
  /// The same of a file that nobody else can reach, and from memory; `name` is for messages.
  static Expected<TokenFile> fromMapping(MappedFile mapped, const std::string &name);
  static Expected<TokenFile> fromImage(std::vector<std::byte> image, const std::string &name);
  /// An image that something was changed in, with the checksum that it has now; unchanged where it is not well-formed.
  static std::vector<std::byte> sealed(std::vector<std::byte> image);
  /// True where the file starts as a token file does, well-formed or not.
  static bool looksLikeOne(const std::string &path);

  const std::string &name() const { return fileName; }
  const TokenFileIdentity &identity() const { return fileIdentity; }
  const PackingStats &stats() const { return packing; }
  uint64_t rows() const { return rowCount; }
  uint64_t documents() const { return documentCount; }
  TokenRow row(uint64_t index) const;
  std::span<const std::byte> bytes() const;

private:
  TokenFile() = default;
  /// Puts the checksum that the file has into `checksum`, or compares it with the one that it should have.
  Status parse(uint64_t *checksum = nullptr);
  Status parseHeader(struct TokenFileHeader &header) const;
  Status checkRows(std::atomic<uint64_t> &checksum);
  Status checkRow(uint64_t index) const;
  void release(uint64_t firstRow, uint64_t count) const;

  std::string fileName;
  std::shared_ptr<const MappedFile> mapping;
  std::shared_ptr<const std::vector<std::byte>> image;
  TokenFileIdentity fileIdentity;
  PackingStats packing;
  uint64_t rowCount = 0, documentCount = 0;
  const uint32_t *tokens = nullptr, *sortedPositions = nullptr, *documentLens = nullptr, *rowTargets = nullptr;
  const uint64_t *rowDocuments = nullptr;
  const uint8_t *targetMask = nullptr;
};

/// The bytes of a token file in memory: documents[i] for i in rows[r] follow one another in row r. Fills in
/// stats.tokens, .targets and .endTrained. Every id must be below identity.vocabSize.
std::vector<std::byte> buildTokenFile(const TokenFileIdentity &identity, PackingStats stats,
                                      std::span<const Document> documents, const PackedRows &rows);

} // namespace ft::rt
