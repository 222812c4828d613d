#include "runtime/Text/PreparedData.h"

#include "runtime/Support/AtomicFile.h"
#include "runtime/Text/DataRandom.h"
#include "runtime/Text/SyntheticData.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <numeric>

namespace ft::rt {

namespace {
namespace fs = std::filesystem;
constexpr std::string_view SyntheticPrefix = "synthetic:";

Expected<uint64_t> syntheticSeed(std::string_view source) {
  const std::string_view digits = source.substr(SyntheticPrefix.size());
  uint64_t seed = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), seed);
  if (error != std::errc() || end != digits.data() + digits.size())
    return badInput(fmt::format("data \"{}\": the seed must be an integer in [0, 2^64), as in synthetic:1", source));
  return seed;
}

std::vector<std::string> placesOf(const std::string &source, const std::string &baseFolder) {
  std::vector<std::string> places;
  if (!fs::path(source).is_absolute())
    places.push_back((fs::path(baseFolder.empty() ? "." : baseFolder) / source).lexically_normal().string());
  const std::string plain = fs::path(source).lexically_normal().string();
  if (places.empty() || places[0] != plain)
    places.push_back(plain);
  return places;
}

/// The first place where the file is; empty where it is nowhere.
std::string findFile(const std::string &source, const std::string &baseFolder) {
  std::error_code ignored;
  for (const std::string &place : placesOf(source, baseFolder))
    if (!source.empty() && fs::exists(place, ignored))
      return place;
  return "";
}

Expected<std::string> resolve(const std::string &source, const std::string &baseFolder) {
  if (source.empty())
    return badInput("the plan names no data; name a file with --data, or --data synthetic:SEED for measurements");
  if (std::string found = findFile(source, baseFolder); !found.empty())
    return found;
  return badInput(
      fmt::format("data file \"{}\" not found; tried {}", source, fmt::join(placesOf(source, baseFolder), ", ")));
}

/// ${XDG_CACHE_HOME:-~/.cache}/ftc/data, made where it is missing; empty where that fails.
std::string cacheFolder() {
  const char *xdg = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  fs::path folder;
  if (xdg && fs::path(xdg).is_absolute()) // a relative one is to be ignored (XDG base directory specification)
    folder = xdg;
  else if (home && *home)
    folder = fs::path(home) / ".cache";
  else
    return "";
  folder = folder / "ftc" / "data";
  std::error_code error;
  fs::create_directories(folder, error);
  return error ? "" : folder.string();
}

/// The digest of everything that fixes a token file, as its name in the cache.
std::string cacheName(const TokenFileIdentity &identity) {
  const RowShape &shape = identity.shape;
  const std::string key = fmt::format("1 {} {} {} {} {} {} {} {} {} {} {} {}", shape.sequenceLen, shape.maxDocumentLen,
                                      shape.maxDocumentsPerRow, shape.packing, identity.vocabSize, identity.seed,
                                      identity.trainOnPrompt, uint32_t(identity.split), identity.valSetSize,
                                      toHex(identity.tokenizer), toHex(identity.promptTemplate), toHex(identity.data));
  return toHex(sha256(key)).substr(0, 32) + ".tokens";
}

Expected<std::vector<std::byte>> pack(const std::string &path, const TokenFileIdentity &identity,
                                      const TextCodec &codec) {
  FT_ASSIGN_OR_RETURN(const SampleFile samples, readSamples(path));
  if (samples.digest != identity.data)
    return badInput(fmt::format("{}: changed while it was read; try again", path));
  FT_ASSIGN_OR_RETURN(const EncodedData encoded, encodeSamples(samples, identity, codec));
  std::vector<uint32_t> lengths, order(encoded.documents.size());
  for (const Document &document : encoded.documents)
    lengths.push_back(uint32_t(document.ids.size()));
  std::iota(order.begin(), order.end(), 0u);
  DataRandom(identity.seed, "order").shuffle(std::span(order));
  return buildTokenFile(identity, encoded.stats, encoded.documents, packRows(identity.shape, lengths, order));
}

/// Compared field by field: a file that the user named is never made again behind their back.
Expected<PreparedData> openNamed(const DataRequest &request, const std::string &path, TokenFileIdentity wanted) {
  FT_ASSIGN_OR_RETURN(TokenFile file, TokenFile::open(path));
  PreparedData result;
  if (const std::string data = findFile(request.comparedSource, request.baseFolder); !data.empty()) {
    FT_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::open(data));
    wanted.data = sha256(mapped.bytes());
  } else {
    wanted.data = file.identity().data;
    result.notes.push_back(fmt::format("{}: not compared with the data it was made from, \"{}\" is not here", path,
                                       request.comparedSource));
  }
  if (const std::string difference = file.identity().difference(path, wanted); !difference.empty())
    return badInput(fmt::format("{}; make the file again with ftc data, or leave out --data", difference));
  result.file = std::make_shared<const TokenFile>(std::move(file));
  return result;
}

