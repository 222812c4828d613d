#include "runtime/Weights/Model.h"

#include "runtime/Config/GgufNorms.h"
#include "runtime/Support/Strings.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Facts.h"
#include "runtime/Weights/NamePrefix.h"
#include "runtime/Weights/RopeTensor.h"
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

bool isNorm(std::string_view name) { return name.ends_with("norm.weight"); }

/// What a tensor of a model of text and images is called in its language model, as transformers writes it today or did
/// before; empty: it is not of that.
std::string nameInText(std::string_view name) {
  for (const auto &[prefix, own] :
       {std::pair<std::string_view, std::string_view>{"language_model.", ""}, {"model.language_model.", "model."}})
    if (name.starts_with(prefix))
      return fmt::format("{}{}", own, name.substr(prefix.size()));
  return name == "lm_head.weight" ? std::string(name) : "";
}

/// Nothing where the tensors are those of a language model.
std::optional<TensorIndex> textPartOf(const TensorIndex &all) {
  TensorIndex text;
  bool whole = false;
  for (const auto &[name, entry] : all)
    if (const std::string own = nameInText(name); !own.empty()) {
      text.emplace(own, entry);
      whole |= own != name;
    }
  return whole ? std::optional(std::move(text)) : std::nullopt;
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

Expected<ModelSource> ModelSource::open(const std::string &named) {
  FT_ASSIGN_OR_RETURN(ModelPath path, ModelPath::find(named));
  auto opened = openFiles(path);
  return opened.ok() ? std::move(opened) : path.withWayOut(opened.status());
}

Expected<ModelSource> ModelSource::openFiles(ModelPath found) {
  ModelSource source;
  source.source = std::move(found);
  const std::string &path = source.path();
  std::error_code ignored;
  if (path.starts_with(seededPrefix)) {
    FT_ASSIGN_OR_RETURN(source.seedValue, parseSeed(std::string_view(path).substr(seededPrefix.size())));
  } else if (path.ends_with(".gguf")) {
    FT_ASSIGN_OR_RETURN(source.ggufSet, GgufSet::open(path));
  } else if (const auto part = partNumber(path, ".safetensors"); part && part->count > 1) {
    return badInput(fmt::format("model {}: is one part of several; name the folder that holds all of them", path));
  } else if (fs::is_directory(path, ignored) || path.ends_with(".safetensors")) {
    FT_ASSIGN_OR_RETURN(source.safetensors, SafetensorsSet::open(path));
    source.textTensors = textPartOf(source.safetensors->tensors());
  } else {
    return badInput(fmt::format("model {}: the name must end in .safetensors or .gguf, or be a folder", path));
  }
  return source;
}

std::string ModelSource::folder() const {
  if (!safetensors)
    return "";
  std::error_code ignored;
  if (fs::is_directory(path(), ignored))
    return path();
  std::string parent = fs::path(path()).parent_path().string();
  return parent.empty() ? "." : parent;
}

const std::string &ModelSource::nameOf(const plan::Tensor &tensor) const {
  return ggufSet ? tensor.gguf_key() : tensor.key();
}

/// A config that cannot be read says more than the tensors that then differ; one that can, and differs, does not.
Status ModelSource::checkConfig(const plan::Plan &plan, std::vector<std::string> &differences) const {
  if (plan.facts_size() == 0)
    return {};
  const std::string place = ggufSet ? gguf()->path() : (fs::path(folder()) / "config.json").string();
  std::vector<std::string> problems;
  ModelConfig config;
  if (ggufSet) {
    config = ggufModelConfig(place, metadataJson(*gguf()), problems);
  } else {
    FT_ASSIGN_OR_RETURN(const Json json, readJsonObject(place));
    config = modelConfigOf(place, json, problems);
  }
  FT_RETURN_IF_ERROR(problemsStatus(path(), problems));
  compareFacts(plan, config, ggufSet ? ConfigFormat::Gguf : ConfigFormat::Json, place, differences);
  return {};
}

/// A weight in 4 bits is what a plan with a quantised base needs, and nothing that another plan could read.
std::optional<std::string> ModelSource::problemOf(const TensorView &view, const plan::Tensor &tensor) const {
  const auto lookup = [this](std::string_view name) { return find(name); };
  if (!isPacked(lookup, view.name))
    return shapeOrTypeProblem(view, tensor);
  if (tensor.dtype() != plan::U4)
    return "is quantised in 4 bits, and the plan's is not: compile the recipe with quantization.type=NF4 for this "
           "model";
  const Expected<PackedNf4> packed = openPacked(lookup, view.name, spanOf(tensor.shape()), "");
  return packed.ok() ? std::nullopt : std::optional(packed.status().message().substr(2));
}

/// Missing tensors become problems last: what the names of others have in common may explain them.
std::vector<std::string> ModelSource::compareTensors(const plan::Plan &plan, std::vector<std::string> &problems) const {
  const TensorIndex &found = tensors();
  std::vector<std::string> missing;
  for (const plan::Tensor &tensor : plan.tensors()) {
    if (!isBase(tensor))
      continue;
    const std::string &name = nameOf(tensor);
    auto it = found.find(name);
    if (name.empty())
      problems.push_back(fmt::format("{}: GGUF files do not hold the tensor \"{}\" that the plan needs; give a Hugging "
                                     "Face folder",
                                     path(), tensor.key()));
    else if (it == found.end())
      missing.push_back(name);
    else if (auto problem = problemOf(*it->second.view, tensor))
      problems.push_back(fmt::format("{}: tensor \"{}\" {}", it->second.file, shown(name), *problem));
  }
  return missing;
}

std::string ModelSource::extraProblem(const std::string &name, const TensorInFile &entry) const {
  if (name.ends_with(".rotary_emb.inv_freq") || (ggufSet && name == ropeTensor)) // that has been compared
    return "";
  std::string reason;
  if (name == "lm_head.weight" || name == "output.weight") {
    auto embedding = tensors().find(ggufSet ? "token_embd.weight" : "model.embed_tokens.weight");
    if (embedding != tensors().end() && haveSameContent(entry.view, embedding->second.view))
      return "";
    reason = ": the plan ties the head to the embedding, and the two differ";
  } else if (name.ends_with(".bias")) {
    reason = ": the plan's model has no such bias";
  }
  return fmt::format("{}: tensor \"{}\" {} is not in the plan{}", entry.file, shown(name), shapeText(entry.view->shape),
                     reason);
}

Status ModelSource::check(const plan::Plan &plan) const {
  if (isSeeded())
    return {};
  std::vector<std::string> problems;
  FT_RETURN_IF_ERROR(checkConfig(plan, problems));
  if (ggufSet)
    compareRopeTensor(plan, path(), find(ropeTensor), problems);
  std::vector<std::string> missing = compareTensors(plan, problems);

  std::set<std::string, std::less<>> extra;
  std::vector<std::string> names;
  for (const auto &[name, entry] : tensors()) {
    names.push_back(name);
    extra.insert(name);
  }
  std::map<std::string_view, const plan::Tensor *> wanted;
  for (const plan::Tensor &tensor : plan.tensors())
    if (isBase(tensor)) {
      wanted[nameOf(tensor)] = &tensor;
      extra.erase(nameOf(tensor));
      for (const std::string &part : packedParts(nameOf(tensor)))
        extra.erase(part);
    }

  if (const std::string prefix = explainPrefix(missing, extra); !prefix.empty())
    problems.push_back(fmt::format("{}: {}", path(), prefix));
  for (const std::string &name : missing)
    problems.push_back(
        fmt::format("{}: tensor \"{}\" {} is missing{}", path(), name, shapeText(spanOf(wanted[name]->shape())),
                    problems.size() < shownProblems ? suggestion(name, std::span<const std::string>(names)) : ""));
  for (const std::string &name : extra)
    if (std::string problem = extraProblem(name, tensors().find(name)->second); !problem.empty())
      problems.push_back(std::move(problem));
  return problemsStatus(path(), problems);
}

std::string ModelSource::place(const plan::Tensor &tensor) const {
  const std::string &name = nameOf(tensor);
  auto it = tensors().find(name);
  return fmt::format("{}: tensor \"{}\"", it == tensors().end() ? path() : it->second.file, name);
}

const TensorView *ModelSource::find(std::string_view name) const {
  if (isSeeded())
    return nullptr;
  auto it = tensors().find(name);
  return it == tensors().end() ? nullptr : it->second.view;
}

Expected<Producer> ModelSource::numbers(const plan::Tensor &tensor, plan::DType dtype) const {
  plan::Init::Kind kind = tensor.init().kind();
  if (isSeeded()) {
    if (kind < plan::Init::ZEROS || kind > plan::Init::UNIFORM || !isConvertible(Encoding::F32, dtype))
      return badInput(fmt::format("plan: tensor \"{}\" says no seeded initialisation for {}; give weights with --model",
                                  tensor.key(), dtypeName(dtype)));
    return Producer([&tensor, kind, dtype, seed = seed()](uint64_t first, uint64_t count, std::byte *out) {
      seededElements(kind, tensor.init().scale(), seed, tensor.key(), first, count, dtype, out);
    });
  }
  const std::string &name = nameOf(tensor);
  const TensorView *view = find(name);
  if (!view)
    return badInput(fmt::format("{}: tensor \"{}\" is missing", path(), tensor.key()));
  if (auto problem = shapeOrTypeProblem(*view, tensor))
    return badInput(fmt::format("{} {}", place(tensor), *problem));
  uint32_t heads = ggufSet ? tensor.gguf_rope_heads() : 0;
  uint64_t rows = view->shape.empty() ? 1 : view->shape[0];
  if (heads > 0 && rows % (2 * uint64_t(heads)) != 0)
    return badInput(fmt::format("plan: tensor \"{}\" has {} rows, which {} rope heads do not divide into pairs",
                                tensor.key(), rows, heads));
  const GgufValue *architecture = ggufSet ? gguf()->find("general.architecture") : nullptr;
  const std::string *family = architecture ? architecture->text() : nullptr;
  if (const double offset = family ? ggufNormOffset(*family) : 0; offset != 0 && isNorm(name))
    return shiftedProducer(*view, dtype, -offset);
  return fileProducer(*view, dtype, heads);
}

Expected<QuantizedFill> ModelSource::quantized(const plan::Tensor &tensor) const {
  QuantizedFill fill;
  fill.tensor = &tensor;
  if (!isSeeded())
    fill.source = place(tensor);
  const auto lookup = [this](std::string_view name) { return find(name); };
  if (isPacked(lookup, nameOf(tensor))) {
    FT_ASSIGN_OR_RETURN(fill.packed, openPacked(lookup, nameOf(tensor), spanOf(tensor.shape()), fill.source));
  } else {
    FT_ASSIGN_OR_RETURN(fill.numbers, numbers(tensor, plan::F32));
  }
  return fill;
}

std::string ModelSource::quantizedTwice(const plan::Plan &plan) const {
  for (const plan::Tensor &tensor : plan.tensors())
    if (tensor.has_quantization())
      if (const TensorView *view = find(nameOf(tensor)); view && blockElements(view->encoding) > 1)
        return std::string(encodingName(view->encoding));
  return "";
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
  if (ggufSet)
    for (const GgufFile &file : ggufSet->files())
      addFile(file.sizeBytes(), file.header(), file.tensors());
  if (safetensors)
    for (const SafetensorsFile &file : safetensors->files())
      addFile(file.sizeBytes(), file.header(), file.tensors());
  return hash.finish();
}

std::vector<std::span<const std::byte>> ModelSource::bytesOfTensors() const {
  std::vector<std::span<const std::byte>> all;
  if (!isSeeded())
    for (const auto &[name, entry] : tensors())
      all.push_back(entry.view->bytes);
  return all;
}

} // namespace ft::rt
