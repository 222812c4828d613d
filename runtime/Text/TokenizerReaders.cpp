// Where tokenizers come from: GGUF's metadata and Hugging Face's tokenizer.json.

#include "runtime/Support/MappedFile.h"
#include "runtime/Text/Tokenizer.h"
#include "runtime/Weights/Gguf.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace ft::rt {

namespace {
using nlohmann::json;
namespace fs = std::filesystem;

/// Ids beyond this are no vocabulary: a file must not make the reader allocate for them.
constexpr uint64_t MaxVocabulary = 1u << 24;

//===-- GGUF ----------------------------------------------------------------------------------------------------===//

Status missing(const GgufFile &file, std::string_view key, std::string_view what) {
  return badInput(fmt::format("{}: metadata {} is missing or of the wrong kind; must be {}", file.path(), key, what));
}

/// ggml's token types (gguf.md): 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
Status readKinds(const GgufFile &file, TokenizerSpec &spec) {
  const GgufValue *types = file.find("tokenizer.ggml.token_type");
  if (!types || !types->integers())
    return missing(file, "tokenizer.ggml.token_type", "an array of integers");
  for (size_t id = 0; id < types->integers()->size(); ++id) {
    const int64_t type = (*types->integers())[id];
    if (type < 1 || type > 5)
      return badInput(fmt::format("{}: tokenizer.ggml.token_type[{}] is {}; must be 1 to 5 in a byte-level vocabulary",
                                  file.path(), id, type));
    spec.kinds.push_back(type == 3   ? TokenizerSpec::Kind::Control
                         : type == 4 ? TokenizerSpec::Kind::Added
                                     : TokenizerSpec::Kind::Normal);
  }
  return {};
}

Status readMerges(const GgufFile &file, TokenizerSpec &spec) {
  const GgufValue *merges = file.find("tokenizer.ggml.merges");
  if (!merges || !merges->texts())
    return missing(file, "tokenizer.ggml.merges", "an array of strings");
  for (size_t rank = 0; rank < merges->texts()->size(); ++rank) {
    const std::string &merge = (*merges->texts())[rank];
    const size_t blank = merge.find(' ', 1);
    if (blank == std::string::npos || blank + 1 == merge.size())
      return badInput(fmt::format("{}: tokenizer.ggml.merges[{}] is \"{}\"; must be two tokens with a blank between",
                                  file.path(), rank, merge));
    spec.merges.emplace_back(merge.substr(0, blank), merge.substr(blank + 1));
  }
  return {};
}

Expected<std::optional<uint32_t>> readSpecialId(const GgufFile &file, std::string_view key) {
  const GgufValue *value = file.find(key);
  if (!value)
    return std::optional<uint32_t>();
  const auto id = value->integer();
  if (!id || *id < 0 || *id > int64_t(MaxVocabulary))
    return missing(file, key, "a token id");
  return std::optional<uint32_t>(uint32_t(*id));
}

//===-- tokenizer.json ------------------------------------------------------------------------------------------===//

/// `json::value` without the exception where the value is there and of another type.
template <typename T> T valueOr(const json &object, const char *key, T fallback) {
  auto it = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || it == object.end() || it->is_null())
    return fallback;
  if constexpr (std::is_same_v<T, bool>)
    return it->is_boolean() ? it->template get<bool>() : fallback;
  else if constexpr (std::is_same_v<T, std::string>)
    return it->is_string() ? it->template get<std::string>() : fallback;
  else
    return it->is_number_integer() ? it->template get<T>() : fallback;
}

const json &member(const json &object, const char *key) {
  static const json nothing;
  if (!object.is_object())
    return nothing;
  auto it = object.find(key);
  return it == object.end() ? nothing : *it;
}

Expected<json> readJson(const std::string &path) {
  FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const auto *begin = reinterpret_cast<const char *>(file.bytes().data());
  // Nothing that is read lies deeper than 8 levels; a hostile file must not make later recursion deep.
  const json::parser_callback_t shallow = [](int depth, json::parse_event_t, json &) { return depth <= 32; };
  json parsed = json::parse(begin, begin + file.size(), shallow, /*allow_exceptions=*/false);
  if (!parsed.is_object())
    return badInput(fmt::format("{}: is not a JSON object", path));
  return parsed;
}

/// The name of GGUF's list that a tokenizer.json's pre_tokenizer amounts to, or nothing.
std::string preTokenizerName(const json &pre) {
  const std::string type = valueOr<std::string>(pre, "type", "");
  auto isByteLevel = [](const json &part, bool regex) {
    return valueOr<std::string>(part, "type", "") == "ByteLevel" && !valueOr(part, "add_prefix_space", true) &&
           valueOr(part, "use_regex", true) == regex;
  };
  if (isByteLevel(pre, true))
    return "gpt-2";
  const json &parts = member(pre, "pretokenizers");
  if (type != "Sequence" || !parts.is_array() || parts.size() != 2)
    return "";
  const std::string first = valueOr<std::string>(parts[0], "type", "");
  if (first == "Digits" && valueOr(parts[0], "individual_digits", false) && isByteLevel(parts[1], true))
    return "smollm";
  if (first == "Split" && valueOr<std::string>(parts[0], "behavior", "") == "Isolated" &&
      !valueOr(parts[0], "invert", false) && isByteLevel(parts[1], false))
    return std::string(PreTokenizer::nameOfPattern(valueOr<std::string>(member(parts[0], "pattern"), "Regex", "")));
  return "";
}

