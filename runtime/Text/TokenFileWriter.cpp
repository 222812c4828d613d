#include "runtime/Text/TokenFileWriter.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Text/SourceReport.h"
#include "runtime/Text/TokenFileLayout.h"

#include <algorithm>
#include <cstring>

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

/// Some rows, which lie next to each other in each section.
struct Block {
  uint64_t firstRow, firstDocument;
  std::vector<uint32_t> tokens, sorted, lens, targets;
  std::vector<uint64_t> documents; ///< by row: those in front of it
  std::vector<uint8_t> mask;
  PackingStats stats;
};

template <typename T> std::span<const std::byte> bytesOf(const std::vector<T> &values) {
  return std::as_bytes(std::span(values));
}

class Writer {
public:
  Writer(const TokenFileIdentity &identity, const PackedRows &rows, const TokenFileEnds &ends,
         const TokenFileSections &at, WorkProgress *progress)
      : identity(identity), rows(rows), ends(ends), at(at), length(identity.shape.sequenceLen), progress(progress) {}

  Status writeRows(PackingStats &stats) {
    const uint64_t size = std::max<uint64_t>(1, (uint64_t(1) << 16) / length);
    return parallelUntilFailure((rows.size() + size - 1) / size, [&](uint64_t item) -> Status {
      FT_ASSIGN_OR_RETURN(const Block block,
                          makeBlock(item * size, std::min<uint64_t>(size, rows.size() - item * size)));
      FT_RETURN_IF_ERROR(write(block));
      const uint64_t sum = checksumOf(block);
      std::lock_guard lock(mutex);
      checksum += sum;
      stats.endTrained += block.stats.endTrained;
      stats.tokens += block.stats.tokens;
      stats.targets += block.stats.targets;
      done += block.tokens.size() * 4;
      if (progress)
        progress->at("packing", done, rows.size() * uint64_t(length) * 4);
      return {};
    });
  }

  /// Of the rows.
  uint64_t rowsChecksum() const { return checksum; }

private:
  uint64_t checksumOf(const Block &block) const {
    uint64_t sum = 0;
    size_t documents = 0;
    for (size_t r = 0; r < block.targets.size(); ++r) {
      const size_t count = rows[block.firstRow + r].size();
      const TokenRow row = {std::span(block.tokens).subspan(r * length, length),
                            {},
                            std::span(block.lens).subspan(documents, count),
                            std::span(block.mask).subspan(r * maskBytes(), maskBytes()),
                            block.targets[r]};
      sum += rowChecksum(block.firstRow + r, row);
      documents += count;
    }
    return sum;
  }

  Expected<Block> makeBlock(uint64_t first, uint64_t count) const {
    Block block;
    block.firstRow = first;
    block.firstDocument = rows.first(first);
    block.tokens.resize(count * length);
    block.sorted.resize(count * length);
    block.mask.resize(count * maskBytes());
    std::vector<uint64_t> keys(length);
    for (uint64_t r = 0; r < count; ++r) {
      block.documents.push_back(rows.first(first + r));
      FT_RETURN_IF_ERROR(fillRow(block, r));
      const uint32_t *row = block.tokens.data() + r * length;
      for (uint32_t t = 0; t < length; ++t)
        keys[t] = uint64_t(row[t]) << 32 | t;
      std::sort(keys.begin(), keys.end());
      std::copy(keys.begin(), keys.end(), block.sorted.begin() + ptrdiff_t(r * length)); // the positions alone
    }
    if (first + count == rows.size())
      block.documents.push_back(rows.first(rows.size()));
    return block;
  }

