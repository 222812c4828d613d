// Samples to token ids, on all cores.

#include "runtime/Text/DataRandom.h"
#include "runtime/Text/PreparedData.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include <mutex>
#include <numeric>
#include <set>
#include <system_error>
#include <thread>

namespace ft::rt {

namespace {
struct Chosen {
  const SampleFile *file;
  const Sample *sample;
};

/// The samples of a split: a seeded shuffle of those of all files decides, the data's order is kept.
std::vector<Chosen> samplesOf(std::span<const SampleFile> files, const TokenFileIdentity &identity) {
  std::vector<Chosen> all, chosen;
  for (const SampleFile &file : files)
    for (const Sample &sample : file.samples)
      all.push_back({&file, &sample});
  if (identity.split == Split::Whole)
    return all;
  const size_t count = all.size();
  const double wanted = identity.valSetSize < 1 ? std::ceil(identity.valSetSize * double(count)) : identity.valSetSize;
  const auto heldOut = size_t(std::min(wanted, double(count)));
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  DataRandom(identity.seed, "split").shuffle(std::span(order));
  std::vector<bool> evaluation(count);
  for (size_t i = 0; i < heldOut; ++i)
    evaluation[order[i]] = true;
  for (size_t i = 0; i < count; ++i)
    if (evaluation[i] == (identity.split == Split::Evaluation))
      chosen.push_back(all[i]);
  return chosen;
}

/// The file, or the first of several.
std::string nameOf(std::span<const SampleFile> files) {
  return files.size() == 1 ? files[0].path : fmt::format("{} and {} more", files[0].path, files.size() - 1);
}

size_t sampleCount(std::span<const SampleFile> files) {
  size_t count = 0;
  for (const SampleFile &file : files)
    count += file.samples.size();
  return count;
}

Status checkDropped(std::span<const SampleFile> files, const PackingStats &stats, size_t left,
                    uint32_t maxDocumentLen) {
  if (left > 0 && stats.dropped * 100 <= stats.samples)
    return {};
  std::string places;
  for (uint64_t i = 0; i < std::min<uint64_t>(stats.dropped, 3); ++i)
    places += (i ? ", " : "; the first at ") + placeName(stats.lines, stats.droppedPlaces[i]);
  return badInput(fmt::format("{}: {} of {} samples have no target, because their prompt alone fills max_document_len "
                              "{}, or no turn is trained{}; at most 1 % may, and one must be left: raise "
                              "max_document_len, or shorten them",
                              nameOf(files), stats.dropped, stats.samples, maxDocumentLen, places));
}

/// Calls `work(i)` for each i below `count` on as many threads as there are processors, until one fails; the Status of
/// the first that did, in order of i. A thread that the machine does not give is done without.
template <typename Work> Status forEachOnAllCores(size_t count, Work work) {
  std::atomic<size_t> next = 0, firstFailed = count;
  std::mutex mutex;
  Status failure;
  auto run = [&] {
    Tokenizer::Scratch scratch;
    for (size_t i = next++; i < firstFailed; i = next++)
      if (Status status = work(i, scratch); !status.ok()) {
        std::lock_guard lock(mutex);
        if (i < firstFailed) {
          firstFailed = i;
          failure = std::move(status);
        }
      }
  };
  std::vector<std::thread> threads;
  try {
    for (size_t i = 1; i < std::min<size_t>(std::thread::hardware_concurrency(), count / 64); ++i)
      threads.emplace_back(run);
  } catch (const std::system_error &) {
  }
  run();
  for (std::thread &thread : threads)
    thread.join();
  return failure;
}

/// Counts, file by file, what became of the samples, and keeps the documents that are trained.
class Counting {
public:
  Counting(std::span<const SampleFile> files, const TokenFileIdentity &identity, EncodedData &data)
      : files(files), identity(identity), data(data) {
    data.stats.lines = files[0].lines;
    for (const SampleFile &file : files)
      data.stats.sources.push_back({std::filesystem::path(file.path).filename().string()});
  }

  void add(const Chosen &chosen, std::vector<Document> &documents) {
    SourceStats &source = data.stats.sources[size_t(chosen.file - files.data())];
    const bool pieces = chosen.sample->form == Sample::Form::Document;
    bool kept = false, truncated = false;
    for (Document &document : documents) {
      truncated |= document.truncated && !pieces;
      const std::vector<IdSpan> targets = document.targets(identity.trainOnPrompt);
      if (targets.empty())
        continue;
      kept = true;
      ++source.documents;
      source.tokens += document.ids.size();
      source.endTrained += !document.truncated;
      for (const IdSpan &span : targets)
        source.targets += span.end - span.begin;
      const std::string_view bytes(reinterpret_cast<const char *>(document.ids.data()), document.ids.size() * 4);
      source.duplicates += !seen.insert(sha256(bytes)).second;
      data.documents.push_back(std::move(document));
    }
    ++source.samples;
    source.truncated += truncated;
    data.stats.truncated += truncated;
    if (kept)
      return;
    ++(truncated ? source.tooLong : source.untrained);
    if (data.stats.dropped < data.stats.droppedPlaces.size())
      data.stats.droppedPlaces[data.stats.dropped] = chosen.sample->place;
    ++data.stats.dropped;
  }

private:
  std::span<const SampleFile> files;
  const TokenFileIdentity &identity;
  EncodedData &data;
  std::set<Sha256Digest> seen;
};

Status checkIds(const Document &document, const TokenFileIdentity &identity, const TextCodec &codec) {
  for (uint32_t id : document.ids)
    if (id >= identity.vocabSize)
      return badInput(fmt::format("token {} of {}; must be below the model's vocab_size {}: the tokenizer does not "
                                  "belong to this model",
                                  id, codec.tokenizer().source(), identity.vocabSize));
  return {};
}

} // namespace

Expected<EncodedData> encodeSamples(std::span<const SampleFile> files, const TokenFileIdentity &identity,
                                    const TextCodec &codec) {
  const std::vector<Chosen> chosen = samplesOf(files, identity);
  if (chosen.empty())
    return badInput(
        fmt::format("{}: val_set_size {} holds out {} of {} samples; none is left to train on: add samples, "
                    "or name held-out ones in data.eval",
                    nameOf(files), identity.valSetSize, sampleCount(files), sampleCount(files)));
  std::vector<std::vector<Document>> documents(chosen.size());
  FT_RETURN_IF_ERROR(forEachOnAllCores(chosen.size(), [&](size_t i, Tokenizer::Scratch &scratch) -> Status {
    const auto &[file, sample] = chosen[i];
    Status status = codec.encode(*sample, identity.shape.maxDocumentLen, scratch, documents[i]);
    for (const Document &document : documents[i])
      if (status.ok() && !document.targets(identity.trainOnPrompt).empty())
        status = checkIds(document, identity, codec);
    return status.ok() ? status
                       : badInput(fmt::format("{}: {}: {}", file->path, placeName(file->lines, sample->place),
                                              status.message()));
  }));
  EncodedData result;
  result.stats.samples = chosen.size();
  Counting counting(files, identity, result);
  for (size_t i = 0; i < chosen.size(); ++i)
    counting.add(chosen[i], documents[i]);
  FT_RETURN_IF_ERROR(checkDropped(files, result.stats, result.documents.size(), identity.shape.maxDocumentLen));
  return result;
}

} // namespace ft::rt
