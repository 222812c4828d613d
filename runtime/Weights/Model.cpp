#include "runtime/Weights/Model.h"

#include "runtime/Support/Strings.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Facts.h"
#include "runtime/Weights/Seeded.h"

#include <charconv>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <set>

namespace ft::rt {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view seededPrefix = "seeded:";

bool isBase(const plan::Tensor &tensor) {
  return tensor.role() == plan::Tensor::FROZEN || tensor.role() == plan::Tensor::TRAINABLE;
}

bool haveSameContent(const TensorView *a, const TensorView *b) {
  return a && b && a->encoding == b->encoding && a->shape == b->shape &&
         std::memcmp(a->bytes.data(), b->bytes.data(), a->bytes.size()) == 0;
}

Expected<uint64_t> parseSeed(std::string_view text) {
  uint64_t seed = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc() || end != text.data() + text.size() || text.empty())
    return badInput(fmt::format("model \"seeded:{}\": the seed must be an integer in 0..2^64-1", text));
  return seed;
}

} // namespace

Status problemsStatus(const std::string &what, const std::vector<std::string> &problems) {
  if (problems.empty())
    return {};
  std::string text =
      fmt::format("{} does not fit the plan: {} problem{}", what, problems.size(), problems.size() == 1 ? "" : "s");
  for (size_t i = 0; i < std::min(shownProblems, problems.size()); ++i)
    text += "\n  " + problems[i];
  if (problems.size() > shownProblems)
    text += fmt::format("\n  and {} more", problems.size() - shownProblems);
  return badInput(std::move(text));
}

std::optional<std::string> shapeOrTypeProblem(const TensorView &view, const plan::Tensor &tensor) {
  std::vector<uint64_t> expected(tensor.shape().begin(), tensor.shape().end());
  if (view.shape != expected)
    return fmt::format("has shape {}; the plan needs {}", shapeText(view.shape), shapeText(expected));
  if (!isConvertible(view.encoding, tensor.dtype()))
    return fmt::format("has type {}, which cannot be stored as {}", encodingName(view.encoding),
                       dtypeName(tensor.dtype()));
  return std::nullopt;
}

Expected<ModelSource> ModelSource::open(const std::string &path) {
  ModelSource source;
  source.sourcePath = path;
  std::error_code ignored;
  if (path.starts_with(seededPrefix)) {
    FT_ASSIGN_OR_RETURN(source.seedValue, parseSeed(std::string_view(path).substr(seededPrefix.size())));
  } else if (!fs::exists(path, ignored)) {
    return badInput(fmt::format("model {}: no such file or folder; give a Hugging Face model folder, a .safetensors "
                                "file, a .gguf file or seeded:SEED",
                                path));
  } else if (path.ends_with(".gguf")) {
    FT_ASSIGN_OR_RETURN(source.ggufFile, GgufFile::open(path));
  } else if (fs::is_directory(path, ignored) || path.ends_with(".safetensors")) {
    FT_ASSIGN_OR_RETURN(source.safetensors, SafetensorsSet::open(path));
  } else {
    return badInput(fmt::format("model {}: the name must end in .safetensors or .gguf, or be a folder", path));
  }
  return source;
}

std::string ModelSource::folder() const {
  if (!safetensors)
    return "";
  std::error_code ignored;
  if (fs::is_directory(sourcePath, ignored))
    return sourcePath;
  std::string parent = fs::path(sourcePath).parent_path().string();
  return parent.empty() ? "." : parent;
}

const std::string &ModelSource::nameOf(const plan::Tensor &tensor) const {
  return ggufFile ? tensor.gguf_key() : tensor.key();
}

std::map<std::string, ModelSource::Found, std::less<>> ModelSource::tensors() const {
  std::map<std::string, Found, std::less<>> found;
  if (ggufFile)
    for (const TensorView &view : ggufFile->tensors())
      found.emplace(view.name, Found{&view, ggufFile->path()});
  if (safetensors)
    for (const auto &[name, entry] : safetensors->tensors())
      found.emplace(name, Found{entry.view, entry.file->path()});
  return found;
}

Status ModelSource::checkFacts(const plan::Plan &plan, std::vector<std::string> &problems) const {
  if (ggufFile) {
    checkGgufFacts(plan, *ggufFile, problems);
  } else if (plan.facts_size() > 0) {
    std::string place = (fs::path(folder()) / "config.json").string();
    FT_ASSIGN_OR_RETURN(Json config, readJsonObject(place));
    checkConfigFacts(plan, config, place, problems);
  }
  return {};
}

