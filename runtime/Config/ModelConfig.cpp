#include "runtime/Config/ModelConfig.h"

#include "runtime/Config/Families/Families.h"
#include "runtime/Config/ModelFields.h"
#include "runtime/Config/TextPart.h"
#include "runtime/Support/FileKind.h"
#include "runtime/Support/MappedFile.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ft::rt {

namespace fs = std::filesystem;

namespace {

constexpr int64_t maxLayers = 256;          // each is built
constexpr int64_t maxHeads = 1024;          // each has steps of its own where attention is tiled
constexpr int64_t maxHeadDim = 4096;        // tables of rotations are computed
constexpr size_t maxConfigBytes = 16 << 20; // the largest have some thousand labels

/// What an object of config.json says of ropes: of one, or of one for each type of layer.
class RopeReader {
public:
  RopeReader(const std::string &place, FieldReader &fields, const ModelFamily &family, ModelConfig &config,
             std::vector<std::string> &problems)
      : place(place), fields(fields), family(family), config(config), problems(problems) {}

  void read() {
    if (fields.find(configKeys.ropeTheta))
      theta = fields.positive(configKeys.ropeTheta, std::nullopt, maxTheta);
    for (const char *name : {"rope_scaling", "rope_parameters"})
      if (const Json *object = fields.find(name))
        readMember(name, *object);
    config.rope.theta = theta.value_or(config.rope.theta);
    config.localRope.theta = localTheta.value_or(config.localRope.theta);
  }

private:
  void readMember(const std::string &name, const Json &object) {
    if (!object.is_object())
      return fields.refuse(name, shownJson(object), "null or an object");
    const Rope before = config.rope;
    const Json *global = family.hasLocalRope ? findMember(object, "full_attention") : nullptr;
    if (global) {
      constexpr Field types[] = {readField("full_attention"), readField("sliding_attention")};
      judgeFields(place, object, types, problems, name + ".");
      readType(name + ".full_attention", global, theta, config.rope);
      readType(name + ".sliding_attention", findMember(object, "sliding_attention"), localTheta, config.localRope);
    } else {
      readType(name, &object, theta, config.rope);
    }
    if (given && before != config.rope)
      fields.refuse(name, shownJson(object), "what the file says elsewhere of how ropes scale");
    given = true;
  }

  void readType(const std::string &name, const Json *object, std::optional<double> &ownTheta, Rope &rope) {
    if (object && object->is_object())
      readRope(place, name, *object, ownTheta, config.maxPositions, rope, problems);
    else
      fields.refuse(name, object ? shownJson(*object) : "missing", "an object");
  }

  const std::string &place;
  FieldReader &fields;
  const ModelFamily &family;
  ModelConfig &config;
  std::vector<std::string> &problems;
  std::optional<double> theta, localTheta;
  bool given = false;
};

/// Weights in NF4 are what a plan may have as well; every other format is refused.
void readQuantization(const std::string &place, FieldReader &fields, ModelConfig &config,
                      std::vector<std::string> &problems) {
  const Json *found = fields.find("quantization_config");
  if (!found)
    return;
  auto says = [&](std::string_view name, const Json &value) {
    const Json *member = found->is_object() ? findMember(*found, name) : nullptr;
    return member && *member == value;
  };
  if (!says("quant_method", "bitsandbytes") || !says("load_in_4bit", true) || !says("bnb_4bit_quant_type", "nf4"))
    return fields.refuse("quantization_config", shownJson(*found),
                         "null, or NF4 of bitsandbytes: other quantised bases are not supported; give the model's own "
                         "weights");
  judgeFields(place, *found, quantizationFields(), problems, "quantization_config.");
  config.quantized = true;
  const Json *modules = findMember(*found, "llm_int8_skip_modules");
  if (modules && !(modules->is_array() && std::all_of(modules->begin(), modules->end(),
                                                      [](const Json &module) { return module.is_string(); })))
    return fields.refuse("quantization_config.llm_int8_skip_modules", shownJson(*modules), "a list of names");
  if (modules)
    config.notQuantized = modules->get<std::vector<std::string>>();
}

void checkArchitecture(FieldReader &fields, const ModelFamily &family) {
  const Json *given = fields.find("architectures");
  if (given && *given != Json::array({std::string(family.architecture)}))
    fields.refuse("architectures", shownJson(*given),
                  fmt::format("[\"{}\"]: nothing else is supported", family.architecture));
}

Expected<ModelConfig> orProblems(ModelConfig config, const std::vector<std::string> &problems) {
  if (!problems.empty())
    return badInput(fmt::format("{}", fmt::join(problems, "\n")));
  return config;
}

} // namespace