  /// A row's documents, with their targets.
  Status fillRow(Block &block, uint64_t r) const {
    uint32_t *tokens = block.tokens.data() + r * length;
    uint8_t *mask = block.mask.data() + r * maskBytes();
    uint32_t used = 0, targets = 0;
    Document document;
    for (uint32_t member : rows[block.firstRow + r]) {
      FT_RETURN_IF_ERROR(ends.read(member, document));
      const auto size = uint32_t(document.ids.size());
      std::copy(document.ids.begin(), document.ids.end(), tokens + used);
      // Position t predicts token t + 1: the document's last has no target.
      for (const IdSpan &span : document.targets(identity.trainOnPrompt))
        for (uint32_t t = used + span.begin - 1; t + 1 < used + span.end; ++t) {
          mask[t / 8] |= uint8_t(1 << t % 8);
          ++targets;
        }
      block.lens.push_back(size);
      block.stats.endTrained += !document.truncated;
      block.stats.tokens += size;
      used += size;
    }
    block.targets.push_back(targets);
    block.stats.targets += targets;
    return {};
  }

  Status write(const Block &block) const {
    const std::pair<uint64_t, std::span<const std::byte>> parts[] = {
        {at.tokens + block.firstRow * length * 4, bytesOf(block.tokens)},
        {at.sortedPositions + block.firstRow * length * 4, bytesOf(block.sorted)},
        {at.rowDocuments + block.firstRow * 8, bytesOf(block.documents)},
        {at.documentLens + block.firstDocument * 4, bytesOf(block.lens)},
        {at.rowTargets + block.firstRow * 4, bytesOf(block.targets)},
        {at.targetMask + block.firstRow * maskBytes(), bytesOf(block.mask)}};
    for (const auto &[offset, bytes] : parts)
      FT_RETURN_IF_ERROR(ends.write(offset, bytes));
    return {};
  }

  uint64_t maskBytes() const { return (length + 7) / 8; }

  const TokenFileIdentity &identity;
  const PackedRows &rows;
  const TokenFileEnds &ends;
  const TokenFileSections &at;
  const uint64_t length;
  WorkProgress *progress;
  std::mutex mutex; ///< of what follows, and of `progress`
  uint64_t done = 0, checksum = 0;
};
} // namespace

Status writeTokenFile(const TokenFileIdentity &identity, PackingStats stats, const PackedRows &rows,
                      const TokenFileEnds &ends, WorkProgress *progress) {
  const std::string report = writeSources(stats.sources);
  const uint64_t documents = rows.first(rows.size());
  const TokenFileSections at(rows.size(), documents, identity.shape.sequenceLen, report.size());
  const std::byte zero{}; // the file has its size even where its last section is empty
  FT_RETURN_IF_ERROR(ends.write(at.end - 1, {&zero, 1}));
  stats.endTrained = stats.tokens = stats.targets = 0;
  Writer writer(identity, rows, ends, at, progress);
  FT_RETURN_IF_ERROR(writer.writeRows(stats));
  TokenFileHeader header = headerOf(identity, stats, rows.size(), documents, report.size());
  header.checksum = headerChecksum(header, std::as_bytes(std::span(report))) + writer.rowsChecksum();
  FT_RETURN_IF_ERROR(ends.write(at.report, std::as_bytes(std::span(report))));
  return ends.write(0, std::as_bytes(std::span(&header, 1)));
}

std::vector<std::byte> buildTokenFile(const TokenFileIdentity &identity, PackingStats stats,
                                      std::span<const Document> documents, const PackedRows &rows) {
  const TokenFileSections at(rows.size(), rows.first(rows.size()), identity.shape.sequenceLen,
                             writeSources(stats.sources).size());
  std::vector<std::byte> image(at.end);
  TokenFileEnds ends;
  ends.read = [&](uint32_t index, Document &out) {
    out = documents[index];
    return Status();
  };
  ends.write = [&](uint64_t offset, std::span<const std::byte> bytes) {
    std::copy(bytes.begin(), bytes.end(), image.begin() + ptrdiff_t(offset));
    return Status();
  };
  (void)writeTokenFile(identity, std::move(stats), rows, ends, nullptr); // nothing in it can fail
  return image;
}

} // namespace ft::rt
