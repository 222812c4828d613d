#include "runtime/Text/SyntheticData.h"

#include "runtime/Text/DataRandom.h"
#include "runtime/Text/TextCodec.h"

#include <algorithm>

namespace ft::rt {

Expected<TokenFile> syntheticData(TokenFileIdentity identity, const SyntheticSource &source) {
  const RowShape &shape = identity.shape;
  FT_RETURN_IF_ERROR(shape.check());
  if (shape.maxDocumentLen < 2)
    return badInput("synthetic data needs max_document_len of at least 2: a document of one token has no target");
  const std::string name = source.text();
  DataRandom random(source.seed, identity.split == Split::Evaluation ? "synthetic/evaluation" : "synthetic/train");
  const uint64_t rowCount = std::clamp<uint64_t>((1u << 20) / shape.sequenceLen, 16, 256);
  std::vector<Document> documents;
  PackedRows rows;
  while (rows.size() < rowCount) {
    std::vector<uint32_t> row;
    const uint32_t shortest = std::min(32u, shape.maxDocumentLen);
    uint32_t left = shape.packing ? shape.sequenceLen : shortest + random.below(shape.maxDocumentLen - shortest + 1);
    while (left > 0) {
      Document document;
      document.ids.resize(std::min(left, shape.maxDocumentLen));
      for (uint32_t &id : document.ids)
        id = random.below(identity.vocabSize);
      const uint32_t spread = source.maskedTo - source.maskedFrom;
      const uint64_t masked = source.maskedFrom + (spread > 0 ? random.below(spread + 1) : 0);
      document.prompt = std::max(1u, uint32_t(document.ids.size() * masked / 100));
      document.truncated = true; // no end of turn
      left -= uint32_t(document.ids.size());
      row.push_back(uint32_t(documents.size()));
      documents.push_back(std::move(document));
    }
    rows.add(row);
  }
  identity.data = sha256(name);
  identity.tokenizer = identity.promptTemplate = {};
  PackingStats stats;
  stats.samples = documents.size();
  return TokenFile::fromImage(buildTokenFile(identity, stats, documents, rows), name);
}

} // namespace ft::rt
