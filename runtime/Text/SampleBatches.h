// A split's samples, found one after the other.
#pragma once

#include "runtime/Text/Samples.h"
#include "runtime/Text/TokenFile.h"

#include <optional>

namespace ft::rt {

/// Some of them, in the data's order; about as much work as any other batch.
struct SampleBatch {
  struct Item {
    uint32_t source;
    Record record;
  };
  std::vector<Item> items;
};

/// The samples of a split: a seeded shuffle of those of all sources decides, the data's order is kept.
class SampleBatches {
public:
  /// Where the split is not the whole, counts the samples first, and refuses one that has none.
  static Expected<SampleBatches> of(std::span<const SampleSource> sources, const TokenFileIdentity &identity);

  /// Nothing behind the last.
  Expected<std::optional<SampleBatch>> next();

private:
  SampleBatches(std::span<const SampleSource> sources) : sources(sources) {}
  Expected<bool> nextItem(SampleBatch::Item &item);
  Status choose(const TokenFileIdentity &identity);

  std::span<const SampleSource> sources;
  std::optional<SampleSource::Reader> reader;
  uint32_t source = 0;      ///< that `reader` reads
  uint64_t index = 0;       ///< of the next sample, of all sources
  std::vector<bool> chosen; ///< by sample; empty: all are
};

} // namespace ft::rt
