#include "runtime/Tokenizer/JsonSteps.h"

#include "runtime/Support/Base64.h"
#include "runtime/Tokenizer/JsonMembers.h"

#include <array>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using nlohmann::json;

constexpr std::array<std::string_view, 5> Behaviors = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
                                                       "Contiguous"};
constexpr std::array<std::string_view, 3> Prepends = {"never", "first", "always"};

/// The place of a name in its list.
template <size_t N>
Expected<uint8_t> choice(const json &object, const char *key, const std::array<std::string_view, N> &names,
                         std::string_view fallback) {
  FT_ASSIGN_OR_RETURN(const std::string name, textMember(object, key, std::string(fallback)));
  std::string all;
  for (size_t i = 0; i < N; ++i) {
    if (names[i] == name)
      return uint8_t(i);
    all += fmt::format("{}{}", i ? ", " : "", names[i]);
  }
  return badInput(fmt::format("\"{}\" is \"{}\"; must be one of {}", key, name, all));
}

Expected<TextPattern> readPattern(const json &object) {
  const json &pattern = member(object, "pattern");
  TextPattern result;
  result.regex = !member(pattern, "Regex").is_null();
  if (!pattern.is_object() || pattern.size() != 1)
    return badInput(fmt::format("\"pattern\" is {}; must be a String or a Regex", shownJson(pattern)));
  FT_ASSIGN_OR_RETURN(result.text, textMember(pattern, result.regex ? "Regex" : "String"));
  return result;
}

Expected<ReplaceStep> readReplace(const json &object) {
  FT_RETURN_IF_ERROR(checkMembers(object, {"type", "pattern", "content"}));
  ReplaceStep step;
  FT_ASSIGN_OR_RETURN(step.pattern, readPattern(object));
  FT_ASSIGN_OR_RETURN(step.by, textMember(object, "content"));
  return step;
}

Expected<MetaspaceStep> readMetaspace(const json &object) {
  FT_RETURN_IF_ERROR(
      checkMembers(object, {"type", "replacement", "str_rep", "add_prefix_space", "prepend_scheme", "split"}));
  MetaspaceStep step;
  FT_ASSIGN_OR_RETURN(step.replacement, textMember(object, "replacement"));
  FT_ASSIGN_OR_RETURN(const bool prefix, flagMember(object, "add_prefix_space", true));
  FT_ASSIGN_OR_RETURN(const uint8_t scheme, choice(object, "prepend_scheme", Prepends, prefix ? "always" : "never"));
  step.prepend = MetaspaceStep::Prepend(scheme);
  if (!prefix && step.prepend != MetaspaceStep::Prepend::Never)
    return badInput("\"add_prefix_space\" is false and \"prepend_scheme\" not never; must agree");
  FT_ASSIGN_OR_RETURN(step.split, flagMember(object, "split", true));
  if (step.replacement.empty())
    return badInput("\"replacement\" is empty; must be a character");
  return step;
}

Expected<NormalizerStep> readNormalizerStep(const json &object, const std::string &type) {
  constexpr std::array<std::string_view, 4> forms = {"NFC", "NFD", "NFKC", "NFKD"};
  for (size_t i = 0; i < forms.size(); ++i)
    if (type == forms[i]) {
      FT_RETURN_IF_ERROR(checkMembers(object, {"type"}));
      return NormalizerStep(NormalForm(i));
    }
  if (type == "Lowercase") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type"}));
    return NormalizerStep(LowercaseStep());
  }
  if (type == "Strip") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", "strip_left", "strip_right"}));
    StripStep step;
    FT_ASSIGN_OR_RETURN(step.left, flagMember(object, "strip_left"));
    FT_ASSIGN_OR_RETURN(step.right, flagMember(object, "strip_right"));
    return NormalizerStep(step);
  }
  if (type == "Prepend") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", "prepend"}));
    PrependStep step;
    FT_ASSIGN_OR_RETURN(step.text, textMember(object, "prepend"));
    return NormalizerStep(std::move(step));
  }
  if (type == "Replace") {
    FT_ASSIGN_OR_RETURN(ReplaceStep step, readReplace(object));
    return NormalizerStep(std::move(step));
  }
  if (type == "Precompiled") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", "precompiled_charsmap"}));
    PrecompiledStep step;
    FT_ASSIGN_OR_RETURN(const std::string written, textMember(object, "precompiled_charsmap"));
    auto bytes = base64Bytes(written);
    if (!bytes || bytes->empty())
      return badInput(fmt::format("\"precompiled_charsmap\" is of {} characters; must be a character map in base 64",
                                  written.size()));
    step.charsMap = std::move(*bytes);
    return NormalizerStep(std::move(step));
  }
  return badInput("is not supported; those supported are NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace, "
                  "Precompiled and Sequence");
}