/// Puts a token at its id, below `limit`; the vocabulary grows to it.
Status place(TokenizerSpec &spec, const std::string &token, const json &id, TokenizerSpec::Kind kind, uint64_t limit) {
  if (!id.is_number_unsigned() || id.get<uint64_t>() >= limit)
    return badInput(
        fmt::format("{}: token \"{}\" has id {}; must be an integer below {}", spec.source, token, id.dump(), limit));
  const auto at = id.get<uint64_t>();
  if (at >= spec.tokens.size()) {
    spec.tokens.resize(at + 1);
    spec.kinds.resize(at + 1, TokenizerSpec::Kind::Normal);
  }
  spec.tokens[at] = token;
  spec.kinds[at] = kind;
  return {};
}

Status readModel(const json &model, TokenizerSpec &spec, uint64_t limit) {
  const std::string type = valueOr<std::string>(model, "type", "BPE");
  if (type != "BPE" || valueOr(model, "byte_fallback", false))
    return badInput(fmt::format("{}: model is {}{}; only byte-level BPE is supported (SentencePiece follows later)",
                                spec.source, type, type == "BPE" ? " with byte_fallback" : ""));
  for (const char *field : {"dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"})
    if (const json &value = member(model, field); !value.is_null() && value != json(""))
      return badInput(fmt::format("{}: model.{} is {}; must be null", spec.source, field, value.dump()));
  spec.ignoreMerges = valueOr(model, "ignore_merges", false);
  const json &vocabulary = member(model, "vocab"), &merges = member(model, "merges");
  if (!vocabulary.is_object() || !merges.is_array())
    return badInput(fmt::format("{}: model.vocab must be an object and model.merges an array", spec.source));
  for (const auto &[token, id] : vocabulary.items())
    FT_RETURN_IF_ERROR(place(spec, token, id, TokenizerSpec::Kind::Normal, limit));
  for (const json &merge : merges) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t blank = text.find(' ', 1);
    if (blank == std::string::npos || blank + 1 == text.size())
      return badInput(fmt::format("{}: model.merges[{}] is {}; must be two tokens", spec.source, spec.merges.size(),
                                  merge.dump(-1, ' ', false, json::error_handler_t::replace)));
    spec.merges.emplace_back(text.substr(0, blank), text.substr(blank + 1));
  }
  return {};
}

Status readAddedTokens(const json &added, TokenizerSpec &spec, uint64_t limit) {
  if (!added.is_array() && !added.is_null())
    return badInput(fmt::format("{}: added_tokens must be an array", spec.source));
  for (const json &token : added) {
    const std::string content = valueOr<std::string>(token, "content", "");
    for (const char *flag : {"lstrip", "rstrip", "single_word"})
      if (valueOr(token, flag, false))
        return badInput(fmt::format("{}: added token \"{}\" has {}: true, which is not supported; must be false",
                                    spec.source, content, flag));
    const bool special = valueOr(token, "special", false);
    const json &id = member(token, "id");
    FT_RETURN_IF_ERROR(
        place(spec, content, id, special ? TokenizerSpec::Kind::Control : TokenizerSpec::Kind::Added, limit));
    if (valueOr(token, "normalized", !special))
      spec.normalized.insert(id.get<uint32_t>());
  }
  return {};
}

std::optional<uint32_t> idOf(const TokenizerSpec &spec, const std::string &token) {
  for (uint32_t id = 0; id < spec.tokens.size(); ++id)
    if (spec.tokens[id] == token && !token.empty())
      return id;
  return std::nullopt;
}

/// TemplateProcessing, alone or in a Sequence, whose single form starts with a special token: that is BOS.
void readPostProcessor(const json &processor, TokenizerSpec &spec) {
  for (const json &part : member(processor, "processors"))
    readPostProcessor(part, spec);
  const json &single = member(processor, "single");
  if (!single.is_array() || single.empty())
    return;
  if (auto id = idOf(spec, valueOr<std::string>(member(single[0], "SpecialToken"), "id", ""))) {
    spec.bos = id;
    spec.addBos = true;
  }
}

/// tokenizer_config.json beside it names the special tokens: as text, or as an object with `content`.
void readSpecialNames(const json &config, TokenizerSpec &spec) {
  auto named = [&](const char *key) {
    const json &value = member(config, key);
    return idOf(spec, value.is_string() ? value.get<std::string>() : valueOr<std::string>(value, "content", ""));
  };
  if (auto bos = named("bos_token"))
    spec.bos = bos;
  spec.eos = named("eos_token");
  spec.addBos = valueOr(config, "add_bos_token", spec.addBos);
}

} // namespace

