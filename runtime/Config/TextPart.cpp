#include "runtime/Config/TextPart.h"

#include "runtime/Config/Families/Families.h"
#include "runtime/Config/ModelFields.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {

/// What stands around a text_config and is meant for it as well.
constexpr std::string_view meantForText[] = {"_name_or_path", "dtype", "quantization_config", "tie_word_embeddings",
                                             "torch_dtype"};

/// What a model of text and images has beside its text_config.
constexpr Field fieldsAround[] = {
    readField("architectures"),       readField("model_type"),
    readField("text_config"),         readField("vision_config"),
    harmless("boi_token_index"), // how images stand in a text, and how they become embeddings
    harmless("eoi_token_index"),      harmless("image_seq_length"),
    harmless("image_token_id"),       harmless("image_token_index"),
    harmless("mm_tokens_per_image"),  harmless("multimodal_projector_bias"),
    harmless("processor_class"),      harmless("projector_hidden_act"),
    harmless("vision_feature_layer"), harmless("vision_feature_select_strategy"),
};

bool isMeantForText(std::string_view name) {
  return std::find(std::begin(meantForText), std::end(meantForText), name) != std::end(meantForText);
}

} // namespace

std::optional<Json> textPart(const Json &config) {
  const Json *text = findMember(config, "text_config");
  const Json *type = text && text->is_object() ? findMember(*text, "model_type") : nullptr;
  const ModelFamily *family = type && type->is_string() ? familyOfModelType(type->get<std::string>()) : nullptr;
  if (!family || !findMember(config, "vision_config"))
    return std::nullopt;
  Json part = *text;
  for (std::string_view around : meantForText)
    if (const Json *value = findMember(config, around); value && !findMember(part, around))
      part[std::string(around)] = *value;
  part["architectures"] = {family->architecture};
  return part;
}

void judgeAroundText(const std::string &place, const Json &config, std::vector<std::string> &problems) {
  const Json &text = *findMember(config, "text_config");
  Json others = Json::object();
  for (const auto &[name, value] : config.items()) {
    const Field *shared = findField(fieldsAround, name) ? nullptr : findField(configFields(), name);
    if (!shared || shared->meaning != Field::Meaning::Read) {
      others[name] = value;
      continue;
    }
    // A quantity of the language model, said a second time.
    const Json *own = findMember(text, name);
    if (value.is_null() || (own ? *own == value : isMeantForText(name)) || name == "_name_or_path")
      continue;
    problems.push_back(fmt::format("{}: {} is {}; must be absent{}", place, name, shownJson(value),
                                   own ? fmt::format(", or {} as in text_config", shownJson(*own))
                                       : ": what the language model computes is said in text_config"));
  }
  judgeFields(place, others, joinFields(fieldsAround, configFields()), problems);
}

} // namespace ft::rt
