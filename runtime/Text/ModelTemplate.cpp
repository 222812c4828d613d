#include "runtime/Text/ModelTemplate.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Json.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Template/Template.h"
#include "runtime/Tokenizer/BesideJson.h"
#include "runtime/Tokenizer/JsonMembers.h"
#include "runtime/Weights/Gguf.h"

#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace {
namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char *TokenNames[] = {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token"};

/// A list of named templates: the one called "default", as transformers takes it.
Expected<std::string> namedTemplate(const json &list, const std::string &path) {
  std::string names;
  for (const json &item : list) {
    const json &name = member(item, "name"), &text = member(item, "template");
    if (name == "default" && text.is_string())
      return text.get<std::string>();
    if (name.is_string() && names.size() < 200)
      names += (names.empty() ? "" : ", ") + name.get<std::string>().substr(0, 40);
  }
  return badInput(fmt::format("{}: chat_template is a list without a template called \"default\" (found: {}); name a "
                              "file with template: \"FILE.jinja\"",
                              path, names.empty() ? "none" : names));
}

Status readConfig(const fs::path &folder, ModelTemplate &model) {
  const std::string path = (folder / "tokenizer_config.json").string();
  FT_ASSIGN_OR_RETURN(const json config, readNamedTokens(folder.string()));
  for (const char *name : TokenNames) {
    const json &token = member(config, name);
    const json &content = token.is_object() ? member(token, "content") : token;
    if (content.is_string())
      model.tokens.emplace_back(name, content.get<std::string>());
  }
  const json &text = member(config, "chat_template");
  if (text.is_null() || model.text)
    return {};
  model.source = path + ": chat_template";
  if (text.is_array()) {
    FT_ASSIGN_OR_RETURN(model.text, namedTemplate(text, path));
    return {};
  }
  FT_ASSIGN_OR_RETURN(model.text, textMember(config, "chat_template"));
  return {};
}

Expected<ModelTemplate> readFolder(const fs::path &folder) {
  ModelTemplate model;
  if (const fs::path file = folder / "chat_template.jinja"; isNamed(file)) {
    FT_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::open(file.string()));
    if (mapped.size() > Template::MaxBytes)
      return badInput(
          fmt::format("{}: has {} bytes; a template has at most {}", file.string(), mapped.size(), Template::MaxBytes));
    model.text.emplace(reinterpret_cast<const char *>(mapped.bytes().data()), mapped.size());
    model.source = file.string();
  }
  FT_RETURN_IF_ERROR(readConfig(folder, model));
  return model;
}

Expected<ModelTemplate> readGguf(const std::string &path) {
  FT_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::open(path));
  ModelTemplate model;
  model.source = path + ": tokenizer.chat_template";
  if (const GgufValue *text = file.find("tokenizer.chat_template"); text && text->text())
    model.text = *text->text();
  const GgufValue *tokens = file.find("tokenizer.ggml.tokens");
  for (const auto &[name, key] : {std::pair("bos_token", "tokenizer.ggml.bos_token_id"),
                                  {"eos_token", "tokenizer.ggml.eos_token_id"},
                                  {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                  {"pad_token", "tokenizer.ggml.padding_token_id"}}) {
    const GgufValue *id = file.find(key);
    const auto at = id ? id->integer() : std::nullopt;
    if (at && *at >= 0 && tokens && tokens->texts() && size_t(*at) < tokens->texts()->size())
      model.tokens.emplace_back(name, (*tokens->texts())[size_t(*at)]);
  }
  return model;
}
} // namespace

Expected<ModelTemplate> readModelTemplate(const std::string &modelPath) {
  std::error_code ignored;
  const fs::path path(modelPath);
  if (path.extension() == ".safetensors")
    return readFolder(path.has_parent_path() ? path.parent_path() : fs::path("."));
  return fs::is_directory(path, ignored) ? readFolder(path) : readGguf(modelPath);
}

} // namespace ft::rt
