#include "runtime/Text/TokenFile.h"

#include "runtime/Support/Parallel.h"
#include "runtime/Text/SourceReport.h"
#include "runtime/Text/TokenFileLayout.h"

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>

namespace ft::rt {

static_assert(std::endian::native == std::endian::little);

namespace {
/// Bounds that keep every size below 2⁶³; no data comes near them.
constexpr uint64_t MaxSequenceLen = 1u << 24, MaxVocabSize = 1u << 24, MaxRows = uint64_t(1) << 32;

Status damaged(const std::string &name, const std::string &what) {
  return badInput(fmt::format("{}: {}; the file is damaged or was made by something else, make it again with ftc data",
                              name, what));
}

std::string shortHex(const Sha256Digest &digest) { return toHex(digest).substr(0, 16); }

const char *splitName(Split split) {
  return split == Split::Whole ? "whole" : split == Split::Train ? "train" : "evaluation";
}
} // namespace

std::string TokenFileIdentity::difference(const std::string &name, const TokenFileIdentity &wanted) const {
  std::string result;
  auto compare = [&](const char *field, const auto &own, const auto &other, const char *where) {
    if (result.empty() && own != other)
      result = fmt::format("{} is {} in {}, {} in the {}", field, own, name, other, where);
  };
  compare("sequence_len", shape.sequenceLen, wanted.shape.sequenceLen, "plan");
  compare("max_document_len", shape.maxDocumentLen, wanted.shape.maxDocumentLen, "plan");
  compare("max_documents_per_row", shape.maxDocumentsPerRow, wanted.shape.maxDocumentsPerRow, "plan");
  compare("packing", shape.packing, wanted.shape.packing, "plan");
  compare("vocab_size", vocabSize, wanted.vocabSize, "plan");
  compare("seed", seed, wanted.seed, "plan");
  compare("train_on_prompt", trainOnPrompt, wanted.trainOnPrompt, "plan");
  compare("split", splitName(split), splitName(wanted.split), "plan");
  compare("val_set_size", valSetSize, wanted.valSetSize, "plan");
  compare("tokenizer digest", shortHex(tokenizer), shortHex(wanted.tokenizer), "loaded model");
  compare("template digest", shortHex(promptTemplate), shortHex(wanted.promptTemplate), "plan");
  compare("data digest", shortHex(data), shortHex(wanted.data), "plan's data file");
  return result;
}

Expected<TokenFile> TokenFile::open(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::openCopy(path));
  return fromMapping(std::move(mapped), path);
}

Expected<TokenFile> TokenFile::fromMapping(MappedFile mapped, const std::string &name) {
  TokenFile file;
  file.fileName = name;
  file.mapping = std::make_shared<const MappedFile>(std::move(mapped));
  FT_RETURN_IF_ERROR(file.parse());
  return file;
}

Expected<TokenFile> TokenFile::fromImage(std::vector<std::byte> bytes, const std::string &name) {
  TokenFile file;
  file.fileName = name;
  file.image = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  FT_RETURN_IF_ERROR(file.parse());
  return file;
}

bool TokenFile::looksLikeOne(const std::string &path) {
  const auto file = MappedFile::open(path);
  return file.ok() && file->size() >= sizeof TokenFileMagic &&
         !std::memcmp(file->bytes().data(), TokenFileMagic, sizeof TokenFileMagic);
}

std::span<const std::byte> TokenFile::bytes() const {
  return mapping ? mapping->bytes() : std::span<const std::byte>(*image);
}

Status TokenFile::parseHeader(TokenFileHeader &header) const {
  if (bytes().size() < sizeof header)
    return damaged(fileName, fmt::format("has {} bytes; a token file has at least {}", bytes().size(), sizeof header));
  std::memcpy(&header, bytes().data(), sizeof header);
  if (std::memcmp(header.magic, TokenFileMagic, sizeof header.magic))
    return damaged(fileName, "does not start with FTCTOKEN");
  if (header.version != TokenFileVersion)
    return badInput(fmt::format("{}: is a token file of version {}; must be {}, make it again with ftc data", fileName,
                                header.version, TokenFileVersion));
  if (header.flags > 7 || header.split > 2 || !std::isfinite(header.valSetSize))
    return damaged(fileName, fmt::format("flags {}, split {}, val_set_size {} are not of version {}", header.flags,
                                         header.split, header.valSetSize, TokenFileVersion));
  if (header.sequenceLen > MaxSequenceLen || header.vocabSize == 0 || header.vocabSize > MaxVocabSize)
    return damaged(fileName, fmt::format("sequence_len is {}, vocab_size {}; at most {} each", header.sequenceLen,
                                         header.vocabSize, MaxSequenceLen));
  if (header.rows == 0 || header.rows > MaxRows || header.documents > header.rows * header.sequenceLen)
    return damaged(fileName, fmt::format("has {} rows and {} documents", header.rows, header.documents));
  return {};
}

