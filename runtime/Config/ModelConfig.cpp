#include "runtime/Config/ModelConfig.h"

#include "runtime/Config/ModelFields.h"
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

/// "default" where the object does not scale: linear scaling by 1 does not.
std::string ropeType(const Json &rope) {
  const Json *type = findMember(rope, "rope_type");
  type = type ? type : findMember(rope, "type"); // as older files have it
  if (!type)
    return "default";
  const Json *factor = findMember(rope, "factor");
  if (*type == "linear" && factor && *factor == 1)
    return "default";
  return type->is_string() ? type->get<std::string>() : shownJson(*type);
}

/// rope_scaling, or rope_parameters as newer files have it: neither may scale; either may hold rope_theta.
void readRope(const std::string &place, FieldReader &fields, const std::string &name, std::optional<double> &theta,
              std::vector<std::string> &problems) {
  const Json *rope = fields.find(name);
  if (!rope)
    return;
  if (!rope->is_object())
    return fields.refuse(name, shownJson(*rope), "null or an object");
  if (ropeType(*rope) != "default")
    return fields.refuse(name, shownJson(*rope),
                         "null or of rope_type \"default\": scaled rotary embeddings are not supported");
  judgeFields(place, *rope, ropeFields(), problems, name + ".");
  if (!findMember(*rope, "rope_theta"))
    return;
  FieldReader inner(fmt::format("{}: {}", place, name), *rope, problems);
  const double own = inner.positive("rope_theta", std::nullopt, maxTheta);
  if (theta && *theta != own)
    inner.refuse("rope_theta", fmt::format("{}", own), fmt::format("{}, as the file says elsewhere", *theta));
  theta = own;
}

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

void readWindow(FieldReader &fields) {
  const Json *window = fields.find("sliding_window"), *used = fields.find("use_sliding_window");
  if (window && !(used && *used == false))
    fields.refuse("sliding_window", shownJson(*window),
                  "null, or use_sliding_window false: windows of attention are not supported");
  const Json *types = fields.find("layer_types");
  if (types && !(types->is_array() &&
                 std::all_of(types->begin(), types->end(), [](const Json &type) { return type == "full_attention"; })))
    fields.refuse("layer_types", shownJson(*types), "\"full_attention\" for every layer: nothing else is supported");
}

Expected<ModelConfig> orProblems(ModelConfig config, const std::vector<std::string> &problems) {
  if (!problems.empty())
    return badInput(fmt::format("{}", fmt::join(problems, "\n")));
  return config;
}

} // namespace

void readShape(FieldReader &fields, const ModelKeys &keys, ModelConfig &config) {
  config.hiddenSize = fields.size(keys.hiddenSize, std::nullopt, maxSize);
  config.intermediateSize = fields.size(keys.intermediateSize, std::nullopt, maxSize);
  config.layers = fields.size(keys.layers, std::nullopt, maxLayers);
  config.heads = fields.size(keys.heads, std::nullopt, maxHeads);
  config.kvHeads = fields.size(keys.kvHeads, config.heads, maxSize);
  config.headDim = fields.size(keys.headDim, std::max<int64_t>(config.hiddenSize / config.heads, 1), maxSize);
  config.maxPositions = fields.size(keys.maxPositions, 2048, maxSize); // Transformers' default
  if (fields.failed())
    return;
  if (config.heads % config.kvHeads)
    fields.refuse(keys.kvHeads, fmt::format("{}", config.kvHeads),
                  fmt::format("a divisor of {}, which is {}", keys.heads, config.heads));
  if (config.headDim > maxHeadDim)
    fields.refuse(keys.headDim, fmt::format("{}", config.headDim), fmt::format("at most {}", maxHeadDim));
  else if (config.headDim % 4)
    fields.refuse(keys.headDim, fmt::format("{}", config.headDim), "a multiple of 4");
  if (!fields.find(keys.headDim) && config.hiddenSize % config.heads)
    fields.refuse(
        keys.hiddenSize, fmt::format("{}", config.hiddenSize),
        fmt::format("a multiple of {}, which is {}, where {} is absent", keys.heads, config.heads, keys.headDim));
}

ModelConfig modelConfigOf(const std::string &place, const Json &json, std::vector<std::string> &problems) {
  ModelConfig config;
  FieldReader fields(place, json, problems);
  judgeFields(place, json, configFields(), problems);
  if (!fields.find("model_type"))
    fields.refuse("model_type", "missing", "\"llama\"");
  config.hubName = fields.text("_name_or_path");
  config.vocabSize = fields.size(configKeys.vocabSize, std::nullopt, maxSize);
  readShape(fields, configKeys, config);
  std::optional<double> theta;
  if (fields.find(configKeys.ropeTheta))
    theta = fields.positive(configKeys.ropeTheta, std::nullopt, maxTheta);
  for (const char *name : {"rope_scaling", "rope_parameters"})
    readRope(place, fields, name, theta, problems);
  readWindow(fields);
  readQuantization(place, fields, config, problems);
  config.ropeTheta = theta.value_or(config.ropeTheta);
  config.rmsNormEps = fields.positive(configKeys.rmsNormEps, 1e-6, 1);
  config.tiedHead = fields.flag("tie_word_embeddings", false);
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

std::vector<ModelFact> modelFacts(const ModelConfig &config) {
  std::vector<ModelFact> facts = {
      {"model_type", "general.architecture", std::string("llama")},
      {"hidden_size", "llama.embedding_length", config.hiddenSize},
      {"intermediate_size", "llama.feed_forward_length", config.intermediateSize},
      {"num_hidden_layers", "llama.block_count", config.layers},
      {"num_attention_heads", "llama.attention.head_count", config.heads},
      {"num_key_value_heads", "llama.attention.head_count_kv", config.kvHeads, config.kvHeads == config.heads},
      {"head_dim", "llama.attention.key_length", config.headDim, config.headDim * config.heads == config.hiddenSize},
      {"rms_norm_eps", "llama.attention.layer_norm_rms_epsilon", config.rmsNormEps, config.rmsNormEps == 1e-6},
      {"rope_theta", "llama.rope.freq_base", config.ropeTheta, config.ropeTheta == 10000},
      {"tie_word_embeddings", "", config.tiedHead, !config.tiedHead},
  };
  if (config.vocabSize)
    facts.push_back({"vocab_size", "llama.vocab_size", config.vocabSize, true});
  return facts;
}

} // namespace ft::rt
