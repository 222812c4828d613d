// Hugging Face's tokenizer.json.

#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/JsonMembers.h"
#include "runtime/Tokenizer/JsonSteps.h"
#include "runtime/Tokenizer/TokenizerConfig.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using nlohmann::json;

/// Tokens around every text; no template comes near it, and it bounds the work of reading many.
constexpr size_t MaxAround = 64;

Status readVocabulary(const json &vocabulary, uint64_t limit, std::vector<std::string> &tokens) {
  if (!vocabulary.is_object())
    return badInput("model.vocab is not an object");
  for (const auto &[token, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= limit)
      return badInput(
          fmt::format("token \"{}\" has id {}; must be an integer below {}", shown(token), shownJson(id), limit));
    const auto at = id.get<uint64_t>();
    tokens.resize(std::max<size_t>(tokens.size(), at + 1));
    tokens[at] = token;
  }
  return {};
}

Status readMerges(const json &merges, BytePairSpec &spec) {
  if (!merges.is_array())
    return badInput("model.merges is not an array");
  spec.merges.reserve(merges.size());
  for (const json &merge : merges) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      spec.merges.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t blank = text.find(' ', 1);
    if (blank == std::string::npos || blank + 1 == text.size())
      return badInput(fmt::format("model.merges[{}] is {}; must be two tokens", spec.merges.size(), shownJson(merge)));
    spec.merges.emplace_back(text.substr(0, blank), text.substr(blank + 1));
  }
  return {};
}

/// The number that `tokenizers` works with: its reader takes the digits as an integer and scales it by a power of ten,
/// which misses the nearest number by a bit once in seven times, and by that decides between ways of equal sums.
double asItsLibraryReads(double number) {
  char text[32];
  const char *end = std::to_chars(text, text + sizeof text, std::abs(number), std::chars_format::scientific).ptr;
  uint64_t digits = 0;
  int exponent = 0, behind = 0;
  const char *mark = std::find<const char *>(text, end, 'e');
  for (const char *at = text; at < mark; ++at)
    if (*at != '.') {
      digits = digits * 10 + uint64_t(*at - '0');
      behind += at > text;
    }
  std::from_chars(mark + (mark[1] == '+' ? 2 : 1), end, exponent);
  exponent -= behind;
  constexpr int largest = 308;
  auto power = [](int of) { return std::strtod(fmt::format("1e{}", of).c_str(), nullptr); };
  double result = double(digits);
  for (; exponent < -largest; exponent += largest)
    result /= power(largest);
  result = exponent < 0 ? result / power(-exponent) : result * power(exponent);
  return std::signbit(number) ? -result : result;
}

Status readUnigram(const json &model, TokenizerSpec &spec) {
  FT_RETURN_IF_ERROR(checkMembers(model, {"type", "unk_id", "vocab", "byte_fallback"}));
  UnigramSpec unigram;
  const json &vocabulary = member(model, "vocab"), &unknown = member(model, "unk_id");
  if (!vocabulary.is_array() || vocabulary.size() > MaxVocabulary)
    return badInput(fmt::format("model.vocab is not an array of at most {} tokens", MaxVocabulary));
  for (const json &entry : vocabulary) {
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number())
      return badInput(
          fmt::format("model.vocab[{}] is {}; must be a token and its score", spec.tokens.size(), shownJson(entry)));
    spec.tokens.push_back(entry[0].get<std::string>());
    unigram.scores.push_back(entry[1].is_number_float() ? asItsLibraryReads(entry[1].get<double>())
                                                        : entry[1].get<double>());
  }
  if (!unknown.is_number_unsigned() || unknown.get<uint64_t>() >= spec.tokens.size())
    return badInput(
        fmt::format("model.unk_id is {}; must be the id of a token, below {}", shownJson(unknown), spec.tokens.size()));
  unigram.unknown = unknown.get<uint32_t>();
  FT_ASSIGN_OR_RETURN(unigram.byteFallback, flagMember(model, "byte_fallback", false));
  spec.model = std::move(unigram);
  return {};
}

