#include "compiler/Import/ModelConfig.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <limits>

using namespace llvm;
using namespace ft;

namespace {

// Sizes beyond this are mistakes; the bound keeps every product of two sizes inside 64 bits.
constexpr int64_t maxSize = int64_t(1) << 30;
constexpr int64_t maxLayers = 256;   // each is built
constexpr int64_t maxHeads = 1024;   // each has steps of its own where attention is tiled
constexpr int64_t maxHeadDim = 4096; // tables of rotations are computed
constexpr int maxNesting = 64;       // the parser recurses

Error makeError(const Twine &message) { return createStringError(message); }

std::string print(double value) {
  std::string text;
  raw_string_ostream(text) << format("%g", value);
  return text;
}

/// Numbers in a message as a person would write them; everything else as in the file.
std::string print(const json::Value &value) {
  return value.kind() == json::Value::Number && !value.getAsInteger() ? print(*value.getAsNumber())
                                                                      : formatv("{0}", value).str();
}

/// Fields that say nothing about the computation of a training step.
constexpr StringRef irrelevantFields[] = {
    "_attn_implementation_autoset",
    "_commit_hash",
    "auto_map",
    "bos_token_id",
    "dtype",
    "eos_token_id",
    "initializer_range",
    "is_llama_config",
    "output_attentions",
    "output_hidden_states",
    "pad_token_id",
    "pretraining_tp",
    "return_dict",
    "task_specific_params",
    "tokenizer_class",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unk_token_id",
    "use_cache",
};

/// Reads fields one by one, remembers which were asked for, and keeps the first error.
class FieldReader {
public:
  FieldReader(StringRef file, const json::Object &object) : file(file), object(object) {}

  int64_t size(StringRef field, std::optional<int64_t> absent = std::nullopt, int64_t most = maxSize) {
    const json::Value *value = find(field);
    if (!value) {
      if (!absent)
        fail(field, "missing", formatv("an integer in [1, {0}]", most));
      return absent.value_or(1);
    }
    std::optional<int64_t> number = value->getAsInteger();
    if (!number || *number < 1 || *number > most)
      fail(field, print(*value), formatv("an integer in [1, {0}]", most));
    return number.value_or(1);
  }

  double positive(StringRef field, std::optional<double> absent, double bound) {
    const json::Value *value = find(field);
    if (!value) {
      if (!absent)
        fail(field, "missing", "a number in (0, " + print(bound) + "]");
      return absent.value_or(1);
    }
    std::optional<double> number = value->getAsNumber();
    if (!number || !(*number > 0) || !(*number <= bound))
      fail(field, print(*value), "a number in (0, " + print(bound) + "]");
    return number.value_or(1);
  }

  bool flag(StringRef field, bool absent) {
    const json::Value *value = find(field);
    if (!value)
      return absent;
    if (!value->getAsBoolean())
      fail(field, print(*value), "true or false");
    return value->getAsBoolean().value_or(absent);
  }

  std::string text(StringRef field) {
    const json::Value *value = find(field);
    if (!value)
      return "";
    if (!value->getAsString())
      fail(field, print(*value), "a string");
    return value->getAsString().value_or("").str();
  }

  /// The field may be absent or null, and must equal `only` otherwise.
  void require(StringRef field, const json::Value &only) {
    const json::Value *value = find(field);
    if (value && *value != only)
      fail(field, print(*value), print(only) + ": nothing else is supported");
  }

  void fail(StringRef field, const Twine &value, const Twine &legal) {
    if (message.empty())
      message = (file + ": " + field + " is " + value + "; must be " + legal).str();
  }

  /// Any field that nobody asked for and that is not known to be irrelevant is an error, unless it is null.
  void refuseUnknown() {
    for (const auto &[key, value] : object)
      if (!is_contained(seen, StringRef(key)) && !is_contained(irrelevantFields, StringRef(key)) &&
          value.kind() != json::Value::Null)
        fail(key, print(value), "absent: this field is not understood and may change what the model computes");
  }

  Error takeError() { return message.empty() ? Error::success() : makeError(message); }

  const json::Value *find(StringRef field) {
    seen.push_back(field);
    const json::Value *value = object.get(field);
    return value && value->kind() != json::Value::Null ? value : nullptr;
  }

private:
  StringRef file;
  const json::Object &object;
  std::vector<StringRef> seen;
  std::string message;
};

/// rope_theta at the top level, or inside rope_parameters as newer files have it.
double readRopeTheta(StringRef file, FieldReader &fields) {
  fields.require("rope_scaling", nullptr);
  const double top = fields.positive("rope_theta", 10000.0, 1e12);
  const json::Value *value = fields.find("rope_parameters");
  if (!value)
    return top;
  const json::Object *parameters = value->getAsObject();
  if (!parameters) {
    fields.fail("rope_parameters", print(*value), "an object");
    return top;
  }
  FieldReader inner(file, *parameters);
  inner.require("rope_type", "default");
  const double theta = inner.positive("rope_theta", top, 1e12);
  inner.refuseUnknown();
  if (Error error = inner.takeError())
    fields.fail("rope_parameters", print(*value),
                "{\"rope_theta\": a positive number, \"rope_type\": \"default\"} (" + toString(std::move(error)) + ")");
  return theta;
}

void readFixedFields(FieldReader &fields) {
  if (!fields.find("model_type"))
    fields.fail("model_type", "missing", "\"llama\"");
  fields.require("model_type", "llama");
  fields.require("architectures", json::Array{"LlamaForCausalLM"});
  fields.require("hidden_act", "silu");
  fields.require("attention_bias", false);
  fields.require("mlp_bias", false);
  fields.require("rope_interleaved", false);
  fields.require("partial_rotary_factor", 1.0);
  if (const json::Value *dropout = fields.find("attention_dropout"); dropout && dropout->getAsNumber() != 0.0)
    fields.fail("attention_dropout", print(*dropout), "0: nothing else is supported");
}

} // namespace

