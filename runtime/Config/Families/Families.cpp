#include "runtime/Config/Families/Families.h"

#include "runtime/Support/Strings.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace ft::rt {

namespace {

constexpr const ModelFamily *families[] = {&gemma3Family, &llamaFamily, &mistralFamily,
                                           &qwen2Family,  &qwen3Family, &smolLm3Family};

/// Families that people ask for and that are not there: what each would need.
struct Absent {
  std::string_view mark; ///< of the type's name
  std::string_view needs;
};
constexpr Absent absent[] = {
    {"moe", "experts, and a router that sends tokens to them"},
    {"mixtral", "experts, and a router that sends tokens to them"},
    {"deepseek", "experts, and attention over compressed keys"},
    {"gpt_oss", "experts, and attention sinks"},
    {"gpt-oss", "experts, and attention sinks"},
    {"llama4", "experts, and attention in chunks"},
    {"qwen3_next", "delta-net layers, which keep a state instead of keys"},
    {"qwen3next", "delta-net layers, which keep a state instead of keys"},
    {"qwen3_5", "delta-net layers, which keep a state instead of keys"},
    {"qwen35", "delta-net layers, which keep a state instead of keys"},
    {"mamba", "layers that keep a state instead of keys"},
    {"rwkv", "layers that keep a state instead of keys"},
    {"gemma2", "capped logits"},
    {"gemma3n", "embeddings for each layer, and layers that share keys"},
    {"gemma3", "what reads images"},
    {"mllama", "attention from text to images"},
    {"_vl", "what reads images, and positions in three dimensions"},
    {"2vl", "what reads images, and positions in three dimensions"},
    {"3vl", "what reads images, and positions in three dimensions"},
    {"llava", "what reads images"},
    {"jamba", "layers that keep a state instead of keys"},
    {"bamba", "layers that keep a state instead of keys"},
    {"falcon_h1", "layers that keep a state instead of keys"},
    {"nemotron_h", "layers that keep a state instead of keys"},
    {"lfm2", "layers of short convolutions"},
    {"kimi_linear", "delta-net layers, which keep a state instead of keys"},
    {"glm4", "heads that are rotated in part, and further norms"},
    {"olmo2", "norms behind each part of a block alone"},
    {"granite", "multipliers of embeddings, residuals and logits"},
    {"cohere", "norms without a root mean square, and blocks in parallel"},
    {"phi3", "weights of q, k and v (and of gate and up) that are one tensor"},
    {"gemma4", "layers that share keys, embeddings for each layer, and heads of two widths"},
    {"gemma", "the form of the first Gemma"},
};

template <typename Name> std::string quotedNames(Name name) {
  std::vector<std::string> names;
  for (const ModelFamily *family : families)
    if (const std::string quoted = fmt::format("\"{}\"", name(*family));
        !name(*family).empty() && std::find(names.begin(), names.end(), quoted) == names.end())
      names.push_back(quoted);
  std::sort(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, " or "));
}

std::string neededBy(std::string_view type) {
  for (const Absent &family : absent)
    if (type.find(family.mark) != std::string_view::npos)
      return fmt::format(": {} needs {}, which is not there", shown(type), family.needs);
  return ": nothing else is supported";
}

} // namespace

const ModelFamily *familyOfModelType(std::string_view modelType) {
  auto it = std::find_if(std::begin(families), std::end(families),
                         [&](const ModelFamily *family) { return family->modelType == modelType; });
  return it == std::end(families) ? nullptr : *it;
}

const ModelFamily *familyOfGguf(std::string_view architecture) {
  auto it = std::find_if(std::begin(families), std::end(families), [&](const ModelFamily *family) {
    return !architecture.empty() && family->ggufArchitecture == architecture;
  });
  return it == std::end(families) ? nullptr : *it;
}

std::string legalModelTypes(const Json &config) {
  const std::string legal = quotedNames([](const ModelFamily &family) { return family.modelType; });
  const Json *type = findMember(config, "model_type"), *text = findMember(config, "text_config");
  if (text && text->is_object()) {
    const Json *inner = findMember(*text, "model_type");
    return fmt::format(
        "{}: this checkpoint is of text and images, and the part for images is not there. Its text part, "
        "text_config, is {}, which is not there either",
        legal, inner ? shownJson(*inner) : "of no model_type");
  }
  return legal + (type && type->is_string() ? neededBy(type->get<std::string>()) : "");
}

std::string legalGgufArchitectures(std::string_view architecture) {
  const std::string legal = quotedNames([](const ModelFamily &family) { return family.ggufArchitecture; });
  return legal + (architecture.empty() ? "" : neededBy(architecture));
}

//===-- for families --------------------------------------------------------------------------------------------===//

void readEqualLayers(FieldReader &fields, ModelConfig &config) {
  readLayerTypes(fields, config, 0, [](int64_t) { return false; });
}

void readLayerTypes(FieldReader &fields, ModelConfig &config, int64_t window,
                    const std::function<bool(int64_t layer)> &slides) {
  config.perLayer.resize(size_t(config.layers));
  const Json *types = fields.find("layer_types");
  if (types && (!types->is_array() || types->size() != config.perLayer.size()))
    return fields.refuse("layer_types", shownJson(*types), fmt::format("a list of {}", config.layers));
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    bool sliding = window > 0 && slides(layer);
    if (types) {
      const Json &type = (*types)[size_t(layer)];
      sliding = type == "sliding_attention";
      if (!sliding && type != "full_attention")
        return fields.refuse("layer_types", shownJson(*types), "of \"full_attention\" and \"sliding_attention\"");
      if (sliding && window == 0)
        return fields.refuse("layer_types", shownJson(*types),
                             "of \"full_attention\", where there is no sliding_window");
    }
    config.perLayer[size_t(layer)].window = sliding ? window : 0;
  }
}

int64_t optionalWindow(FieldReader &fields, std::optional<int64_t> absentSize) {
  const int64_t window = fields.size("sliding_window", absentSize.value_or(1), maxSize);
  const bool given = absentSize || fields.find("sliding_window");
  return given && fields.flag("use_sliding_window", false) ? window : 0;
}

void readUpperWindows(FieldReader &fields, ModelConfig &config) {
  const Json *given = fields.find("max_window_layers");
  const int64_t first = given && *given == 0 ? 0 : fields.size("max_window_layers", 28, maxSize); // 0: in all
  readLayerTypes(fields, config, optionalWindow(fields, 4096), [&](int64_t layer) { return layer >= first; });
}

} // namespace ft::rt
