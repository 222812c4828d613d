#include "runtime/Text/SampleBatches.h"

#include "runtime/Text/DataRandom.h"
#include "runtime/Text/DataSources.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <numeric>

namespace ft::rt {

Expected<SampleBatches> SampleBatches::of(std::span<const SampleSource> sources, const TokenFileIdentity &identity) {
  SampleBatches result(sources);
  if (identity.split != Split::Whole)
    FT_RETURN_IF_ERROR(result.choose(identity));
  return result;
}

Status SampleBatches::choose(const TokenFileIdentity &identity) {
  uint64_t count = 0;
  for (const SampleSource &counted : sources) {
    SampleSource::Reader records(counted);
    const char *released = counted.text().data();
    constexpr ptrdiff_t step = ptrdiff_t(16) << 20;
    for (Record record;; ++count) {
      FT_ASSIGN_OR_RETURN(const bool more, records.next(record));
      if (!more)
        break;
      if (record.text.data() - released > step)
        counted.release({std::exchange(released, record.text.data()), record.text.data()});
    }
    counted.release(counted.text());
  }
  const double wanted = identity.valSetSize < 1 ? std::ceil(identity.valSetSize * double(count)) : identity.valSetSize;
  const auto heldOut = size_t(std::min(wanted, double(count)));
  const bool evaluation = identity.split == Split::Evaluation;
  if ((evaluation ? heldOut : count - heldOut) == 0)
    return badInput(
        fmt::format("{}: val_set_size {} holds out {} of {} samples; none is left to train on: add samples, "
                    "or name held-out ones in data.eval",
                    nameOf(sources), identity.valSetSize, heldOut, count));
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  DataRandom(identity.seed, "split").shuffle(std::span(order));
  chosen.assign(count, !evaluation);
  for (size_t i = 0; i < heldOut; ++i)
    chosen[order[i]] = evaluation;
  return {};
}

Expected<bool> SampleBatches::nextItem(SampleBatch::Item &item) {
  while (source < sources.size()) {
    if (!reader)
      reader.emplace(sources[source]);
    FT_ASSIGN_OR_RETURN(const bool more, reader->next(item.record));
    if (!more) {
      reader.reset();
      ++source;
      continue;
    }
    item.source = source;
    if (chosen.empty() || chosen[index++])
      return true;
  }
  return false;
}

Expected<std::optional<SampleBatch>> SampleBatches::next() {
  // Enough to pay for handing it over, and few enough for all cores to end at about the same time.
  constexpr size_t mostItems = 256, mostBytes = size_t(128) << 10;
  SampleBatch batch;
  for (size_t bytes = 0; batch.items.size() < mostItems && bytes < mostBytes;) {
    SampleBatch::Item item;
    FT_ASSIGN_OR_RETURN(const bool more, nextItem(item));
    if (!more)
      break;
    bytes += item.record.text.size();
    batch.items.push_back(item);
  }
  if (batch.items.empty())
    return std::optional<SampleBatch>();
  return std::optional(std::move(batch));
}

} // namespace ft::rt