/// What the absence of a size means: it is needed where that is 0.
static std::optional<int64_t> orAbsent(int64_t size) { return size ? std::optional(size) : std::nullopt; }

void readShape(FieldReader &fields, const ModelKeys &keys, ModelConfig &config) {
  config.hiddenSize = fields.size(keys.hiddenSize, std::nullopt, maxSize);
  config.intermediateSize = fields.size(keys.intermediateSize, std::nullopt, maxSize);
  config.layers = fields.size(keys.layers, std::nullopt, maxLayers);
  config.heads = fields.size(keys.heads, orAbsent(config.heads), maxHeads);
  const bool derived = config.headDim == 0; // where it is absent
  config.kvHeads = fields.size(keys.kvHeads, config.kvHeads ? config.kvHeads : config.heads, maxSize);
  config.headDim = fields.size(
      keys.headDim, derived ? std::max<int64_t>(config.hiddenSize / config.heads, 1) : config.headDim, maxSize);
  config.maxPositions = fields.size(keys.maxPositions, config.maxPositions ? config.maxPositions : 2048, maxSize);
  if (fields.failed())
    return;
  if (config.heads % config.kvHeads)
    fields.refuse(keys.kvHeads, fmt::format("{}", config.kvHeads),
                  fmt::format("a divisor of {}, which is {}", keys.heads, config.heads));
  if (config.headDim > maxHeadDim)
    fields.refuse(keys.headDim, fmt::format("{}", config.headDim), fmt::format("at most {}", maxHeadDim));
  else if (config.headDim % 4)
    fields.refuse(keys.headDim, fmt::format("{}", config.headDim), "a multiple of 4");
  if (derived && !fields.find(keys.headDim) && config.hiddenSize % config.heads)
    fields.refuse(
        keys.hiddenSize, fmt::format("{}", config.hiddenSize),
        fmt::format("a multiple of {}, which is {}, where {} is absent", keys.heads, config.heads, keys.headDim));
}

ModelConfig modelConfigOf(const std::string &place, const Json &json, std::vector<std::string> &problems) {
  ModelConfig config;
  if (const std::optional<Json> part = textPart(json)) {
    config = modelConfigOf(place + ": text_config", *part, problems);
    judgeAroundText(place, json, problems);
    config.text = part->dump(2) + "\n"; // what a model that is trained from here says of itself
    return config;
  }
  FieldReader fields(place, json, problems);
  const std::string type = fields.text("model_type");
  const ModelFamily *family = familyOfModelType(type);
  if (!family) { // of another family most fields would be foreign
    const Json *given = fields.find("model_type");
    fields.refuse("model_type", given ? shownJson(*given) : "missing", legalModelTypes(json));
    return config;
  }
  family->setDefaults(config);
  config.family = type;
  judgeFields(place, json, joinFields(family->fields, configFields()), problems);
  checkArchitecture(fields, *family);
  config.hubName = fields.text("_name_or_path");
  config.vocabSize = fields.size(configKeys.vocabSize, orAbsent(config.vocabSize), maxSize);
  readShape(fields, configKeys, config);
  RopeReader(place, fields, *family, config, problems).read();
  family->readLayers(fields, config);
  readQuantization(place, fields, config, problems);
  config.rmsNormEps = fields.positive(configKeys.rmsNormEps, 1e-6, 1);
  config.tiedHead = fields.flag("tie_word_embeddings", config.tiedHead);
  return config;
}

Expected<ModelConfig> parseModelConfig(const std::string &file, std::string_view text) {
  if (text.size() > maxConfigBytes)
    return badInput(fmt::format("{}: has {} bytes; {} are the most that is read", file, text.size(), maxConfigBytes));
  FT_ASSIGN_OR_RETURN(const Json json, parseJson(text, file));
  if (!json.is_object())
    return badInput(fmt::format("{}: the root is a JSON {}; must be an object", file, json.type_name()));
  std::vector<std::string> problems;
  ModelConfig config = modelConfigOf(file, json, problems);
  if (config.text.empty())
    config.text = text;
  config.canonicalJson = json.dump();
  return orProblems(std::move(config), problems);
}

Expected<ModelConfig> readModelConfig(const std::string &path) {
  std::error_code ignored;
  const std::string file = fs::is_directory(path, ignored) ? (fs::path(path) / "config.json").string() : path;
  FT_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::open(file));
  if (const std::string kind = foreignKind(mapped.bytes()); !kind.empty())
    return badInput(fmt::format("{}: must be JSON, and is {}", file, kind));
  return parseModelConfig(file, {reinterpret_cast<const char *>(mapped.bytes().data()), mapped.size()});
}

} // namespace ft::rt
