#include "runtime/Weights/RunTexts.h"

#include "runtime/Config/TextPart.h"
#include "runtime/Support/FileKind.h"
#include "runtime/Support/Json.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace {

constexpr const char *baseKey = "base_model_name_or_path", *typeKey = "torch_dtype", *endKey = "eos_token_id";

Expected<Json> objectOf(const plan::Text &text) {
  FT_ASSIGN_OR_RETURN(Json json, parseJson(text.content(), text.file()));
  if (!json.is_object())
    return badInput(fmt::format("{}: the root is a JSON {}; must be an object", text.file(), json.type_name()));
  return json;
}

void write(const Json &json, plan::Text &text) { text.set_content(json.dump(2) + "\n"); }

Status nameBase(plan::Text &text, const ModelSource &model, std::vector<std::string> &notes) {
  FT_ASSIGN_OR_RETURN(Json json, objectOf(text));
  const Json *named = findMember(json, baseKey);
  if (named && *named != "")
    return {};
  json[baseKey] = model.name();
  write(json, text);
  if (!model.isSeeded() && !model.isOfHub())
    notes.push_back(fmt::format("{}: {} is \"{}\", a path of this machine: the model's config.json has no "
                                "_name_or_path; set it to a name before you share the adapter",
                                text.file(), baseKey, model.name()));
  return {};
}

/// Token ids under the names of config.json.
void takeGgufIds(const GgufFile &file, Json &config) {
  constexpr std::pair<const char *, const char *> keys[] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                                            {"tokenizer.ggml.eos_token_id", endKey},
                                                            {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
  for (const auto &[ggufKey, key] : keys)
    if (const GgufValue *value = file.find(ggufKey); value && value->integer())
      config[key] = *value->integer();
}

Status takeOwnConfig(plan::Text &text, const ModelSource &model) {
  if (model.isSeeded())
    return {};
  FT_ASSIGN_OR_RETURN(Json config, objectOf(text));
  const Json planned = config;
  const std::string own = (std::filesystem::path(model.folder()) / "config.json").string();
  if (model.gguf()) {
    takeGgufIds(*model.gguf(), config);
  } else if (isNamed(own)) {
    FT_ASSIGN_OR_RETURN(config, readJsonObject(own));
    config = textPart(config).value_or(config);
    config.erase("dtype"); // the newer name of the other, and of the weights that the run started from
    config.erase(typeKey);
    if (const Json *type = findMember(planned, typeKey))
      config[typeKey] = *type;
  }
  write(config, text);
  return {};
}

/// A text that nobody has to change stays as it is, byte for byte.
Status addEnd(plan::Text &text, uint32_t end) {
  FT_ASSIGN_OR_RETURN(Json json, objectOf(text));
  Json &ids = json[endKey];
  const bool isList = ids.is_array();
  if (ids == end || (isList && std::find(ids.begin(), ids.end(), Json(end)) != ids.end()))
    return {};
  if (ids.is_null()) {
    ids = end;
  } else {
    Json all = Json::array({end});
    for (const Json &id : isList ? ids : Json::array({ids}))
      all.push_back(id);
    ids = std::move(all);
  }
  write(json, text);
  return {};
}

} // namespace

Expected<std::vector<std::string>> completeTexts(plan::Plan &plan, const ModelSource &model,
                                                 std::optional<uint32_t> end) {
  std::vector<std::string> notes;
  for (plan::Text &text : *plan.mutable_texts()) {
    const bool isConfig = text.file() == "config.json";
    if (text.file() == "adapter_config.json")
      FT_RETURN_IF_ERROR(nameBase(text, model, notes));
    if (isConfig)
      FT_RETURN_IF_ERROR(takeOwnConfig(text, model));
    if (!end || (!isConfig && text.file() != "generation_config.json"))
      continue;
    if (const Status status = addEnd(text, *end); !status.ok()) // a copy of the model's own, which is not the result
      notes.push_back(
          fmt::format("{}; it is copied as it is, and may not name token {}, which ends the trained samples",
                      status.message(), *end));
  }
  return notes;
}

} // namespace ft::rt
