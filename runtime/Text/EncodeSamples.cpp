// Samples to token ids, on all cores.

#include "runtime/Text/DataRandom.h"
#include "runtime/Text/PreparedData.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fmt/format.h>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

namespace ft::rt {

namespace {
/// The samples of a split: a seeded shuffle decides, the data's order is kept.
std::vector<const Sample *> samplesOf(const SampleFile &file, const TokenFileIdentity &identity) {
  const size_t count = file.samples.size();
  std::vector<const Sample *> chosen;
  if (identity.split == Split::Whole) {
    for (const Sample &sample : file.samples)
      chosen.push_back(&sample);
    return chosen;
  }
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
      chosen.push_back(&file.samples[i]);
  return chosen;
}

Status checkDropped(const SampleFile &file, const PackingStats &stats, size_t left, uint32_t maxDocumentLen) {
  if (left > 0 && stats.dropped * 100 <= stats.samples)
    return {};
  std::string places;
  for (uint64_t i = 0; i < std::min<uint64_t>(stats.dropped, 3); ++i)
    places += (i ? ", " : "; the first at ") + placeName(stats.lines, stats.droppedPlaces[i]);
  return badInput(fmt::format("{}: {} of {} samples have no target, because their prompt alone fills max_document_len "
                              "{}{}; at most 1 % may, and one must be left: raise max_document_len, or shorten them",
                              file.path, stats.dropped, stats.samples, maxDocumentLen, places));
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

Status checkIds(const Document &document, const TokenFileIdentity &identity, const TextCodec &codec) {
  for (uint32_t id : document.ids)
    if (id >= identity.vocabSize)
      return badInput(fmt::format("token {} of {}; must be below the model's vocab_size {}: the tokenizer does not "
                                  "belong to this model",
                                  id, codec.tokenizer().source(), identity.vocabSize));
  return {};
}

bool hasTarget(const Document &document, bool trainOnPrompt) {
  return document.ids.size() > (trainOnPrompt ? 1 : std::max(document.prompt, 1u));
}
} // namespace

Expected<EncodedData> encodeSamples(const SampleFile &file, const TokenFileIdentity &identity, const TextCodec &codec) {
  const std::vector<const Sample *> chosen = samplesOf(file, identity);
  if (chosen.empty())
    return badInput(
        fmt::format("{}: val_set_size {} holds out {} of {} samples; none is left to train on: add samples, "
                    "or name held-out ones in data.eval",
                    file.path, identity.valSetSize, file.samples.size(), file.samples.size()));
  std::vector<Document> documents(chosen.size());
  FT_RETURN_IF_ERROR(forEachOnAllCores(chosen.size(), [&](size_t i, Tokenizer::Scratch &scratch) -> Status {
    auto encoded = codec.encodeSample(*chosen[i], identity.shape.maxDocumentLen, scratch);
    Status status = encoded ? Status() : encoded.status();
    if (encoded && hasTarget(*encoded, identity.trainOnPrompt))
      status = checkIds(*encoded, identity, codec);
    if (!status.ok())
      return badInput(fmt::format("{}: {}: {}", file.path, placeName(file.lines, chosen[i]->place), status.message()));
    documents[i] = std::move(*encoded);
    return {};
  }));
  EncodedData result;
  PackingStats &stats = result.stats;
  stats.lines = file.lines;
  stats.samples = chosen.size();
  for (size_t i = 0; i < chosen.size(); ++i) {
    stats.truncated += documents[i].truncated;
    if (hasTarget(documents[i], identity.trainOnPrompt)) {
      result.documents.push_back(std::move(documents[i]));
      continue;
    }
    if (stats.dropped < stats.droppedPlaces.size())
      stats.droppedPlaces[stats.dropped] = chosen[i]->place;
    ++stats.dropped;
  }
  FT_RETURN_IF_ERROR(checkDropped(file, stats, result.documents.size(), identity.shape.maxDocumentLen));
  return result;
}

} // namespace ft::rt