std::vector<std::byte> TokenFile::sealed(std::vector<std::byte> bytes) {
  TokenFile file;
  file.image = std::make_shared<const std::vector<std::byte>>(bytes);
  if (uint64_t found = 0; file.parse(&found).ok())
    std::memcpy(bytes.data() + offsetof(TokenFileHeader, checksum), &found, sizeof found);
  return bytes;
}

Status TokenFile::parse(uint64_t *checksum) {
  TokenFileHeader header;
  FT_RETURN_IF_ERROR(parseHeader(header));
  RowShape &shape = fileIdentity.shape;
  shape = {header.sequenceLen, header.maxDocumentLen, header.maxDocumentsPerRow, (header.flags & 1) != 0};
  if (Status status = shape.check(); !status.ok())
    return damaged(fileName, status.message());
  fileIdentity.vocabSize = header.vocabSize;
  fileIdentity.seed = header.seed;
  fileIdentity.trainOnPrompt = header.flags & 2;
  fileIdentity.split = Split(header.split);
  fileIdentity.valSetSize = header.valSetSize;
  std::memcpy(fileIdentity.tokenizer.data(), header.tokenizer, 32);
  std::memcpy(fileIdentity.promptTemplate.data(), header.promptTemplate, 32);
  std::memcpy(fileIdentity.data.data(), header.data, 32);
  packing = {header.samples,
             header.truncated,
             header.dropped,
             header.endTrained,
             header.tokenCount,
             header.targets,
             {},
             (header.flags & 4) != 0,
             {}};
  std::copy(std::begin(header.droppedPlaces), std::end(header.droppedPlaces), packing.droppedPlaces.begin());
  rowCount = header.rows;
  documentCount = header.documents;

  const TokenFileSections at(rowCount, documentCount, shape.sequenceLen, header.reportBytes);
  if (bytes().size() != at.end)
    return damaged(fileName, fmt::format("has {} bytes; {} rows and {} documents take {}", bytes().size(), rowCount,
                                         documentCount, at.end));
  const std::byte *base = bytes().data();
  tokens = reinterpret_cast<const uint32_t *>(base + at.tokens);
  sortedPositions = reinterpret_cast<const uint32_t *>(base + at.sortedPositions);
  rowDocuments = reinterpret_cast<const uint64_t *>(base + at.rowDocuments);
  documentLens = reinterpret_cast<const uint32_t *>(base + at.documentLens);
  rowTargets = reinterpret_cast<const uint32_t *>(base + at.rowTargets);
  targetMask = reinterpret_cast<const uint8_t *>(base + at.targetMask);

  auto sources = readSources({reinterpret_cast<const char *>(base + at.report), header.reportBytes});
  if (!sources)
    return damaged(fileName, sources.status().message());
  packing.sources = std::move(*sources);
  if (rowDocuments[0] != 0 || rowDocuments[rowCount] != documentCount)
    return damaged(fileName, "the document table does not start at 0 and end at the number of documents");
  const std::span<const std::byte> report = bytes().subspan(at.report, header.reportBytes);
  std::atomic<uint64_t> sum = headerChecksum(header, report);
  FT_RETURN_IF_ERROR(checkRows(sum));
  if (checksum)
    *checksum = sum;
  else if (sum != header.checksum)
    return damaged(
        fileName, fmt::format("its checksum is {:016x}; was {:016x} when it was written", sum.load(), header.checksum));
  return {};
}