/// Whether brackets outside strings open more than `most` levels.
static bool nestsDeeperThan(StringRef text, int most) {
  int depth = 0;
  bool inString = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inString && c == '\\')
      ++i;
    else if (c == '"')
      inString = !inString;
    else if (!inString && (c == '[' || c == '{') && ++depth > most)
      return true;
    else if (!inString && (c == ']' || c == '}'))
      --depth;
  }
  return false;
}

Expected<ModelConfig> ft::parseModelConfig(StringRef file, StringRef text) {
  if (nestsDeeperThan(text, maxNesting))
    return makeError(file + ": nests deeper than " + Twine(maxNesting) + " levels; no config.json does");
  Expected<json::Value> root = json::parse(text);
  if (!root)
    return makeError(file + ": not JSON: " + toString(root.takeError()));
  const json::Object *object = root->getAsObject();
  if (!object)
    return makeError(file + ": holds no JSON object");
  FieldReader fields(file, *object);
  readFixedFields(fields);
  ModelConfig config;
  config.hubName = fields.text("_name_or_path");
  config.vocabSize = fields.size("vocab_size");
  config.hiddenSize = fields.size("hidden_size");
  config.intermediateSize = fields.size("intermediate_size");
  config.layers = fields.size("num_hidden_layers", std::nullopt, maxLayers);
  config.heads = fields.size("num_attention_heads", std::nullopt, maxHeads);
  config.kvHeads = fields.size("num_key_value_heads", config.heads);
  config.headDim = fields.size("head_dim", std::max<int64_t>(config.hiddenSize / config.heads, 1));
  config.maxPositions = fields.size("max_position_embeddings");
  config.ropeTheta = readRopeTheta(file, fields);
  config.rmsNormEps = fields.positive("rms_norm_eps", 1e-6, 1);
  config.tiedHead = fields.flag("tie_word_embeddings", false);
  if (config.heads % config.kvHeads)
    fields.fail("num_key_value_heads", Twine(config.kvHeads),
                "a divisor of num_attention_heads, which is " + Twine(config.heads));
  if (config.headDim > maxHeadDim)
    fields.fail("head_dim", Twine(config.headDim), "at most " + Twine(maxHeadDim));
  if (config.headDim % 4)
    fields.fail("head_dim", Twine(config.headDim), "a multiple of 4");
  if (!object->get("head_dim") && config.hiddenSize % config.heads)
    fields.fail("hidden_size", Twine(config.hiddenSize),
                "a multiple of num_attention_heads, which is " + Twine(config.heads) + ", where head_dim is absent");
  fields.refuseUnknown();
  if (Error error = fields.takeError())
    return error;
  config.text = text.str();
  config.canonicalJson = formatv("{0}", *root).str();
  return config;
}

Expected<ModelConfig> ft::readModelConfig(StringRef path) {
  SmallString<256> file(path);
  if (sys::fs::is_directory(path))
    sys::path::append(file, "config.json");
  auto buffer = MemoryBuffer::getFile(file, /*IsText=*/true);
  if (!buffer)
    return makeError(Twine(file) + ": cannot be read: " + buffer.getError().message() +
                     "; must be a config.json of a Hugging Face checkpoint");
  return parseModelConfig(file, (*buffer)->getBuffer());
}

std::vector<ModelFact> ft::modelFacts(const ModelConfig &config) {
  return {
      {"model_type", "general.architecture", std::string("llama")},
      {"vocab_size", "llama.vocab_size", config.vocabSize, true},
      {"hidden_size", "llama.embedding_length", config.hiddenSize},
      {"intermediate_size", "llama.feed_forward_length", config.intermediateSize},
      {"num_hidden_layers", "llama.block_count", config.layers},
      {"num_attention_heads", "llama.attention.head_count", config.heads},
      {"num_key_value_heads", "llama.attention.head_count_kv", config.kvHeads, config.kvHeads == config.heads},
      {"head_dim", "llama.rope.dimension_count", config.headDim, config.headDim * config.heads == config.hiddenSize},
      {"rms_norm_eps", "llama.attention.layer_norm_rms_epsilon", config.rmsNormEps, config.rmsNormEps == 1e-6},
      {"rope_theta", "llama.rope.freq_base", config.ropeTheta, config.ropeTheta == 10000},
      {"rope_scaling", "llama.rope.scaling.type", std::monostate()},
      {"tie_word_embeddings", "", config.tiedHead, !config.tiedHead},
      {"hidden_act", "", std::string("silu"), true},
      {"attention_bias", "", std::monostate()},
      {"mlp_bias", "", std::monostate()},
  };
}

std::vector<std::string> ft::linearNames(const ModelConfig &) {
  return {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
}

std::vector<std::string> ft::defaultAdapterTargets(const ModelConfig &) { return {"q_proj", "v_proj"}; }
