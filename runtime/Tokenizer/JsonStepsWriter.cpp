#include "runtime/Tokenizer/JsonSteps.h"

#include "runtime/Support/Sha256.h"

#include <array>
#include <nlohmann/json.hpp>

namespace ft::rt {

namespace {
using nlohmann::json;

constexpr std::array Behaviors = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
constexpr std::array Prepends = {"never", "first", "always"};
constexpr std::array Forms = {"NFC", "NFD", "NFKC", "NFKD"};

json patternJson(const TextPattern &pattern) { return {{pattern.regex ? "Regex" : "String", pattern.text}}; }

struct Writer {
  json operator()(NormalForm form) const { return {{"type", Forms[size_t(form)]}}; }
  json operator()(const LowercaseStep &) const { return {{"type", "Lowercase"}}; }
  json operator()(const StripStep &step) const {
    return {{"type", "Strip"}, {"strip_left", step.left}, {"strip_right", step.right}};
  }
  json operator()(const PrependStep &step) const { return {{"type", "Prepend"}, {"prepend", step.text}}; }
  json operator()(const ReplaceStep &step) const {
    return {{"type", "Replace"}, {"pattern", patternJson(step.pattern)}, {"content", step.by}};
  }
  json operator()(const SentencePieceStep &step) const {
    return {{"type", "SentencePiece"},
            {"precompiled_charsmap", toHex(sha256(step.charsMap))},
            {"fixed", step.fixed},
            {"add_dummy_prefix", step.addDummyPrefix},
            {"remove_extra_whitespaces", step.removeExtraSpaces},
            {"escape_whitespaces", step.escapeSpaces},
            {"treat_whitespace_as_suffix", step.spaceAsSuffix}};
  }
  json operator()(const PrecompiledStep &step) const {
    return {{"type", "Precompiled"}, {"precompiled_charsmap", toHex(sha256(step.charsMap))}};
  }
  json operator()(const SplitStep &step) const {
    return {{"type", "Split"},
            {"pattern", patternJson(step.pattern)},
            {"behavior", Behaviors[size_t(step.behavior)]},
            {"invert", step.invert}};
  }
  json operator()(const ByteLevelStep &step) const {
    return {{"type", "ByteLevel"},
            {"add_prefix_space", step.prefixSpace},
            {"trim_offsets", true},
            {"use_regex", step.regex}};
  }
  json operator()(const MetaspaceStep &step) const {
    return {{"type", "Metaspace"},
            {"replacement", step.replacement},
            {"prepend_scheme", Prepends[size_t(step.prepend)]},
            {"split", step.split}};
  }
  json operator()(const DigitsStep &step) const { return {{"type", "Digits"}, {"individual_digits", step.individual}}; }
  json operator()(const PunctuationStep &step) const {
    return {{"type", "Punctuation"}, {"behavior", Behaviors[size_t(step.behavior)]}};
  }
  json operator()(const WhitespaceStep &) const { return {{"type", "Whitespace"}}; }
  json operator()(const WhitespaceSplitStep &) const { return {{"type", "WhitespaceSplit"}}; }
  json operator()(const ByteLevelDecoding &) const {
    return {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
  }
  json operator()(const ByteFallbackDecoding &) const { return {{"type", "ByteFallback"}}; }
  json operator()(const FuseDecoding &) const { return {{"type", "Fuse"}}; }
  json operator()(const StripDecoding &step) const {
    return {{"type", "Strip"}, {"content", step.content}, {"start", step.start}, {"stop", step.stop}};
  }
};

template <typename Step> json written(const std::vector<Step> &steps, const char *parts) {
  if (steps.empty())
    return nullptr;
  if (steps.size() == 1)
    return std::visit(Writer(), steps[0]);
  json all = json::array();
  for (const Step &step : steps)
    all.push_back(std::visit(Writer(), step));
  return {{"type", "Sequence"}, {parts, std::move(all)}};
}
} // namespace

json toJson(const std::vector<NormalizerStep> &steps) { return written(steps, "normalizers"); }
json toJson(const std::vector<PreTokenizerStep> &steps) { return written(steps, "pretokenizers"); }
json toJson(const std::vector<DecoderStep> &steps) { return written(steps, "decoders"); }

} // namespace ft::rt