Status TokenFile::checkRows(std::atomic<uint64_t> &checksum) {
  constexpr uint64_t block = 256;
  std::atomic<uint64_t> usedTokens = 0, targets = 0;
  FT_RETURN_IF_ERROR(parallelUntilFailure((rowCount + block - 1) / block, [&](uint64_t item) -> Status {
    const uint64_t first = item * block, end = std::min(first + block, rowCount);
    for (uint64_t index = first; index < end; ++index) {
      FT_RETURN_IF_ERROR(checkRow(index));
      const TokenRow view = row(index);
      for (uint32_t length : view.documentLens)
        usedTokens += length;
      targets += view.targets;
      checksum += rowChecksum(index, view);
    }
    release(first, end - first);
    return {};
  }));
  if (usedTokens != packing.tokens || targets != packing.targets)
    return damaged(fileName, fmt::format("says {} tokens and {} targets, holds {} and {}", packing.tokens,
                                         packing.targets, usedTokens.load(), targets.load()));
  return {};
}

/// A file may be larger than memory: what has been checked comes back when it is trained on.
void TokenFile::release(uint64_t firstRow, uint64_t count) const {
  const uint64_t length = fileIdentity.shape.sequenceLen;
  if (!mapping)
    return;
  for (const uint32_t *section : {tokens, sortedPositions})
    mapping->release(std::as_bytes(std::span(section + firstRow * length, count * length)));
}

Status TokenFile::checkRow(uint64_t index) const {
  const RowShape &shape = fileIdentity.shape;
  auto wrong = [&](const std::string &what) { return damaged(fileName, fmt::format("row {}: {}", index, what)); };
  const uint64_t first = rowDocuments[index], end = rowDocuments[index + 1];
  // Monotonic up to here and bounded by the last entry, which is checked before.
  if (end <= first || end > documentCount || end - first > shape.maxDocumentsPerRow)
    return wrong(
        fmt::format("documents {} to {} of {}; must be 1 to {}", first, end, documentCount, shape.maxDocumentsPerRow));
  const TokenRow view = row(index);
  uint32_t targets = 0, used = 0;
  for (uint32_t length : view.documentLens) {
    if (length == 0 || length > shape.maxDocumentLen || length > shape.sequenceLen - used)
      return wrong(fmt::format("a document of {} tokens at position {}; at most {}, inside {}", length, used,
                               shape.maxDocumentLen, shape.sequenceLen));
    used += length;
    for (uint32_t t = used - length; t + 1 < used; ++t)
      targets += view.isTarget(t);
  }
  if (!shape.coverable(uint32_t(view.documentLens.size()), view.documentLens.back(), used))
    return wrong("its padding does not fit into max_documents_per_row");
  uint32_t bits = 0;
  for (uint8_t byte : view.targetMask)
    bits += uint32_t(std::popcount(byte));
  if (bits != targets || targets != view.targets || targets == 0)
    return wrong(fmt::format("{} targets, {} of them inside documents, {} counted; must be equal and above 0", bits,
                             targets, view.targets));
  for (uint32_t t = 0; t < shape.sequenceLen; ++t)
    if (view.tokens[t] >= fileIdentity.vocabSize)
      return wrong(fmt::format("token {} at position {}; must be below vocab_size {}", view.tokens[t], t,
                               fileIdentity.vocabSize));
  // Strictly ascending (token, position) over sequenceLen entries in range: a sorted permutation.
  for (uint32_t i = 0; i < shape.sequenceLen; ++i) {
    const uint32_t position = view.sortedPositions[i], before = i ? view.sortedPositions[i - 1] : 0;
    if (position >= shape.sequenceLen)
      return wrong(fmt::format("sorted position {}; must be below {}", position, shape.sequenceLen));
    if (i && (view.tokens[before] > view.tokens[position] ||
              (view.tokens[before] == view.tokens[position] && before >= position)))
      return wrong(fmt::format("positions {} and {} are not sorted by token", before, position));
  }
  return {};
}

TokenRow TokenFile::row(uint64_t index) const {
  const uint64_t length = fileIdentity.shape.sequenceLen, maskBytes = (length + 7) / 8;
  TokenRow view;
  view.tokens = {tokens + index * length, length};
  view.sortedPositions = {sortedPositions + index * length, length};
  view.documentLens = {documentLens + rowDocuments[index], rowDocuments[index + 1] - rowDocuments[index]};
  view.targetMask = {targetMask + index * maskBytes, maskBytes};
  view.targets = rowTargets[index];
  return view;
}

} // namespace ft::rt