Expected<PreTokenizerStep> readPreTokenizerStep(const json &object, const std::string &type) {
  if (type == "Split") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", "pattern", "behavior", "invert"}));
    SplitStep step;
    FT_ASSIGN_OR_RETURN(step.pattern, readPattern(object));
    FT_ASSIGN_OR_RETURN(const uint8_t behavior, choice(object, "behavior", Behaviors, ""));
    step.behavior = SplitBehavior(behavior);
    FT_ASSIGN_OR_RETURN(step.invert, flagMember(object, "invert"));
    return PreTokenizerStep(std::move(step));
  }
  if (type == "ByteLevel") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", "add_prefix_space", "trim_offsets", "use_regex"}));
    ByteLevelStep step;
    FT_ASSIGN_OR_RETURN(step.prefixSpace, flagMember(object, "add_prefix_space"));
    FT_ASSIGN_OR_RETURN(step.regex, flagMember(object, "use_regex", true));
    return PreTokenizerStep(step);
  }
  if (type == "Metaspace") {
    FT_ASSIGN_OR_RETURN(MetaspaceStep step, readMetaspace(object));
    return PreTokenizerStep(std::move(step));
  }
  if (type == "Digits") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", "individual_digits"}));
    DigitsStep step;
    FT_ASSIGN_OR_RETURN(step.individual, flagMember(object, "individual_digits"));
    return PreTokenizerStep(step);
  }
  if (type == "Punctuation") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", "behavior"}));
    FT_ASSIGN_OR_RETURN(const uint8_t behavior, choice(object, "behavior", Behaviors, "Isolated"));
    return PreTokenizerStep(PunctuationStep{SplitBehavior(behavior)});
  }
  if (type == "Whitespace" || type == "WhitespaceSplit") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type"}));
    return type == "Whitespace" ? PreTokenizerStep(WhitespaceStep()) : PreTokenizerStep(WhitespaceSplitStep());
  }
  return badInput("is not supported; those supported are Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, "
                  "WhitespaceSplit and Sequence");
}

Expected<DecoderStep> readDecoderStep(const json &object, const std::string &type) {
  if (type == "ByteLevel")
    return DecoderStep(ByteLevelDecoding());
  if (type == "ByteFallback")
    return DecoderStep(ByteFallbackDecoding());
  if (type == "Fuse")
    return DecoderStep(FuseDecoding());
  if (type == "Strip") {
    StripDecoding step;
    FT_ASSIGN_OR_RETURN(step.content, textMember(object, "content"));
    FT_ASSIGN_OR_RETURN(const uint64_t start, countMember(object, "start"));
    FT_ASSIGN_OR_RETURN(const uint64_t stop, countMember(object, "stop"));
    if (step.content.empty() || start > 1024 || stop > 1024)
      return badInput("strips an empty text, or more than 1024 times");
    step.start = uint32_t(start);
    step.stop = uint32_t(stop);
    return DecoderStep(std::move(step));
  }
  if (type == "Replace") {
    FT_ASSIGN_OR_RETURN(ReplaceStep step, readReplace(object));
    if (step.pattern.regex)
      return badInput("has a Regex; must be a String");
    return DecoderStep(std::move(step));
  }
  if (type == "Metaspace") {
    FT_ASSIGN_OR_RETURN(MetaspaceStep step, readMetaspace(object));
    return DecoderStep(std::move(step));
  }
  return badInput("is not supported; those supported are ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace and "
                  "Sequence");
}

/// Appends the steps of `object`, through sequences of sequences; the file's depth is bounded.
template <typename Step>
Status readSteps(const json &object, const char *what, const char *parts,
                 Expected<Step> (*read)(const json &, const std::string &), std::vector<Step> &steps) {
  if (object.is_null())
    return {};
  const std::string type = member(object, "type").is_string() ? member(object, "type").get<std::string>() : "";
  if (type.empty())
    return badInput(fmt::format("{} {} has no type", what, shownJson(object)));
  if (type == "Sequence") {
    FT_RETURN_IF_ERROR(checkMembers(object, {"type", parts}));
    for (const json &part : member(object, parts))
      FT_RETURN_IF_ERROR(readSteps(part, what, parts, read, steps));
    return {};
  }
  auto step = read(object, type);
  if (!step)
    return badInput(fmt::format("{} {}: {}", what, type, step.status().message()));
  steps.push_back(std::move(*step));
  return {};
}
} // namespace

Expected<std::vector<NormalizerStep>> readNormalizer(const json &object) {
  std::vector<NormalizerStep> steps;
  FT_RETURN_IF_ERROR(readSteps(object, "normalizer", "normalizers", readNormalizerStep, steps));
  return steps;
}

Expected<std::vector<PreTokenizerStep>> readPreTokenizer(const json &object) {
  std::vector<PreTokenizerStep> steps;
  FT_RETURN_IF_ERROR(readSteps(object, "pre_tokenizer", "pretokenizers", readPreTokenizerStep, steps));
  return steps;
}

Expected<std::vector<DecoderStep>> readDecoder(const json &object) {
  std::vector<DecoderStep> steps;
  FT_RETURN_IF_ERROR(readSteps(object, "decoder", "decoders", readDecoderStep, steps));
  return steps;
}

} // namespace ft::rt