Status readModel(const json &model, uint64_t limit, TokenizerSpec &spec) {
  // Files of old say no type; a list of tokens with scores is a unigram model's.
  FT_ASSIGN_OR_RETURN(const std::string type,
                      textMember(model, "type", member(model, "vocab").is_array() ? "Unigram" : "BPE"));
  if (type == "Unigram")
    return readUnigram(model, spec);
  if (type != "BPE")
    return badInput(fmt::format("model is {}; must be BPE or Unigram", shown(type)));
  FT_RETURN_IF_ERROR(
      checkMembers(model, {"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix",
                           "fuse_unk", "byte_fallback", "ignore_merges", "vocab", "merges"}));
  for (const char *field : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (const json &value = member(model, field); !value.is_null() && value != json("") && value != json(0.0))
      return badInput(fmt::format("model.{} is {}; must be null", field, shownJson(value)));
  BytePairSpec pairs;
  FT_ASSIGN_OR_RETURN(pairs.ignoreMerges, flagMember(model, "ignore_merges", false));
  FT_ASSIGN_OR_RETURN(pairs.byteFallback, flagMember(model, "byte_fallback", false));
  FT_ASSIGN_OR_RETURN(pairs.fuseUnknown, flagMember(model, "fuse_unk", false));
  FT_ASSIGN_OR_RETURN(const std::string unknown, textMember(model, "unk_token", ""));
  if (!unknown.empty())
    pairs.unknown = unknown;
  FT_RETURN_IF_ERROR(readVocabulary(member(model, "vocab"), limit, spec.tokens));
  FT_RETURN_IF_ERROR(readMerges(member(model, "merges"), pairs));
  spec.model = std::move(pairs);
  return {};
}

Status readAddedTokens(const json &added, uint64_t limit, TokenizerSpec &spec) {
  if (!added.is_array() && !added.is_null())
    return badInput("added_tokens is not an array");
  for (const json &entry : added) {
    AddedToken token;
    FT_ASSIGN_OR_RETURN(token.content, textMember(entry, "content"));
    FT_ASSIGN_OR_RETURN(const uint64_t id, countMember(entry, "id"));
    if (id >= limit)
      return badInput(
          fmt::format("token \"{}\" has id {}; must be an integer below {}", shown(token.content), id, limit));
    token.id = uint32_t(id);
    if (id < spec.tokens.size() && !spec.tokens[id].empty() && spec.tokens[id] != token.content)
      return badInput(fmt::format("added token \"{}\" has id {}, which is \"{}\" in the vocabulary",
                                  shown(token.content), id, shown(spec.tokens[id])));
    FT_ASSIGN_OR_RETURN(token.special, flagMember(entry, "special", false));
    FT_ASSIGN_OR_RETURN(token.normalized, flagMember(entry, "normalized", !token.special));
    FT_ASSIGN_OR_RETURN(token.singleWord, flagMember(entry, "single_word", false));
    FT_ASSIGN_OR_RETURN(token.leftSpace, flagMember(entry, "lstrip", false));
    FT_ASSIGN_OR_RETURN(token.rightSpace, flagMember(entry, "rstrip", false));
    spec.added.push_back(std::move(token));
  }
  return {};
}

/// Ids of a name in the template's own table.
Status appendSpecial(const json &table, const std::string &name, std::vector<uint32_t> &ids) {
  const json &values = member(member(table, name.c_str()), "ids");
  if (!values.is_array() || values.empty())
    return badInput(fmt::format("the template names {}, of which special_tokens has no ids", shown(name)));
  for (const json &value : values) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() >= MaxVocabulary)
      return badInput(fmt::format("the template's id of {} is {}; must be a token's", shown(name), shownJson(value)));
    ids.push_back(value.get<uint32_t>());
  }
  return {};
}

/// What TemplateProcessing puts around one text.
Status readTemplate(const json &processor, TokenizerSpec &spec) {
  std::vector<uint32_t> before, behind;
  bool text = false;
  for (const json &part : member(processor, "single")) {
    const json &sequence = member(part, "Sequence"), &special = member(part, "SpecialToken");
    if (sequence.is_object() && !text && member(sequence, "id") == json("A")) {
      text = true;
      continue;
    }
    FT_ASSIGN_OR_RETURN(const std::string name, textMember(special, "id", ""));
    if (name.empty())
      return badInput(
          fmt::format("the template has the part {}; must be a SpecialToken, or Sequence A once", shownJson(part)));
    FT_RETURN_IF_ERROR(appendSpecial(member(processor, "special_tokens"), name, text ? behind : before));
  }
  if (!text)
    return badInput(fmt::format("the template {} has no text", shownJson(member(processor, "single"))));
  spec.prefix.insert(spec.prefix.begin(), before.begin(), before.end());
  spec.suffix.insert(spec.suffix.end(), behind.begin(), behind.end());
  if (spec.prefix.size() + spec.suffix.size() > MaxAround)
    return badInput(fmt::format("the templates put {} tokens around every text; at most {}",
                                spec.prefix.size() + spec.suffix.size(), MaxAround));
  return {};
}

