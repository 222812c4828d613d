// What a user should know of the data before the first step.
#pragma once

#include "runtime/Text/TextCodec.h"
#include "runtime/Text/TokenFile.h"

namespace ft::rt {

struct DataReport {
  std::string file;
  PackingStats stats;
  uint64_t documents = 0, rows = 0;
  uint32_t sequenceLen = 0;
  bool packing = true;
  std::vector<uint64_t> lengths; ///< [i]: documents of 2^i to 2^(i + 1) − 1 tokens
  std::string sample; ///< one decoded sample; what is not trained stands between ⟦ and ⟧. Empty without a tokenizer

  double targetShare() const { return double(stats.targets) / double(stats.tokens); }
  /// Share of the rows' tokens that are no padding.
  double efficiency() const { return double(stats.tokens) / (double(rows) * sequenceLen); }
  double documentsPerRow() const { return double(documents) / double(rows); }
};

/// `tokenizer` may be null: then no sample is decoded.
DataReport dataReport(const TokenFile &file, const Tokenizer *tokenizer);

/// A few lines, each ending with a newline; `title` is "training data", "held-out data".
std::string formatReport(const DataReport &report, std::string_view title);

/// A document of a row, decoded, with what is no target between ⟦ and ⟧.
std::string markedText(const TokenRow &row, uint32_t document, const Tokenizer &tokenizer);

} // namespace ft::rt
