// Mistral's tekken.json (mistral-common's Tekkenizer): byte-level BPE as tiktoken computes it.

#include "runtime/Support/Base64.h"
#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/ByteAlphabet.h"
#include "runtime/Tokenizer/JsonMembers.h"
#include "runtime/Tokenizer/TokenizerConfig.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <unordered_map>
#include <unordered_set>

namespace ft::rt {

namespace {

/// Of files that list none: what mistral-common takes up to the format's version 7. Those behind have no names.
constexpr std::string_view oldSpecials[] = {"<unk>",
                                            "<s>",
                                            "</s>",
                                            "[INST]",
                                            "[/INST]",
                                            "[AVAILABLE_TOOLS]",
                                            "[/AVAILABLE_TOOLS]",
                                            "[TOOL_RESULTS]",
                                            "[/TOOL_RESULTS]",
                                            "[TOOL_CALLS]",
                                            "[IMG]",
                                            "<pad>",
                                            "[IMG_BREAK]",
                                            "[IMG_END]",
                                            "[PREFIX]",
                                            "[MIDDLE]",
                                            "[SUFFIX]",
                                            "[SYSTEM_PROMPT]",
                                            "[/SYSTEM_PROMPT]",
                                            "[TOOL_CONTENT]"};
constexpr unsigned lastWithoutSpecials = 7;
constexpr uint64_t mostSpecials = 1 << 14; // published files have 1000; those that are not listed are made here

/// The number in "v7".
Expected<unsigned> readVersion(const Json &config) {
  FT_ASSIGN_OR_RETURN(const std::string text, textMember(config, "version"));
  unsigned number = 0;
  const char *end = text.data() + text.size();
  if (text.size() < 2 || text[0] != 'v' || std::from_chars(text.data() + 1, end, number).ptr != end)
    return badInput(fmt::format("config.version is \"{}\"; must be \"v\" and a number", shown(text)));
  return number;
}

/// `count` special tokens, of which the file may name fewer.
Status readSpecials(const Json &file, uint64_t count, TokenizerSpec &spec) {
  const Json &listed = member(file, "special_tokens");
  FT_ASSIGN_OR_RETURN(const unsigned version, readVersion(member(file, "config")));
  if (listed.is_null() && version > lastWithoutSpecials)
    return badInput(fmt::format("special_tokens is missing; files of version v{} must list them, only those up to v{} "
                                "need not",
                                version, lastWithoutSpecials));
  if (!listed.is_null() && (!listed.is_array() || listed.size() > count))
    return badInput(fmt::format("special_tokens is not an array of at most config.default_num_special_tokens = {} "
                                "tokens",
                                count));
  std::unordered_set<std::string> texts;
  for (uint64_t id = 0; id < count; ++id) {
    AddedToken token;
    token.id = uint32_t(id);
    token.special = true;
    token.content = fmt::format("<SPECIAL_{}>", id);
    if (listed.is_null() && id < std::size(oldSpecials)) {
      token.content = oldSpecials[id];
    } else if (id < listed.size()) {
      FT_ASSIGN_OR_RETURN(const uint64_t rank, countMember(listed[id], "rank"));
      if (rank != id)
        return badInput(fmt::format("special_tokens[{}] has rank {}; must be {}", id, rank, id));
      FT_ASSIGN_OR_RETURN(token.content, textMember(listed[id], "token_str"));
      FT_ASSIGN_OR_RETURN(token.special, flagMember(listed[id], "is_control", true));
    }
    if (token.content.empty() || !texts.insert(token.content).second)
      return badInput(fmt::format("special_tokens[{}] is \"{}\"; must have a text that no other has", id,
                                  shown(token.content, 40)));
    spec.added.push_back(std::move(token));
  }
  return {};
}

/// Tokens [0, count) of the vocabulary, as bytes. Every byte is a token of its own, at its own place.
Expected<std::vector<std::string>> readVocabulary(const Json &vocabulary, uint64_t count) {
  std::vector<std::string> tokens;
  for (const Json &entry : vocabulary) {
    if (tokens.size() == count)
      break;
    const size_t at = tokens.size();
    FT_ASSIGN_OR_RETURN(const uint64_t rank, countMember(entry, "rank"));
    FT_ASSIGN_OR_RETURN(const std::string written, textMember(entry, "token_bytes"));
    auto bytes = base64Bytes(written);
    if (rank != at || !bytes || bytes->empty() || bytes->size() > MaxPieceBytes)
      return badInput(
          fmt::format("vocab[{}] has rank {} and token_bytes \"{}\"; must have rank {}, and 1 to {} bytes in "
                      "base 64",
                      at, rank, shown(written, 40), at, MaxPieceBytes));
    if (at < 256 && *bytes != std::string(1, char(at)))
      return badInput(fmt::format("vocab[{}] is not the byte {}; the first 256 tokens must be the bytes", at, at));
    tokens.push_back(std::move(*bytes));
  }
  if (tokens.size() < std::max<uint64_t>(count, 256))
    return badInput(fmt::format("vocab has {} tokens; must have 256 for the bytes, and {} as config.default_vocab_size "
                                "less config.default_num_special_tokens",
                                tokens.size(), count));
  return tokens;
}

/// Every way to put a token together from two others: all have the token's own rank.
Expected<BytePairSpec> pairsOf(const std::vector<std::string> &tokens, const std::vector<std::string> &written) {
  std::unordered_map<std::string_view, size_t> places;
  places.reserve(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i)
    if (const auto [it, isNew] = places.emplace(tokens[i], i); !isNew)
      return badInput(
          fmt::format("vocab[{}] and vocab[{}] have the same bytes; each token must be there once", it->second, i));
  BytePairSpec pairs;
  pairs.ignoreMerges = true;
  pairs.rankByProduct = true;
  for (const std::string_view token : tokens)
    for (size_t cut = 1; cut < token.size(); ++cut)
      if (auto left = places.find(token.substr(0, cut)); left != places.end())
        if (auto right = places.find(token.substr(cut)); right != places.end())
          pairs.merges.emplace_back(written[left->second], written[right->second]);
  return pairs;
}

Status readTekken(const Json &file, TokenizerSpec &spec) {
  // What the last four say is about images, sounds and chats, not about text.
  FT_RETURN_IF_ERROR(checkMembers(file, {"config", "vocab", "special_tokens", "version", "type", "image", "multimodal",
                                         "audio", "model_settings_builder"}));
  const Json &config = member(file, "config"), &vocabulary = member(file, "vocab");
  FT_ASSIGN_OR_RETURN(const std::string pattern, textMember(config, "pattern"));
  FT_ASSIGN_OR_RETURN(const uint64_t size, countMember(config, "default_vocab_size"));
  FT_ASSIGN_OR_RETURN(const uint64_t specials, countMember(config, "default_num_special_tokens"));
  if (size > MaxVocabulary || specials > std::min(size, mostSpecials))
    return badInput(
        fmt::format("config.default_vocab_size is {} and config.default_num_special_tokens is {}; must be at "
                    "most {}, and at most {} and the former",
                    size, specials, MaxVocabulary, mostSpecials));
  FT_ASSIGN_OR_RETURN(const auto tokens, readVocabulary(vocabulary, size - specials));
  FT_RETURN_IF_ERROR(readSpecials(file, specials, spec));
  const ByteAlphabet alphabet;
  std::vector<std::string> written;
  for (const std::string &token : tokens) {
    std::string &text = written.emplace_back();
    for (char byte : token)
      appendUtf8(text, alphabet.character(uint8_t(byte)));
  }
  FT_ASSIGN_OR_RETURN(spec.model, pairsOf(tokens, written));
  spec.tokens.resize(specials); // these are no text
  spec.tokens.insert(spec.tokens.end(), written.begin(), written.end());
  spec.preTokenizer = {SplitStep{{pattern, true}, SplitBehavior::Isolated, false}, ByteLevelStep{false, false}};
  spec.decoder = {ByteLevelDecoding()};
  for (auto [name, id] : {std::pair("<s>", &spec.bos), {"</s>", &spec.eos}})
    for (const AddedToken &token : spec.added)
      if (token.content == name)
        *id = token.id;
  return {};
}

} // namespace

Expected<TokenizerSpec> readTekkenTokenizer(const std::string &folder) {
  TokenizerSpec spec;
  spec.source = (std::filesystem::path(folder) / "tekken.json").string();
  FT_ASSIGN_OR_RETURN(const Json file, readJsonObject(spec.source));
  if (Status status = readTekken(file, spec); !status.ok())
    return badInput(fmt::format("{}: {}", spec.source, status.message()));
  // Texts start with <s> where tokenizer_config.json does not say otherwise: as the models' tokenizer.json has it.
  FT_RETURN_IF_ERROR(readTokenizerConfig(folder, spec.bos ? std::optional(true) : std::nullopt, spec));
  return spec;
}

} // namespace ft::rt
