#include "runtime/Text/EncodeSamples.h"

#include "runtime/Support/Checksum.h"
#include "runtime/Support/Parallel.h"
#include "runtime/Text/DataSources.h"
#include "runtime/Text/SampleBatches.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <numeric>

namespace ft::rt {

namespace {
/// What of the data is refused: samples that cannot be trained, but for those that hold nothing (`empty`).
Status checkDropped(std::span<const SampleSource> sources, const PackingStats &stats, uint64_t empty, size_t left,
                    uint32_t maxDocumentLen) {
  if (left > 0 && (stats.dropped - empty) * 100 <= stats.samples)
    return {};
  std::string places;
  for (uint64_t i = 0; i < std::min<uint64_t>(stats.dropped, 3); ++i)
    places += (i ? ", " : "; the first at ") + placeName(stats.lines, stats.droppedPlaces[i]);
  uint64_t tooLong = 0;
  for (const SourceStats &source : stats.sources)
    tooLong += source.tooLong;
  return badInput(
      fmt::format("{}: {} of {} samples have no target: of {} the prompt alone fills max_document_len {}, of "
                  "{} no turn is trained, {} are empty{}; at most 1 % that are not empty may, and one must "
                  "be left: raise max_document_len, or take them out",
                  nameOf(sources), stats.dropped, stats.samples, tooLong, maxDocumentLen,
                  stats.dropped - tooLong - empty, empty, places));
}

Status checkIds(const Document &document, const TokenFileIdentity &identity, const TextCodec &codec) {
  for (uint32_t id : document.ids)
    if (id >= identity.vocabSize)
      return badInput(fmt::format("token {} of {}; must be below the model's vocab_size {}: the tokenizer does not "
                                  "belong to this model",
                                  id, codec.tokenizer().source(), identity.vocabSize));
  return {};
}

/// A sample as documents, with what is counted in the data's order.
struct EncodedSample {
  struct Part {
    Document document;
    uint64_t targets, digest; ///< digest: of the ids
  };
  std::vector<Part> parts; ///< those that are trained
  bool truncated = false;
  bool empty = false; ///< no text, or no message
  std::string unread; ///< see Sample
};

/// What goes through all cores.
struct Work {
  SampleBatch batch;
  std::vector<EncodedSample> samples; ///< one for each item
};

uint64_t digestOf(const Document &document) {
  Checksum sum;
  sum.update(std::as_bytes(std::span(document.ids)));
  return sum.value();
}

class Encoder {
public:
  Encoder(std::span<const SampleSource> sources, const TokenFileIdentity &identity, const TextCodec &codec)
      : sources(sources), identity(identity), codec(codec) {}

  Status encode(Work &work, Tokenizer::Scratch &scratch) const {
    for (const SampleBatch::Item &item : work.batch.items)
      FT_RETURN_IF_ERROR(encode(sources[item.source], item.record, scratch, work.samples.emplace_back()));
    return {};
  }

private:
  Status encode(const SampleSource &source, const Record &record, Tokenizer::Scratch &scratch,
                EncodedSample &out) const {
    FT_ASSIGN_OR_RETURN(Sample sample, source.sample(record));
    out.unread = std::move(sample.unread);
    out.empty = sample.form == Sample::Form::Document ? sample.output.empty()
                                                      : sample.form == Sample::Form::Chat && sample.messages.empty();
    if (out.empty)
      return {};
    std::vector<Document> documents;
    Status status = codec.encode(sample, identity.shape.maxDocumentLen, scratch, documents);
    for (Document &document : documents) {
      out.truncated |= document.truncated && sample.form != Sample::Form::Document;
      uint64_t targets = 0;
      for (const IdSpan &span : document.targets(identity.trainOnPrompt))
        targets += span.end - span.begin;
      if (targets == 0)
        continue;
      if (status.ok())
        status = checkIds(document, identity, codec);
      const uint64_t digest = digestOf(document);
      out.parts.push_back({std::move(document), targets, digest});
    }
    return status.ok() ? status
                       : badInput(fmt::format("{}: {}: {}", source.path(), placeName(source.lines(), record.place),
                                              status.message()));
  }

  std::span<const SampleSource> sources;
  const TokenFileIdentity &identity;
  const TextCodec &codec;
};

/// Counts, source by source, what became of the samples, and keeps the documents that are trained. Sees all of them in
/// the data's order.
class Counting {
public:
  Counting(std::span<const SampleSource> sources, EncodedData &data, WorkProgress *progress)
      : sources(sources), data(data), progress(progress) {
    data.stats.lines = sources[0].lines();
    for (const SampleSource &source : sources) {
      data.stats.sources.emplace_back().name = std::filesystem::path(source.path()).filename().string();
      total += source.text().size();
    }
  }

