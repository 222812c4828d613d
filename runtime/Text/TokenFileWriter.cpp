#include "runtime/Text/SourceReport.h"
#include "runtime/Text/TextCodec.h"
#include "runtime/Text/TokenFile.h"
#include "runtime/Text/TokenFileLayout.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace ft::rt {

namespace {
TokenFileHeader headerOf(const TokenFileIdentity &identity, const PackingStats &stats, uint64_t rows,
                         uint64_t documents, uint64_t reportBytes) {
  TokenFileHeader header{};
  std::memcpy(header.magic, TokenFileMagic, sizeof header.magic);
  header.version = TokenFileVersion;
  header.flags = identity.shape.packing | identity.trainOnPrompt << 1 | stats.lines << 2;
  header.sequenceLen = identity.shape.sequenceLen;
  header.maxDocumentLen = identity.shape.maxDocumentLen;
  header.maxDocumentsPerRow = identity.shape.maxDocumentsPerRow;
  header.vocabSize = identity.vocabSize;
  header.seed = identity.seed;
  header.split = uint32_t(identity.split);
  header.reportBytes = uint32_t(reportBytes);
  header.valSetSize = identity.valSetSize;
  header.rows = rows;
  header.documents = documents;
  header.samples = stats.samples;
  header.truncated = stats.truncated;
  header.dropped = stats.dropped;
  header.endTrained = stats.endTrained;
  header.tokenCount = stats.tokens;
  header.targets = stats.targets;
  std::copy(stats.droppedPlaces.begin(), stats.droppedPlaces.end(), header.droppedPlaces);
  std::memcpy(header.tokenizer, identity.tokenizer.data(), 32);
  std::memcpy(header.promptTemplate, identity.promptTemplate.data(), 32);
  std::memcpy(header.data, identity.data.data(), 32);
  return header;
}

/// Writes one row's documents; returns its targets.
uint32_t writeRow(const TokenFileIdentity &identity, std::span<const Document> documents,
                  const std::vector<uint32_t> &members, uint32_t *tokens, uint8_t *mask, PackingStats &stats) {
  uint32_t at = 0, targets = 0;
  for (uint32_t member : members) {
    const Document &document = documents[member];
    const auto length = uint32_t(document.ids.size());
    std::copy(document.ids.begin(), document.ids.end(), tokens + at);
    // Position t predicts token t + 1: the document's last has no target.
    for (const IdSpan &span : document.targets(identity.trainOnPrompt))
      for (uint32_t t = at + span.begin - 1; t + 1 < at + span.end; ++t) {
        mask[t / 8] |= uint8_t(1 << t % 8);
        ++targets;
      }
    stats.endTrained += !document.truncated;
    stats.tokens += length;
    at += length;
  }
  stats.targets += targets;
  return targets;
}
} // namespace

std::vector<std::byte> buildTokenFile(const TokenFileIdentity &identity, PackingStats stats,
                                      std::span<const Document> documents,
                                      const std::vector<std::vector<uint32_t>> &rows) {
  const uint32_t length = identity.shape.sequenceLen;
  uint64_t documentCount = 0;
  for (const auto &members : rows)
    documentCount += members.size();
  const std::string report = writeSources(stats.sources);
  const TokenFileSections at(rows.size(), documentCount, length, report.size());
  std::vector<std::byte> image(at.end);
  auto section = [&](uint64_t offset) { return image.data() + offset; };
  auto *tokens = reinterpret_cast<uint32_t *>(section(at.tokens));
  auto *sorted = reinterpret_cast<uint32_t *>(section(at.sortedPositions));
  auto *rowDocuments = reinterpret_cast<uint64_t *>(section(at.rowDocuments));
  auto *lens = reinterpret_cast<uint32_t *>(section(at.documentLens));
  auto *targets = reinterpret_cast<uint32_t *>(section(at.rowTargets));
  auto *mask = reinterpret_cast<uint8_t *>(section(at.targetMask));

  stats.endTrained = stats.tokens = stats.targets = 0;
  uint64_t document = 0;
  for (size_t r = 0; r < rows.size(); ++r) {
    uint32_t *row = tokens + r * length;
    rowDocuments[r] = document;
    for (uint32_t member : rows[r])
      lens[document++] = uint32_t(documents[member].ids.size());
    targets[r] = writeRow(identity, documents, rows[r], row, mask + r * ((length + 7) / 8), stats);
    uint32_t *positions = sorted + r * length;
    std::iota(positions, positions + length, 0u);
    std::sort(positions, positions + length,
              [row](uint32_t a, uint32_t b) { return row[a] != row[b] ? row[a] < row[b] : a < b; });
  }
  rowDocuments[rows.size()] = document;
  const TokenFileHeader header = headerOf(identity, stats, rows.size(), documentCount, report.size());
  std::memcpy(image.data(), &header, sizeof header);
  std::memcpy(section(at.report), report.data(), report.size());
  return image;
}

} // namespace ft::rt
