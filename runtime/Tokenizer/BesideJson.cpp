#include "runtime/Tokenizer/BesideJson.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/JsonMembers.h"
#include "runtime/Tokenizer/TokenizerConfig.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>
#include <unordered_map>

namespace ft::rt {

namespace {
constexpr char decoderKey[] = "added_tokens_decoder";
constexpr const char *nameKeys[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                    "pad_token", "cls_token", "mask_token"};
constexpr const char *listKeys[] = {"additional_special_tokens", "extra_special_tokens"};

/// A token as a name says it: a text, or an object with `content`.
const Json &contentOf(const Json &value) { return value.is_object() ? member(value, "content") : value; }

class Beside {
public:
  explicit Beside(TokenizerSpec &spec) : spec(spec) {
    for (size_t i = 0; i < spec.added.size(); ++i)
      addedAt.emplace(spec.added[i].content, i);
  }

  bool isAdded(const std::string &content) const { return addedAt.contains(content); }
  bool isKnown(const std::string &content) { return isAdded(content) || ids().contains(content); }

  /// A known token with these flags.
  void put(AddedToken token) {
    const auto at = addedAt.find(token.content);
    token.id = at != addedAt.end() ? spec.added[at->second].id : ids().at(token.content);
    if (at != addedAt.end()) {
      spec.added[at->second] = std::move(token);
      return;
    }
    addedAt.emplace(token.content, spec.added.size());
    spec.added.push_back(std::move(token));
  }

  Status refuse(const std::string &place, const std::string &content) const {
    return badInput(fmt::format("{} is \"{}\", which {} does not have; load the folder with AutoTokenizer and save it "
                                "again with save_pretrained, and give the model a row for it",
                                place, shown(content), spec.source));
  }

  /// An entry of added_tokens_decoder.
  Status entry(const std::string &place, const Json &value) {
    const Json &content = member(value, "content");
    if (!content.is_string())
      return badInput(fmt::format("{} is {}; must be an object with content", place, shownJson(value)));
    AddedToken token;
    token.content = content.get<std::string>();
    if (!isKnown(token.content))
      return refuse(place, token.content);
    FT_ASSIGN_OR_RETURN(token.special, flagMember(value, "special", false));
    FT_ASSIGN_OR_RETURN(token.normalized, flagMember(value, "normalized", !token.special));
    FT_ASSIGN_OR_RETURN(token.singleWord, flagMember(value, "single_word", false));
    FT_ASSIGN_OR_RETURN(token.leftSpace, flagMember(value, "lstrip", false));
    FT_ASSIGN_OR_RETURN(token.rightSpace, flagMember(value, "rstrip", false));
    put(std::move(token));
    return {};
  }

  /// What a name says: a token of its own wherever it is in a text.
  Status name(const std::string &place, const Json &value, bool needed) {
    const Json &content = contentOf(value);
    if (!content.is_string() || content.get_ref<const std::string &>().empty())
      return {};
    const auto text = content.get<std::string>();
    if (!isKnown(text))
      return needed ? refuse(place, text) : Status();
    if (isAdded(text))
      return {};
    AddedToken token;
    token.content = text;
    token.special = true;
    if (value.is_object()) {
      FT_ASSIGN_OR_RETURN(token.normalized, flagMember(value, "normalized", false));
      FT_ASSIGN_OR_RETURN(token.singleWord, flagMember(value, "single_word", false));
      FT_ASSIGN_OR_RETURN(token.leftSpace, flagMember(value, "lstrip", false));
      FT_ASSIGN_OR_RETURN(token.rightSpace, flagMember(value, "rstrip", false));
    }
    put(std::move(token));
    return {};
  }

private:
  /// Of the vocabulary; few files need it.
  const std::unordered_map<std::string, uint32_t> &ids() {
    for (size_t id = idOf.empty() ? spec.tokens.size() : 0; id-- > 0;)
      if (!spec.tokens[id].empty())
        idOf[spec.tokens[id]] = uint32_t(id);
    return idOf;
  }

  TokenizerSpec &spec;
  std::unordered_map<std::string, size_t> addedAt; ///< index of spec.added
  std::unordered_map<std::string, uint32_t> idOf;
};

/// Null where there is no such file.
Expected<Json> optionalFile(const std::string &path) {
  if (!isNamed(path))
    return Json();
  return readJsonObject(path);
}

std::set<std::string> namedTokens(const Json &config) {
  std::set<std::string> names;
  auto add = [&](const Json &value) {
    if (const Json &content = contentOf(value); content.is_string())
      names.insert(content.get<std::string>());
  };
  for (const char *key : nameKeys)
    add(member(config, key));
  for (const char *key : listKeys)
    for (const Json &value : member(config, key))
      add(value);
  return names;
}
} // namespace

Expected<Json> readNamedTokens(const std::string &folder) {
  auto pathOf = [&](const char *name) { return (std::filesystem::path(folder) / name).string(); };
  FT_ASSIGN_OR_RETURN(Json config, optionalFile(pathOf("tokenizer_config.json")));
  if (config.is_object())
    config.erase(addedFileKey); // no name of its own
  if (member(config, decoderKey).is_object())
    return config;
  FT_ASSIGN_OR_RETURN(const Json names, optionalFile(pathOf("special_tokens_map.json")));
  for (const auto &[key, value] : names.items())
    config[key] = value;
  FT_ASSIGN_OR_RETURN(const Json tokens, optionalFile(pathOf(addedFileKey)));
  const std::set<std::string> special = namedTokens(config);
  Json added = Json::object();
  for (const auto &[content, id] : tokens.items())
    added[shownJson(id)] = {{"content", content}, {"special", special.contains(content)}};
  if (!added.empty())
    config[addedFileKey] = std::move(added);
  return config;
}

Status readBesideJson(const std::string &folder, const Json &config, TokenizerSpec &spec) {
  const std::string path = (std::filesystem::path(folder) / "tokenizer_config.json").string();
  Beside beside(spec);
  for (const auto &[id, value] : member(config, decoderKey).items())
    FT_RETURN_IF_ERROR(beside.entry(fmt::format("{}: {}.{}", path, decoderKey, shown(id)), value));
  // Those of the file of old are plain where tokenizer.json has them: its flags hold.
  for (const auto &[id, value] : member(config, addedFileKey).items())
    if (!beside.isKnown(contentOf(value).get_ref<const std::string &>()))
      return beside.refuse(
          fmt::format("{}: token {}", (std::filesystem::path(folder) / addedFileKey).string(), shown(id)),
          contentOf(value).get<std::string>());
  for (const char *key : nameKeys)
    FT_RETURN_IF_ERROR(beside.name(fmt::format("{}: {}", path, key), member(config, key),
                                   key == std::string_view("bos_token") || key == std::string_view("eos_token")));
  for (const char *key : listKeys)
    for (const auto &[inner, value] : member(config, key).items())
      FT_RETURN_IF_ERROR(beside.name(fmt::format("{}: {}.{}", path, key, shown(inner)), value, /*needed=*/true));
  if (member(config, "split_special_tokens") == Json(true))
    return badInput(fmt::format("{}: split_special_tokens is true, which is not supported: the texts of control tokens "
                                "would be cut up; set it to false",
                                path));
  return {};
}

} // namespace ft::rt
