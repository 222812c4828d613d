// The bytes of a token file, version 3 (docs/token-file.md). Private to its reader and writer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ft::rt {

inline constexpr char TokenFileMagic[8] = {'F', 'T', 'C', 'T', 'O', 'K', 'E', 'N'};
inline constexpr uint32_t TokenFileVersion = 3;

/// Little-endian, as the processors that this runs on.
struct TokenFileHeader {
  char magic[8];
  uint32_t version;
  uint32_t flags; ///< 1 packing, 2 train_on_prompt, 4 places are lines
  uint32_t sequenceLen, maxDocumentLen, maxDocumentsPerRow, vocabSize;
  uint64_t seed;
  uint32_t split;
  uint32_t reportBytes; ///< of the sources, as JSON
  double valSetSize;
  uint64_t rows, documents;
  uint64_t samples, truncated, dropped, endTrained, tokenCount, targets;
  uint64_t droppedPlaces[3];
  uint8_t tokenizer[32], promptTemplate[32], data[32];
  uint64_t checksum;
};
static_assert(sizeof(TokenFileHeader) == 248);

struct TokenRow;

/// The file's checksum is the sum, modulo 2⁶⁴, of the header's part, which has the report in it, and of each row's: so
/// that all cores can add to it, in any order.
uint64_t headerChecksum(const TokenFileHeader &header, std::span<const std::byte> report);
/// Of what is not checked against something else: positions are sorted by what is in it.
uint64_t rowChecksum(uint64_t index, const TokenRow &row);

/// Where the sections lie; each starts at a multiple of 64 bytes. Nothing in the file says where: counts do.
struct TokenFileSections {
  uint64_t tokens, sortedPositions, rowDocuments, documentLens, rowTargets, targetMask, report, end;

  TokenFileSections(uint64_t rows, uint64_t documents, uint64_t sequenceLen, uint64_t reportBytes) {
    uint64_t at = sizeof(TokenFileHeader);
    auto section = [&](uint64_t bytes) {
      at = (at + 63) / 64 * 64;
      const uint64_t begin = at;
      at += bytes;
      return begin;
    };
    tokens = section(rows * sequenceLen * 4);
    sortedPositions = section(rows * sequenceLen * 4);
    rowDocuments = section((rows + 1) * 8);
    documentLens = section(documents * 4);
    rowTargets = section(rows * 4);
    targetMask = section(rows * ((sequenceLen + 7) / 8));
    report = section(reportBytes);
    end = at;
  }
};

} // namespace ft::rt
