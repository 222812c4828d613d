// The steps around a tokenizer's model, as its file describes them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ft::rt {

/// What a step looks for: a text as it is, or an expression in Oniguruma's syntax.
struct TextPattern {
  std::string text;
  bool regex = false;
  bool operator==(const TextPattern &) const = default;
};

//===-- normalisation: text to text -----------------------------------------------------------------------------===//

enum class NormalForm : uint8_t { Nfc, Nfd, Nfkc, Nfkd };

struct LowercaseStep {
  bool operator==(const LowercaseStep &) const = default;
};
/// White space at the ends.
struct StripStep {
  bool left = false, right = false;
  bool operator==(const StripStep &) const = default;
};
/// In front of every text that is not empty.
struct PrependStep {
  std::string text;
  bool operator==(const PrependStep &) const = default;
};
/// More steps than any tokenizer has, and longer texts than any of them writes for a match: bounds of what one text can
/// be made to cost.
inline constexpr size_t MaxSteps = 64, MaxWritten = 256;

struct ReplaceStep {
  TextPattern pattern;
  std::string by;
  bool operator==(const ReplaceStep &) const = default;
};
/// SentencePiece's normalizer (its normalizer_spec). Reads ill-formed UTF-8 itself: U+FFFD for every bad byte.
struct SentencePieceStep {
  std::string charsMap;           ///< precompiled_charsmap; empty: characters stay
  std::vector<std::string> fixed; ///< user-defined symbols, which stay as they are
  bool addDummyPrefix = true;
  bool removeExtraSpaces = true;
  bool escapeSpaces = true;
  bool spaceAsSuffix = false; ///< the dummy prefix stands behind the text
  bool operator==(const SentencePieceStep &) const = default;
};
/// The same character map as tokenizer.json has it.
struct PrecompiledStep {
  std::string charsMap;
  bool operator==(const PrecompiledStep &) const = default;
};
using NormalizerStep =
    std::variant<NormalForm, LowercaseStep, StripStep, PrependStep, ReplaceStep, SentencePieceStep, PrecompiledStep>;

//===-- pre-tokenisation: text to pieces ------------------------------------------------------------------------===//

/// What becomes of matches when a text is cut at them.
enum class SplitBehavior : uint8_t { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

struct SplitStep {
  TextPattern pattern;
  SplitBehavior behavior = SplitBehavior::Isolated;
  bool invert = false;
  bool operator==(const SplitStep &) const = default;
};
/// Bytes are GPT-2's alphabet from here on: always the last step.
struct ByteLevelStep {
  bool prefixSpace = false; ///< in front of every piece that has none
  bool regex = true;        ///< cut by GPT-2's expression
  bool operator==(const ByteLevelStep &) const = default;
};
struct MetaspaceStep {
  enum class Prepend : uint8_t { Never, First, Always };
  std::string replacement = "\u2581"; ///< for blanks
  Prepend prepend = Prepend::Always;
  bool split = true; ///< in front of each replacement
  bool operator==(const MetaspaceStep &) const = default;
};
struct DigitsStep {
  bool individual = false;
  bool operator==(const DigitsStep &) const = default;
};
struct PunctuationStep {
  SplitBehavior behavior = SplitBehavior::Isolated;
  bool operator==(const PunctuationStep &) const = default;
};
/// Runs of \w, and runs of neither \w nor white space.
struct WhitespaceStep {
  bool operator==(const WhitespaceStep &) const = default;
};
struct WhitespaceSplitStep {
  bool operator==(const WhitespaceSplitStep &) const = default;
};
using PreTokenizerStep = std::variant<SplitStep, ByteLevelStep, MetaspaceStep, DigitsStep, PunctuationStep,
                                      WhitespaceStep, WhitespaceSplitStep>;

//===-- decoding: tokens to text --------------------------------------------------------------------------------===//

/// GPT-2's alphabet back to bytes.
struct ByteLevelDecoding {
  bool operator==(const ByteLevelDecoding &) const = default;
};
/// "<0xE4>" is a byte; a run of them that is no UTF-8 is U+FFFD for each.
struct ByteFallbackDecoding {
  bool operator==(const ByteFallbackDecoding &) const = default;
};
/// All texts become one.
struct FuseDecoding {
  bool operator==(const FuseDecoding &) const = default;
};
/// Up to so many `content` from the ends of each text.
struct StripDecoding {
  std::string content;
  uint32_t start = 0, stop = 0;
  bool operator==(const StripDecoding &) const = default;
};
using DecoderStep =
    std::variant<ByteLevelDecoding, ByteFallbackDecoding, FuseDecoding, StripDecoding, ReplaceStep, MetaspaceStep>;

} // namespace ft::rt
