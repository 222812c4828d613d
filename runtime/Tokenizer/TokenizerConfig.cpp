#include "runtime/Tokenizer/TokenizerConfig.h"

#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/BesideJson.h"
#include "runtime/Tokenizer/JsonMembers.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <set>

namespace ft::rt {

namespace {
using nlohmann::json;
namespace fs = std::filesystem;

/// A token by name: a text, or an object with `content`.
std::optional<uint32_t> named(const json &config, const char *key, const TokenizerSpec &spec) {
  const json &value = member(config, key);
  const json &content = value.is_object() ? member(value, "content") : value;
  return content.is_string() ? idOfToken(spec, content.get_ref<const std::string &>()) : std::nullopt;
}

/// Tokens that were added to a tokenizer.model. What the model already has is not added again.
Status readAddedTokens(const json &added, const std::string &path, TokenizerSpec &spec) {
  std::vector<AddedToken> tokens;
  std::set<uint32_t> ids;
  for (const auto &[key, value] : added.items()) {
    AddedToken token;
    const auto id = key.size() > 9 || key.find_first_not_of("0123456789") != key.npos || key.empty() ? MaxVocabulary
                                                                                                     : std::stoull(key);
    const json &content = member(value, "content");
    if (id >= 2 * spec.tokens.size() + 1024 || id >= MaxVocabulary || !content.is_string())
      return badInput(fmt::format("{}: added token \"{}\" is {}; must be an id near the vocabulary's {} "
                                  "tokens, and an object with content",
                                  path, shown(key), shownJson(value), spec.tokens.size()));
    token.id = uint32_t(id);
    token.content = content.get<std::string>();
    if (id < spec.tokens.size() && spec.tokens[id] != token.content)
      return badInput(fmt::format("{}: added token \"{}\" is at {}, where tokenizer.model has \"{}\"", path,
                                  shown(token.content), id, shown(spec.tokens[id])));
    for (auto [flag, to] : {std::pair("special", &AddedToken::special),
                            {"single_word", &AddedToken::singleWord},
                            {"lstrip", &AddedToken::leftSpace},
                            {"rstrip", &AddedToken::rightSpace}}) {
      FT_ASSIGN_OR_RETURN(token.*to, flagMember(value, flag, false));
    }
    ids.insert(token.id);
    tokens.push_back(std::move(token));
  }
  std::erase_if(spec.added, [&](const AddedToken &own) { return ids.count(own.id) > 0; });
  spec.added.insert(spec.added.end(), tokens.begin(), tokens.end());
  return {};
}
} // namespace

std::optional<uint32_t> idOfToken(const TokenizerSpec &spec, std::string_view token) {
  for (const AddedToken &added : spec.added)
    if (added.content == token)
      return added.id;
  auto found = token.empty() ? spec.tokens.end() : std::find(spec.tokens.begin(), spec.tokens.end(), token);
  return found == spec.tokens.end() ? std::nullopt : std::optional(uint32_t(found - spec.tokens.begin()));
}

void setBeginsWithBos(TokenizerSpec &spec, bool begins) {
  if (!spec.bos)
    return;
  std::erase(spec.prefix, *spec.bos);
  if (begins)
    spec.prefix.insert(spec.prefix.begin(), *spec.bos);
}

Status readTokenizerConfig(const std::string &folder, std::optional<bool> addBos, TokenizerSpec &spec) {
  const std::string path = (fs::path(folder) / "tokenizer_config.json").string();
  FT_ASSIGN_OR_RETURN(const json config, readNamedTokens(folder));
  if (std::holds_alternative<PieceSpec>(spec.model)) {
    FT_RETURN_IF_ERROR(readAddedTokens(member(config, "added_tokens_decoder"), path, spec));
    FT_RETURN_IF_ERROR(readAddedTokens(member(config, addedFileKey), (fs::path(folder) / addedFileKey).string(), spec));
  }
  if (fs::path(spec.source).filename() == "tokenizer.json")
    FT_RETURN_IF_ERROR(readBesideJson(folder, config, spec));
  if (auto bos = named(config, "bos_token", spec))
    spec.bos = bos;
  if (auto eos = named(config, "eos_token", spec))
    spec.eos = eos;
  if (member(config, "add_bos_token").is_boolean())
    addBos = member(config, "add_bos_token").get<bool>();
  if (addBos && *addBos && !spec.bos)
    return badInput(fmt::format("{}: texts begin with a beginning-of-text token (add_bos_token), and no bos_token is "
                                "named; name it, or set add_bos_token to false",
                                path));
  if (addBos)
    setBeginsWithBos(spec, *addBos);
  if (member(config, "add_eos_token") == json(true) && spec.eos &&
      std::find(spec.suffix.begin(), spec.suffix.end(), *spec.eos) == spec.suffix.end())
    spec.suffix.push_back(*spec.eos);
  return {};
}

} // namespace ft::rt