  Status add(const Work &work) {
    for (size_t i = 0; i < work.samples.size(); ++i)
      FT_RETURN_IF_ERROR(add(work.batch.items[i], work.samples[i]));
    if (progress)
      progress->at("tokenising", before + size_t(read - sources[current].text().data()), total);
    return {};
  }
  void finish() {
    if (progress)
      progress->at("tokenising", total, total);
    countDuplicates();
  }

  uint64_t empty() const { return emptySamples; }

private:
  Status add(const SampleBatch::Item &item, const EncodedSample &sample) {
    SourceStats &source = data.stats.sources[item.source];
    for (const EncodedSample::Part &part : sample.parts) {
      ++source.documents;
      source.tokens += part.document.ids.size();
      source.endTrained += !part.document.truncated;
      source.targets += part.targets;
      digests.push_back(part.digest);
      FT_RETURN_IF_ERROR(data.documents.append(part.document));
    }
    if (source.samples == 0)
      source.unread = sample.unread;
    ++source.samples;
    ++data.stats.samples;
    source.truncated += sample.truncated;
    data.stats.truncated += sample.truncated;
    release(item);
    if (!sample.parts.empty())
      return {};
    ++(sample.truncated ? source.tooLong : source.untrained);
    emptySamples += sample.empty;
    if (data.stats.dropped < data.stats.droppedPlaces.size())
      data.stats.droppedPlaces[data.stats.dropped] = item.record.place;
    ++data.stats.dropped;
    return {};
  }

  /// Of equal documents all but the first are duplicates.
  void countDuplicates() {
    std::vector<uint32_t> order(digests.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return digests[a] != digests[b] ? digests[a] < digests[b] : a < b; });
    std::vector<uint64_t> ends; ///< by source: documents up to its last
    for (const SourceStats &source : data.stats.sources)
      ends.push_back((ends.empty() ? 0 : ends.back()) + source.documents);
    for (size_t i = 1; i < order.size(); ++i)
      if (digests[order[i]] == digests[order[i - 1]])
        ++data.stats.sources[size_t(std::upper_bound(ends.begin(), ends.end(), order[i]) - ends.begin())].duplicates;
  }

  /// Nobody reads what lies in front of this record again.
  void release(const SampleBatch::Item &item) {
    constexpr ptrdiff_t step = ptrdiff_t(1) << 20;
    for (; current < item.source; ++current) {
      before += sources[current].text().size();
      sources[current].release(sources[current].text());
      read = released = nullptr;
    }
    released = released ? released : sources[current].text().data();
    read = item.record.text.data() + item.record.text.size();
    if (item.record.text.data() - released > step)
      sources[current].release({std::exchange(released, item.record.text.data()), item.record.text.data()});
  }

  std::span<const SampleSource> sources;
  EncodedData &data;
  WorkProgress *progress;
  std::vector<uint64_t> digests; ///< by document
  uint64_t emptySamples = 0;
  uint32_t current = 0; ///< the source that is read
  uint64_t total = 0, before = 0;
  const char *read = nullptr, *released = nullptr; ///< of its text
};
} // namespace

Expected<EncodedData> encodeSamples(std::span<const SampleSource> sources, const TokenFileIdentity &identity,
                                    const TextCodec &codec, const std::string &scratchFolder, WorkProgress *progress) {
  FT_ASSIGN_OR_RETURN(SampleBatches batches, SampleBatches::of(sources, identity));
  FT_ASSIGN_OR_RETURN(EncodedDocuments documents, EncodedDocuments::create(scratchFolder));
  EncodedData data{std::move(documents), {}};
  const Encoder encoder(sources, identity, codec);
  Counting counting(sources, data, progress);
  auto take = [&]() -> Expected<std::optional<Work>> {
    FT_ASSIGN_OR_RETURN(std::optional<SampleBatch> batch, batches.next());
    return batch ? std::optional(Work{std::move(*batch), {}}) : std::nullopt;
  };
  FT_RETURN_IF_ERROR(inOrder<Tokenizer::Scratch>(
      take, [&](Work &work, Tokenizer::Scratch &scratch) { return encoder.encode(work, scratch); },
      [&](const Work &work) { return counting.add(work); }));
  counting.finish();
  FT_RETURN_IF_ERROR(data.documents.finish());
  FT_RETURN_IF_ERROR(
      checkDropped(sources, data.stats, counting.empty(), data.documents.size(), identity.shape.maxDocumentLen));
  return data;
}

} // namespace ft::rt