Status readPostProcessor(const json &processor, TokenizerSpec &spec) {
  if (processor.is_null())
    return {};
  FT_ASSIGN_OR_RETURN(const std::string type, textMember(processor, "type"));
  if (type == "Sequence") {
    for (const json &part : member(processor, "processors"))
      FT_RETURN_IF_ERROR(readPostProcessor(part, spec));
    return {};
  }
  if (type == "TemplateProcessing")
    return readTemplate(processor, spec);
  if (type == "ByteLevel")
    return {}; // changes offsets alone
  if (type != "BertProcessing" && type != "RobertaProcessing")
    return badInput(fmt::format("{} is not supported; those supported are TemplateProcessing, ByteLevel, "
                                "BertProcessing, RobertaProcessing and Sequence",
                                shown(type)));
  for (auto [key, ids] : {std::pair("cls", &spec.prefix), {"sep", &spec.suffix}}) {
    const json &pair = member(processor, key);
    if (!pair.is_array() || pair.size() != 2 || !pair[1].is_number_unsigned() ||
        pair[1].get<uint64_t>() >= MaxVocabulary)
      return badInput(fmt::format("{} has \"{}\": {}; must be a token and its id", type, key, shownJson(pair)));
    ids->push_back(pair[1].get<uint32_t>());
  }
  return {};
}

bool mayMakeSeveralOfOne(const NormalizerStep &step) {
  if (const auto *replace = std::get_if<ReplaceStep>(&step))
    return replace->by.size() > 1 && std::count_if(replace->by.begin(), replace->by.end(),
                                                   [](char byte) { return (uint8_t(byte) & 0xC0) != 0x80; }) > 1;
  return std::holds_alternative<NormalForm>(step) || std::holds_alternative<LowercaseStep>(step) ||
         std::holds_alternative<PrependStep>(step) || std::holds_alternative<PrecompiledStep>(step);
}

/// "first" asks which pieces start where the text does. To `tokenizers` all do that one character of it became.
Status checkFirst(const TokenizerSpec &spec) {
  const bool grows = std::any_of(spec.normalizer.begin(), spec.normalizer.end(), mayMakeSeveralOfOne);
  for (size_t i = 1; grows && i < spec.preTokenizer.size(); ++i)
    if (const auto *space = std::get_if<MetaspaceStep>(&spec.preTokenizer[i]);
        space && space->prepend == MetaspaceStep::Prepend::First)
      return badInput("pre_tokenizer Metaspace: \"prepend_scheme\" is \"first\" behind another pre-tokenizer and a "
                      "normaliser that may make several characters of one, which is not supported; give the "
                      "model's tokenizer.model where it has one");
  return {};
}

Status readTokenizer(const json &file, TokenizerSpec &spec) {
  FT_RETURN_IF_ERROR(checkMembers(file, {"version", "truncation", "padding", "added_tokens", "normalizer",
                                         "pre_tokenizer", "post_processor", "decoder", "model"}));
  FT_ASSIGN_OR_RETURN(spec.normalizer, readNormalizer(member(file, "normalizer")));
  FT_ASSIGN_OR_RETURN(spec.preTokenizer, readPreTokenizer(member(file, "pre_tokenizer")));
  FT_RETURN_IF_ERROR(checkFirst(spec));
  FT_ASSIGN_OR_RETURN(spec.decoder, readDecoder(member(file, "decoder")));
  const json &model = member(file, "model"), &added = member(file, "added_tokens");
  // Ids are dense but for a few that were left free; a small file must not make the vocabulary large.
  const uint64_t limit = std::min<uint64_t>(MaxVocabulary, 2 * (member(model, "vocab").size() + added.size()) + 1024);
  FT_RETURN_IF_ERROR(readModel(model, limit, spec));
  FT_RETURN_IF_ERROR(readAddedTokens(added, limit, spec));
  if (Status status = readPostProcessor(member(file, "post_processor"), spec); !status.ok())
    return badInput(fmt::format("post_processor: {}", status.message()));
  return {};
}
} // namespace

Expected<TokenizerSpec> readJsonTokenizer(const std::string &folder) {
  TokenizerSpec spec;
  spec.source = (std::filesystem::path(folder) / "tokenizer.json").string();
  FT_ASSIGN_OR_RETURN(const json file, readJsonObject(spec.source));
  if (Status status = readTokenizer(file, spec); !status.ok())
    return badInput(fmt::format("{}: {}", spec.source, status.message()));
  if (!spec.prefix.empty())
    spec.bos = spec.prefix.front();
  FT_RETURN_IF_ERROR(readTokenizerConfig(folder, std::nullopt, spec));
  return spec;
}

} // namespace ft::rt
