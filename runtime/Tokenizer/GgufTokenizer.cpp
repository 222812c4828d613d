// The tokenizer in a GGUF file's metadata (ggml's docs/gguf.md): kinds "gpt2" and "llama".

#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/GgufPreTokenizers.h"
#include "runtime/Tokenizer/TokenizerConfig.h"
#include "runtime/Weights/Gguf.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
Status missing(std::string_view key, std::string_view what) {
  return badInput(fmt::format("metadata {} is missing or of the wrong kind; must be {}", key, what));
}

std::string textOf(const GgufFile &file, std::string_view key) {
  const GgufValue *value = file.find(key);
  return value && value->text() ? *value->text() : std::string();
}

Expected<bool> flagOf(const GgufFile &file, std::string_view key, bool fallback) {
  const GgufValue *value = file.find(key);
  if (value && !value->flag())
    return missing(key, "true or false");
  return value ? *value->flag() : fallback;
}

constexpr std::string_view Prefix = "tokenizer.ggml.";
/// Behind the prefix: what llama.cpp's kinds of tokenizers look at (its gguf-py/gguf/constants.py names the keys). What
/// is not read here is for other kinds, for generation, or a name of a token that has its place in texts by its type.
constexpr std::string_view KnownKeys[] = {"model",
                                          "pre",
                                          "tokens",
                                          "token_type",
                                          "token_type_count",
                                          "scores",
                                          "merges",
                                          "bos_token_id",
                                          "eos_token_id",
                                          "eos_token_ids",
                                          "eot_token_id",
                                          "eom_token_id",
                                          "unknown_token_id",
                                          "seperator_token_id", // as ggml spells it
                                          "separator_token_id",
                                          "padding_token_id",
                                          "mask_token_id",
                                          "cls_token_id",
                                          "add_bos_token",
                                          "add_eos_token",
                                          "add_sep_token",
                                          "add_space_prefix",
                                          "remove_extra_whitespaces",
                                          "precompiled_charsmap",
                                          "prefix_token_id",
                                          "suffix_token_id",
                                          "middle_token_id",
                                          "fim_pre_token_id",
                                          "fim_suf_token_id",
                                          "fim_mid_token_id",
                                          "fim_pad_token_id",
                                          "fim_rep_token_id",
                                          "fim_sep_token_id"};

Status checkKeys(const GgufFile &file) {
  for (auto entry = file.metadata().lower_bound(Prefix); entry != file.metadata().end(); ++entry) {
    if (!entry->first.starts_with(Prefix))
      break;
    const std::string_view key = std::string_view(entry->first).substr(Prefix.size());
    if (std::find(std::begin(KnownKeys), std::end(KnownKeys), key) == std::end(KnownKeys))
      return badInput(fmt::format("metadata {} is not known, and may change how texts are cut; remove it where it does "
                                  "not, or give the model's folder with tokenizer.json",
                                  shown(entry->first)));
  }
  return {};
}

Expected<std::optional<uint32_t>> readId(const GgufFile &file, std::string_view key) {
  const GgufValue *value = file.find(key);
  if (!value)
    return std::optional<uint32_t>();
  const auto id = value->integer();
  if (!id || *id < 0 || *id > int64_t(MaxVocabulary))
    return missing(key, "a token id");
  return std::optional<uint32_t>(uint32_t(*id));
}

Expected<std::vector<PieceType>> readTypes(const GgufFile &file, size_t tokens, int64_t highest) {
  const GgufValue *types = file.find("tokenizer.ggml.token_type");
  if (!types || !types->integers() || types->integers()->size() != tokens)
    return missing("tokenizer.ggml.token_type", fmt::format("an array of {} integers", tokens));
  std::vector<PieceType> result;
  for (int64_t type : *types->integers()) {
    if (type < 1 || type > highest)
      return badInput(fmt::format("tokenizer.ggml.token_type[{}] is {}; must be 1 to {} in this kind of vocabulary",
                                  result.size(), type, highest));
    result.push_back(PieceType(type));
  }
  return result;
}

Expected<BytePairSpec> readMerges(const GgufFile &file) {
  const GgufValue *merges = file.find("tokenizer.ggml.merges");
  if (!merges || !merges->texts())
    return missing("tokenizer.ggml.merges", "an array of strings");
  BytePairSpec spec;
  for (const std::string &merge : *merges->texts()) {
    const size_t blank = merge.find(' ', 1);
    if (blank == std::string::npos || blank + 1 == merge.size())
      return badInput(fmt::format("tokenizer.ggml.merges[{}] is \"{}\"; must be two tokens with a blank between",
                                  spec.merges.size(), merge));
    spec.merges.emplace_back(merge.substr(0, blank), merge.substr(blank + 1));
  }
  return spec;
}

/// Control tokens, and others that are matched as they stand.
void addTokens(const std::vector<PieceType> &types, std::initializer_list<PieceType> specials, PieceType plain,
               TokenizerSpec &spec) {
  for (uint32_t id = 0; id < spec.tokens.size(); ++id) {
    const bool special = std::find(specials.begin(), specials.end(), types[id]) != specials.end();
    if ((special || types[id] == plain) && !spec.tokens[id].empty())
      spec.added.push_back({spec.tokens[id], id, special});
  }
}

/// What stands around every text.
Status readEnds(const GgufFile &file, bool addBos, TokenizerSpec &spec) {
  FT_ASSIGN_OR_RETURN(const bool begins, flagOf(file, "tokenizer.ggml.add_bos_token", addBos));
  FT_ASSIGN_OR_RETURN(const bool ends, flagOf(file, "tokenizer.ggml.add_eos_token", false));
  setBeginsWithBos(spec, begins);
  if (ends && spec.eos)
    spec.suffix.push_back(*spec.eos);
  return {};
}

