#include "runtime/Text/PreparedData.h"

#include "runtime/Support/AtomicFile.h"
#include "runtime/Text/DataRandom.h"
#include "runtime/Text/DataSources.h"
#include "runtime/Text/EncodeSamples.h"
#include "runtime/Text/SyntheticData.h"
#include "runtime/Text/TokenFileWriter.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <numeric>

namespace ft::rt {

namespace {
namespace fs = std::filesystem;
Expected<SyntheticSource> syntheticSource(std::string_view text) {
  if (const std::optional<SyntheticSource> source = SyntheticSource::parse(text))
    return *source;
  return badInput(fmt::format("data \"{}\": must be {}", text, SyntheticSource::form));
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
  const std::string key = fmt::format("2 {} {} {} {} {} {} {} {} {} {} {} {}", shape.sequenceLen, shape.maxDocumentLen,
                                      shape.maxDocumentsPerRow, shape.packing, identity.vocabSize, identity.seed,
                                      identity.trainOnPrompt, uint32_t(identity.split), identity.valSetSize,
                                      toHex(identity.tokenizer), toHex(identity.promptTemplate), toHex(identity.data));
  return toHex(sha256(key)).substr(0, 32) + ".tokens";
}

/// The data tokenised, and which document goes into which row.
struct Packed {
  EncodedData encoded;
  PackedRows rows;
};

Expected<Packed> pack(const DataRequest &request, const std::vector<std::string> &paths,
                      const TokenFileIdentity &identity, const TextCodec &codec, const std::string &scratchFolder) {
  std::vector<SampleSource> sources;
  sources.reserve(paths.size());
  for (const std::string &path : paths) {
    FT_ASSIGN_OR_RETURN(SampleSource source, SampleSource::open(path, request.columns));
    sources.push_back(std::move(source));
  }
  if (digestOf(sources, request.columns) != identity.data)
    return badInput(fmt::format("{}: changed while it was read; try again", nameOf(paths)));
  FT_ASSIGN_OR_RETURN(EncodedData encoded, encodeSamples(sources, identity, codec, scratchFolder, request.progress));
  std::vector<uint32_t> order(encoded.documents.size());
  std::iota(order.begin(), order.end(), 0u);
  DataRandom(identity.seed, "order").shuffle(std::span(order));
  PackedRows rows = packRows(identity.shape, encoded.documents.lengths(), order);
  return Packed{std::move(encoded), std::move(rows)};
}

/// `file` is an AtomicFile or a ScratchFile.
template <typename File>
Status writeRows(const Packed &packed, const TokenFileIdentity &identity, WorkProgress *progress, File &file) {
  TokenFileEnds ends;
  ends.read = [&](uint32_t index, Document &out) { return packed.encoded.documents.read(index, out); };
  ends.write = [&](uint64_t offset, std::span<const std::byte> bytes) { return file.writeAt(offset, bytes); };
  return writeTokenFile(identity, packed.encoded.stats, packed.rows, ends, progress);
}

Status writeRowsTo(const std::string &path, const Packed &packed, const TokenFileIdentity &identity,
                   WorkProgress *progress) {
  if (path.empty())
    return failed("neither XDG_CACHE_HOME nor HOME names a folder that can be written");
  FT_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  FT_RETURN_IF_ERROR(writeRows(packed, identity, progress, file));
  return file.commit();
}

/// Compared field by field: a file that the user named is never made again behind their back.
Expected<PreparedData> openNamed(const DataRequest &request, const std::string &path, TokenFileIdentity wanted) {
  FT_ASSIGN_OR_RETURN(TokenFile file, TokenFile::open(path));
  PreparedData result;
  if (const auto data = findDataFiles(request.comparedSources, request.baseFolder)) {
    FT_ASSIGN_OR_RETURN(wanted.data, digestOf(data->paths, request.columns));
  } else {
    wanted.data = file.identity().data;
    result.notes.push_back(fmt::format("{}: not compared with the data it was made from, \"{}\" is not here", path,
                                       fmt::join(request.comparedSources, ", ")));
  }
  if (const std::string difference = file.identity().difference(path, wanted); !difference.empty())
    return badInput(fmt::format("{}; make the file again with ftc data, or leave out --data", difference));
  result.file = std::make_shared<const TokenFile>(std::move(file));
  return result;
}

Expected<PreparedData> makeOrReuse(const DataRequest &request, const DataFiles &files,
                                   const TokenFileIdentity &identity, const TextCodec &codec) {
  PreparedData result;
  result.notes = files.notes;
  const std::string path = nameOf(files.paths);
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
  std::error_code none;
  const std::string scratch = target.empty() ? fs::temp_directory_path(none).string() : folderOf(target);
  FT_ASSIGN_OR_RETURN(const Packed packed, pack(request, files.paths, identity, codec, scratch));
  Status written = writeRowsTo(target, packed, identity, request.progress);
  if (!written.ok() && !request.outputFile.empty())
    return written;
  if (!written.ok()) {
    result.notes.push_back(fmt::format("packed data is not kept: {}", written.message()));
    FT_ASSIGN_OR_RETURN(ScratchFile memory, ScratchFile::inMemory());
    FT_RETURN_IF_ERROR(writeRows(packed, identity, request.progress, memory));
    FT_ASSIGN_OR_RETURN(MappedFile mapped, memory.map(path));
    FT_ASSIGN_OR_RETURN(TokenFile file, TokenFile::fromMapping(std::move(mapped), path));
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
  request.columns = columnsOf(run.data_columns());
  return request;
}
} // namespace

bool isSynthetic(std::string_view source) { return source.starts_with(SyntheticSource::prefix); }

bool hasEvaluation(const plan::Run &run) { return run.data_eval_size() > 0 || run.val_set_size() > 0; }

bool DataRequest::synthetic() const { return sources.size() == 1 && isSynthetic(sources[0]); }

DataRequest DataRequest::train(const plan::Run &run, const BatchShape &shape, std::string baseFolder,
                               const std::string &dataArgument) {
  DataRequest request = requestOf(run, shape, std::move(baseFolder));
  request.comparedSources.assign(run.data_train().begin(), run.data_train().end());
  request.sources = dataArgument.empty() ? request.comparedSources : std::vector<std::string>{dataArgument};
  if (run.data_eval().empty() && run.val_set_size() > 0) {
    request.identity.split = Split::Train;
    request.identity.valSetSize = run.val_set_size();
  }
  return request;
}

DataRequest DataRequest::evaluation(const plan::Run &run, const BatchShape &shape, std::string baseFolder,
                                    const std::string &dataArgument) {
  DataRequest request = train(run, shape, std::move(baseFolder), dataArgument);
  const std::vector<std::string> held(run.data_eval().begin(), run.data_eval().end());
  if (held.size() == 1 && isSynthetic(held[0]))
    request.sources = held;
  if (request.synthetic()) {
    request.identity.split = Split::Evaluation;
    request.identity.valSetSize = 0;
  } else if (!run.data_eval().empty()) {
    request.sources = held;
    request.identity.split = Split::Whole;
  } else {
    // A token file of the training part has no held-out samples: they come from the recipe's data.
    if (request.sources.size() == 1 && TokenFile::looksLikeOne(findData(request.sources[0], request.baseFolder)))
      request.sources = request.comparedSources;
    request.identity.split = Split::Evaluation;
  }
  return request;
}

Expected<PreparedData> preparedData(const DataRequest &request, const TextCodec *codec) {
  TokenFileIdentity identity = request.identity;
  FT_RETURN_IF_ERROR(identity.shape.check());
  if (request.synthetic()) {
    FT_ASSIGN_OR_RETURN(const SyntheticSource source, syntheticSource(request.sources[0]));
    FT_ASSIGN_OR_RETURN(TokenFile file, syntheticData(identity, source));
    return PreparedData{std::make_shared<const TokenFile>(std::move(file)), {}};
  }
  if (!codec)
    return badInput(fmt::format("data \"{}\" needs a tokenizer, and the model has none; use --model with a file, or "
                                "--data synthetic:SEED",
                                fmt::join(request.sources, ", ")));
  FT_ASSIGN_OR_RETURN(const DataFiles files, findDataFiles(request.sources, request.baseFolder));
  identity.tokenizer = codec->tokenizer().digest();
  identity.promptTemplate = codec->promptTemplate().digest();
  for (const std::string &path : files.paths)
    if (TokenFile::looksLikeOne(path))
      return files.paths.size() == 1
                 ? openNamed(request, path, identity)
                 : badInput(fmt::format("{}: is a token file beside other data; name it alone", path));
  FT_ASSIGN_OR_RETURN(identity.data, digestOf(files.paths, request.columns));
  return makeOrReuse(request, files, identity, *codec);
}

} // namespace ft::rt