Status ModelSource::check(const plan::Plan &plan) const {
  if (isSeeded())
    return {};
  std::vector<std::string> problems;
  FT_RETURN_IF_ERROR(checkFacts(plan, problems));
  auto found = tensors();
  std::vector<std::string> names;
  for (const auto &[name, entry] : found)
    names.push_back(name);

  std::set<std::string, std::less<>> known;
  for (const plan::Tensor &tensor : plan.tensors()) {
    if (!isBase(tensor))
      continue;
    const std::string &name = nameOf(tensor);
    if (name.empty()) {
      problems.push_back(fmt::format("{}: GGUF files do not hold the tensor \"{}\" that the plan needs; give a Hugging "
                                     "Face folder",
                                     sourcePath, tensor.key()));
      continue;
    }
    known.insert(name);
    auto it = found.find(name);
    if (it == found.end())
      problems.push_back(
          fmt::format("{}: tensor \"{}\" {} is missing{}", sourcePath, name, shapeText(spanOf(tensor.shape())),
                      problems.size() < shownProblems ? suggestion(name, std::span<const std::string>(names)) : ""));
    else if (auto problem = shapeOrTypeProblem(*it->second.view, tensor))
      problems.push_back(fmt::format("{}: tensor \"{}\" {}", it->second.file, name, *problem));
  }

  auto viewOf = [&](std::string_view name) {
    auto it = found.find(name);
    return it == found.end() ? nullptr : it->second.view;
  };
  for (const auto &[name, entry] : found) {
    if (known.count(name) || name.ends_with(".rotary_emb.inv_freq"))
      continue;
    bool isHead = name == "lm_head.weight" || name == "output.weight";
    if (isHead && haveSameContent(entry.view, viewOf(ggufFile ? "token_embd.weight" : "model.embed_tokens.weight")))
      continue;
    problems.push_back(fmt::format("{}: tensor \"{}\" {} is not in the plan{}", entry.file, name,
                                   shapeText(entry.view->shape),
                                   isHead ? ": the plan ties the head to the embedding, and the two differ" : ""));
  }
  return problemsStatus(sourcePath, problems);
}

Expected<Producer> ModelSource::producer(const plan::Tensor &tensor) const {
  plan::Init::Kind kind = tensor.init().kind();
  if (isSeeded()) {
    if (kind < plan::Init::ZEROS || kind > plan::Init::UNIFORM || !isConvertible(Encoding::F32, tensor.dtype()))
      return badInput(fmt::format("plan: tensor \"{}\" says no seeded initialisation for {}; give weights with --model",
                                  tensor.key(), dtypeName(tensor.dtype())));
    return Producer([&tensor, kind, seed = seed()](uint64_t first, uint64_t count, std::byte *out) {
      seededElements(kind, tensor.init().scale(), seed, tensor.key(), first, count, tensor.dtype(), out);
    });
  }
  const std::string &name = nameOf(tensor);
  const TensorView *view = nullptr;
  if (ggufFile) {
    view = ggufFile->tensor(name);
  } else if (auto it = safetensors->tensors().find(name); it != safetensors->tensors().end()) {
    view = it->second.view;
  }
  if (!view)
    return badInput(fmt::format("{}: tensor \"{}\" is missing", sourcePath, tensor.key()));
  if (auto problem = shapeOrTypeProblem(*view, tensor))
    return badInput(fmt::format("{}: tensor \"{}\" {}", sourcePath, name, *problem));
  uint32_t heads = ggufFile ? tensor.gguf_rope_heads() : 0;
  uint64_t rows = view->shape.empty() ? 1 : view->shape[0];
  if (heads > 0 && rows % (2 * uint64_t(heads)) != 0)
    return badInput(fmt::format("plan: tensor \"{}\" has {} rows, which {} rope heads do not divide into pairs",
                                tensor.key(), rows, heads));
  return fileProducer(*view, tensor.dtype(), heads);
}

Sha256Digest ModelSource::digest() const {
  Sha256 hash;
  auto addNumber = [&](uint64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); };
  auto addFile = [&](uint64_t size, std::span<const std::byte> header, const std::vector<TensorView> &views) {
    addNumber(size);
    addNumber(header.size());
    hash.update(header);
    for (const TensorView &view : views) {
      size_t edge = std::min<size_t>(64, view.bytes.size());
      hash.update(view.bytes.first(edge));
      hash.update(view.bytes.last(edge));
    }
  };
  if (isSeeded())
    hash.update(fmt::format("{}{}", seededPrefix, seed()));
  if (ggufFile)
    addFile(ggufFile->sizeBytes(), ggufFile->header(), ggufFile->tensors());
  if (safetensors)
    for (const SafetensorsFile &file : safetensors->files())
      addFile(file.sizeBytes(), file.header(), file.tensors());
  return hash.finish();
}

} // namespace ft::rt