/// Byte-level BPE.
Status readGpt2(const GgufFile &file, TokenizerSpec &spec) {
  const std::string pre = textOf(file, "tokenizer.ggml.pre");
  FT_ASSIGN_OR_RETURN(GgufPreTokenizer steps, ggufPreTokenizer(pre));
  spec.normalizer = std::move(steps.normalizer);
  spec.preTokenizer = std::move(steps.preTokenizer);
  spec.decoder = {ByteLevelDecoding()};
  FT_ASSIGN_OR_RETURN(const auto types, readTypes(file, spec.tokens.size(), 5));
  FT_ASSIGN_OR_RETURN(BytePairSpec pairs, readMerges(file));
  pairs.ignoreMerges = steps.ignoreMerges;
  spec.model = std::move(pairs);
  addTokens(types, {PieceType::Control}, PieceType::UserDefined, spec);
  FT_ASSIGN_OR_RETURN(const bool spacePrefix, flagOf(file, "tokenizer.ggml.add_space_prefix", false));
  if (spacePrefix)
    return badInput("tokenizer.ggml.add_space_prefix is true; must be false for byte-level BPE");
  return readEnds(file, steps.addBos, spec);
}

/// Leaves one token of type unknown. Some converters give that type to none, others also to what fills the vocabulary
/// up; the file then names the one.
Status chooseUnknown(const GgufFile &file, std::vector<PieceType> &types) {
  const auto count = std::count(types.begin(), types.end(), PieceType::Unknown);
  if (count == 1)
    return {};
  FT_ASSIGN_OR_RETURN(const auto unknown, readId(file, "tokenizer.ggml.unknown_token_id"));
  if (!unknown || *unknown >= types.size())
    return badInput(
        fmt::format("{} tokens have type 2 (unknown), and tokenizer.ggml.unknown_token_id names none; one is "
                    "needed",
                    count));
  std::replace(types.begin(), types.end(), PieceType::Unknown, PieceType::Unused);
  types[*unknown] = PieceType::Unknown;
  return {};
}

/// SentencePiece's BPE, without its character map.
Status readLlama(const GgufFile &file, TokenizerSpec &spec) {
  PieceSpec pieces;
  FT_ASSIGN_OR_RETURN(pieces.types, readTypes(file, spec.tokens.size(), 6));
  const GgufValue *scores = file.find("tokenizer.ggml.scores");
  if (!scores || !scores->reals() || scores->reals()->size() != spec.tokens.size())
    return missing("tokenizer.ggml.scores", fmt::format("an array of {} numbers", spec.tokens.size()));
  pieces.scores.assign(scores->reals()->begin(), scores->reals()->end());
  pieces.byteFallback = std::count(pieces.types.begin(), pieces.types.end(), PieceType::Byte) > 0;
  FT_RETURN_IF_ERROR(chooseUnknown(file, pieces.types));
  SentencePieceStep step;
  FT_ASSIGN_OR_RETURN(step.addDummyPrefix, flagOf(file, "tokenizer.ggml.add_space_prefix", true));
  FT_ASSIGN_OR_RETURN(step.removeExtraSpaces, flagOf(file, "tokenizer.ggml.remove_extra_whitespaces", false));
  for (uint32_t id = 0; id < spec.tokens.size(); ++id)
    if (pieces.types[id] == PieceType::UserDefined)
      step.fixed.push_back(spec.tokens[id]);
  spec.decoder = sentencePieceDecoder(step.addDummyPrefix);
  spec.normalizer.push_back(std::move(step));
  addTokens(pieces.types, {PieceType::Control, PieceType::Unknown}, PieceType::Control, spec);
  spec.model = std::move(pieces);
  return readEnds(file, true, spec);
}

Status readTokenizer(const GgufFile &file, TokenizerSpec &spec) {
  FT_RETURN_IF_ERROR(checkKeys(file));
  const std::string model = textOf(file, "tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama")
    return badInput(fmt::format("tokenizer.ggml.model is \"{}\"; must be \"gpt2\" (byte-level BPE) or \"llama\" "
                                "(SentencePiece's BPE)",
                                model));
  const GgufValue *tokens = file.find("tokenizer.ggml.tokens");
  if (!tokens || !tokens->texts())
    return missing("tokenizer.ggml.tokens", "an array of strings");
  spec.tokens = *tokens->texts();
  FT_ASSIGN_OR_RETURN(spec.bos, readId(file, "tokenizer.ggml.bos_token_id"));
  FT_ASSIGN_OR_RETURN(spec.eos, readId(file, "tokenizer.ggml.eos_token_id"));
  for (const auto &[what, id] : {std::pair("beginning-of-text", spec.bos), {"end-of-text", spec.eos}})
    if (id && *id >= spec.tokens.size())
      return badInput(
          fmt::format("the {} id is {}; must be below the vocabulary's {} tokens", what, *id, spec.tokens.size()));
  return model == "gpt2" ? readGpt2(file, spec) : readLlama(file, spec);
}
} // namespace

Expected<TokenizerSpec> readGgufTokenizer(const GgufFile &file) {
  TokenizerSpec spec;
  spec.source = file.path();
  if (Status status = readTokenizer(file, spec); !status.ok())
    return badInput(fmt::format("{}: {}", spec.source, status.message()));
  return spec;
}

} // namespace ft::rt