Expected<PreparedData> makeOrReuse(const DataRequest &request, const std::string &path,
                                   const TokenFileIdentity &identity, const TextCodec &codec) {
  PreparedData result;
  const std::string folder = request.outputFile.empty() ? cacheFolder() : "";
  const std::string target = folder.empty() ? request.outputFile : (fs::path(folder) / cacheName(identity)).string();
  std::error_code ignored;
  if (!folder.empty() && fs::exists(target, ignored)) {
    auto cached = TokenFile::open(target);
    if (cached && cached->identity() == identity) {
      result.notes.push_back(fmt::format("{}: packed before, in {}", path, target));
      result.file = std::make_shared<const TokenFile>(std::move(*cached));
      return result;
    }
    result.notes.push_back(fmt::format("{}: does not fit or is damaged, made again", target));
  }
  FT_ASSIGN_OR_RETURN(std::vector<std::byte> image, pack(path, identity, codec));
  Status written = target.empty() ? failed("neither XDG_CACHE_HOME nor HOME names a folder that can be written")
                                  : writeFileAtomically(target, std::span<const std::byte>(image));
  if (!written.ok() && !request.outputFile.empty())
    return written;
  if (!written.ok()) {
    result.notes.push_back(fmt::format("packed data is not kept: {}", written.message()));
    FT_ASSIGN_OR_RETURN(TokenFile file, TokenFile::fromImage(std::move(image), path));
    result.file = std::make_shared<const TokenFile>(std::move(file));
    return result;
  }
  FT_ASSIGN_OR_RETURN(TokenFile file, TokenFile::open(target));
  result.notes.push_back(fmt::format("{}: packed into {}", path, target));
  result.file = std::make_shared<const TokenFile>(std::move(file));
  return result;
}

DataRequest requestOf(const plan::Run &run, const BatchShape &shape, std::string baseFolder) {
  DataRequest request;
  request.baseFolder = std::move(baseFolder);
  request.identity.shape = shape.row;
  request.identity.vocabSize = shape.vocabSize;
  request.identity.seed = run.seed();
  request.identity.trainOnPrompt = run.train_on_prompt();
  return request;
}
} // namespace

bool isSynthetic(std::string_view source) { return source.starts_with(SyntheticPrefix); }

bool hasEvaluation(const plan::Run &run) { return !run.data_eval().empty() || run.val_set_size() > 0; }

DataRequest DataRequest::train(const plan::Run &run, const BatchShape &shape, std::string baseFolder,
                               const std::string &dataArgument) {
  DataRequest request = requestOf(run, shape, std::move(baseFolder));
  request.source = dataArgument.empty() ? run.data_train() : dataArgument;
  request.comparedSource = run.data_train();
  if (run.data_eval().empty() && run.val_set_size() > 0) {
    request.identity.split = Split::Train;
    request.identity.valSetSize = run.val_set_size();
  }
  return request;
}

DataRequest DataRequest::evaluation(const plan::Run &run, const BatchShape &shape, std::string baseFolder,
                                    const std::string &dataArgument) {
  DataRequest request = train(run, shape, std::move(baseFolder), dataArgument);
  if (isSynthetic(run.data_eval()))
    request.source = run.data_eval();
  if (isSynthetic(request.source)) {
    request.identity.split = Split::Evaluation;
    request.identity.valSetSize = 0;
  } else if (!run.data_eval().empty()) {
    request.source = run.data_eval();
    request.identity.split = Split::Whole;
  } else {
    // A token file of the training part has no held-out samples: they come from the recipe's data.
    if (TokenFile::looksLikeOne(findFile(request.source, request.baseFolder)))
      request.source = run.data_train();
    request.identity.split = Split::Evaluation;
  }
  return request;
}

Expected<PreparedData> preparedData(const DataRequest &request, const TextCodec *codec) {
  TokenFileIdentity identity = request.identity;
  FT_RETURN_IF_ERROR(identity.shape.check());
  if (isSynthetic(request.source)) {
    FT_ASSIGN_OR_RETURN(const uint64_t seed, syntheticSeed(request.source));
    FT_ASSIGN_OR_RETURN(TokenFile file, syntheticData(identity, seed));
    return PreparedData{std::make_shared<const TokenFile>(std::move(file)), {}};
  }
  if (!codec)
    return badInput(fmt::format("data \"{}\" needs a tokenizer, and the model has none; use --model with a file, or "
                                "--data synthetic:SEED",
                                request.source));
  FT_ASSIGN_OR_RETURN(const std::string path, resolve(request.source, request.baseFolder));
  identity.tokenizer = codec->tokenizer().digest();
  identity.promptTemplate = codec->promptTemplate().digest();
  if (TokenFile::looksLikeOne(path))
    return openNamed(request, path, identity);
  {
    FT_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::open(path));
    identity.data = sha256(mapped.bytes());
  }
  return makeOrReuse(request, path, identity, *codec);
}

} // namespace ft::rt