Expected<TokenizerSpec> readGgufTokenizer(const GgufFile &file) {
  const std::string &path = file.path();
  auto textOf = [&](std::string_view key) {
    const GgufValue *value = file.find(key);
    return value && value->text() ? *value->text() : std::string();
  };
  const std::string model = textOf("tokenizer.ggml.model");
  if (model != "gpt2")
    return badInput(fmt::format("{}: tokenizer.ggml.model is \"{}\"{}; only \"gpt2\" (byte-level BPE) is supported",
                                path, model, model == "llama" ? " (SentencePiece, which follows later)" : ""));
  TokenizerSpec spec;
  spec.source = path;
  spec.pre = textOf("tokenizer.ggml.pre");
  const GgufValue *tokens = file.find("tokenizer.ggml.tokens");
  if (!tokens || !tokens->texts())
    return missing(file, "tokenizer.ggml.tokens", "an array of strings");
  spec.tokens = *tokens->texts();
  FT_RETURN_IF_ERROR(readKinds(file, spec));
  FT_RETURN_IF_ERROR(readMerges(file, spec));
  FT_ASSIGN_OR_RETURN(spec.bos, readSpecialId(file, "tokenizer.ggml.bos_token_id"));
  FT_ASSIGN_OR_RETURN(spec.eos, readSpecialId(file, "tokenizer.ggml.eos_token_id"));
  // llama.cpp's defaults where a file does not say.
  spec.ignoreMerges = spec.addBos = spec.pre == "llama-bpe";
  if (const GgufValue *addBos = file.find("tokenizer.ggml.add_bos_token"))
    spec.addBos = addBos->flag().value_or(spec.addBos);
  if (const GgufValue *prefix = file.find("tokenizer.ggml.add_space_prefix"); prefix && prefix->flag().value_or(false))
    return badInput(fmt::format("{}: tokenizer.ggml.add_space_prefix is true; must be false for byte-level BPE", path));
  return spec;
}

Expected<TokenizerSpec> readJsonTokenizer(const std::string &folder) {
  TokenizerSpec spec;
  spec.source = (fs::path(folder) / "tokenizer.json").string();
  FT_ASSIGN_OR_RETURN(const json file, readJson(spec.source));
  if (const json &normalizer = member(file, "normalizer"); !normalizer.is_null())
    return badInput(fmt::format("{}: normalizer {} is not supported; must be null", spec.source, normalizer.dump()));
  spec.pre = preTokenizerName(member(file, "pre_tokenizer"));
  const json &model = member(file, "model"), &added = member(file, "added_tokens");
  // Ids are dense but for a few that were left free; a small file must not make the vocabulary large.
  const uint64_t limit = std::min<uint64_t>(MaxVocabulary, 2 * (member(model, "vocab").size() + added.size()) + 1024);
  FT_RETURN_IF_ERROR(readModel(model, spec, limit));
  if (spec.pre.empty())
    return badInput(fmt::format("{}: pre_tokenizer {} is not known; those known are GPT-2's ByteLevel, SmolLM's Digits "
                                "and ByteLevel, and Llama 3's Split and ByteLevel",
                                spec.source, member(file, "pre_tokenizer").dump()));
  FT_RETURN_IF_ERROR(readAddedTokens(added, spec, limit));
  readPostProcessor(member(file, "post_processor"), spec);
  const fs::path config = fs::path(folder) / "tokenizer_config.json";
  std::error_code ignored;
  if (fs::exists(config, ignored)) {
    FT_ASSIGN_OR_RETURN(const json names, readJson(config.string()));
    readSpecialNames(names, spec);
  }
  return spec;
}

Expected<Tokenizer> loadTokenizer(const std::string &modelPath) {
  std::error_code ignored;
  fs::path folder(modelPath);
  if (folder.extension() == ".safetensors") {
    folder = folder.has_parent_path() ? folder.parent_path() : ".";
  } else if (!fs::is_directory(folder, ignored)) {
    FT_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::open(modelPath));
    FT_ASSIGN_OR_RETURN(TokenizerSpec spec, readGgufTokenizer(file));
    return Tokenizer::create(std::move(spec));
  }
  if (!fs::exists(folder / "tokenizer.json", ignored)) {
    const bool sentencePiece = fs::exists(folder / "tokenizer.model", ignored);
    return badInput(fmt::format("{}: holds no tokenizer.json{}", folder.string(),
                                sentencePiece ? ", but a tokenizer.model (SentencePiece), which is not supported yet"
                                              : "; put the model's tokenizer files there"));
  }
  FT_ASSIGN_OR_RETURN(TokenizerSpec spec, readJsonTokenizer(folder.string()));
  return Tokenizer::create(std::move(spec));
}

} // namespace ft::rt
