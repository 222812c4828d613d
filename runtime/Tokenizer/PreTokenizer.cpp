#include "runtime/Tokenizer/PreTokenizer.h"

#include "runtime/Tokenizer/UnicodeClasses.h"
#include "runtime/Tokenizer/Utf8.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {
/// GPT-2's encoder.py; Hugging Face's ByteLevel with use_regex.
constexpr std::string_view Gpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

using Pieces = std::vector<PreTokenizer::Piece>;

/// One span for each character that `matches`, and one for each run between them.
template <typename Matches> void findCharacters(std::string_view text, Matches matches, std::vector<Span> &spans) {
  size_t covered = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    bool wellFormed;
    if (!matches(decodeUtf8(text, at, wellFormed)))
      continue;
    if (start > covered)
      spans.push_back({covered, start, false});
    spans.push_back({start, at, true});
    covered = at;
  }
  if (covered < text.size())
    spans.push_back({covered, text.size(), false});
}

/// Runs of words and of what is neither word nor space; spaces count as matched, that is, as what is removed.
void findWords(std::string_view text, std::vector<Span> &spans) {
  enum class Class { None, Space, Word, Other } before = Class::None;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    bool wellFormed;
    const char32_t c = decodeUtf8(text, at, wellFormed);
    const Class now = isWord(c) ? Class::Word : isSpace(c) ? Class::Space : Class::Other;
    if (now == before)
      spans.back().end = at;
    else
      spans.push_back({start, at, now == Class::Space});
    before = now;
  }
}

/// Joins neighbouring spans as the behaviour asks.
void join(std::vector<Span> &spans, SplitBehavior behavior) {
  if (behavior == SplitBehavior::Isolated || behavior == SplitBehavior::Removed || spans.empty())
    return;
  std::vector<Span> joined;
  if (behavior == SplitBehavior::MergedWithNext) {
    // From behind: a match takes what follows it, unless that is a match too.
    bool behindMatch = false;
    for (size_t i = spans.size(); i-- > 0;) {
      if (spans[i].matched && !behindMatch && !joined.empty())
        joined.back().begin = spans[i].begin;
      else
        joined.push_back(spans[i]);
      behindMatch = spans[i].matched;
    }
    spans.assign(joined.rbegin(), joined.rend());
    return;
  }
  bool behindMatch = false;
  for (const Span &span : spans) {
    const bool joins =
        behavior == SplitBehavior::Contiguous ? span.matched == behindMatch : span.matched && !behindMatch;
    if (joins && !joined.empty())
      joined.back().end = span.end;
    else
      joined.push_back(span);
    behindMatch = span.matched;
  }
  spans.swap(joined);
}

void append(PreTokenizer::Piece piece, const std::vector<Span> &spans, SplitBehavior behavior, Pieces &pieces) {
  for (const Span &span : spans)
    if (span.end > span.begin && !(span.matched && behavior == SplitBehavior::Removed))
      pieces.push_back({piece.text.substr(span.begin, span.end - span.begin), piece.first && span.begin == 0});
}

std::string replaceBlanks(std::string_view text, const MetaspaceStep &step, bool first) {
  std::string out;
  for (char c : text)
    if (c == ' ')
      out += step.replacement;
    else
      out += c;
  const bool prepend =
      step.prepend == MetaspaceStep::Prepend::Always || (step.prepend == MetaspaceStep::Prepend::First && first);
  return prepend && !out.starts_with(step.replacement) ? step.replacement + out : out;
}
} // namespace

Expected<PreTokenizer> PreTokenizer::create(std::span<const PreTokenizerStep> steps) {
  PreTokenizer result;
  if (steps.size() > MaxSteps)
    return badInput(fmt::format("the pre-tokenizer has {} steps; at most {}", steps.size(), MaxSteps));
  for (const PreTokenizerStep &step : steps) {
    const auto *space = std::get_if<MetaspaceStep>(&step);
    if (space && space->replacement.size() > MaxWritten)
      return badInput(fmt::format("the pre-tokenizer writes a text of {} bytes; at most {}", space->replacement.size(),
                                  MaxWritten));
    if (space && space->prepend == MetaspaceStep::Prepend::First)
      result.first = true;
    if (result.bytes)
      return badInput("the pre-tokenizer ByteLevel is followed by another one; must be the last");
    Stage stage{step, {}};
    if (const auto *split = std::get_if<SplitStep>(&step); split && split->pattern.regex) {
      FT_ASSIGN_OR_RETURN(stage.regex, Regex::compile(split->pattern.text));
    } else if (const auto *level = std::get_if<ByteLevelStep>(&step)) {
      if (level->regex) {
        FT_ASSIGN_OR_RETURN(stage.regex, Regex::compile(Gpt2Pattern));
      }
      result.bytes = true;
    }
    result.stages.push_back(std::move(stage));
  }
  return result;
}

Status PreTokenizer::cut(const Stage &stage, Piece piece, Scratch &scratch) const {
  std::vector<Span> &spans = scratch.spans;
  spans.clear();
  SplitBehavior behavior = SplitBehavior::Isolated;
  bool invert = false;
  if (const auto *split = std::get_if<SplitStep>(&stage.step)) {
    behavior = split->behavior;
    invert = split->invert;
    if (stage.regex)
      FT_RETURN_IF_ERROR(stage.regex->find(piece.text, scratch.work, spans));
    else
      findText(piece.text, split->pattern.text, spans);
  } else if (const auto *level = std::get_if<ByteLevelStep>(&stage.step)) {
    if (level->prefixSpace && !piece.text.starts_with(' '))
      piece.text = scratch.rewritten.emplace_back(" " + std::string(piece.text));
    if (!stage.regex) {
      scratch.next.push_back(piece);
      return {};
    }
    FT_RETURN_IF_ERROR(stage.regex->find(piece.text, scratch.work, spans));
  } else if (const auto *meta = std::get_if<MetaspaceStep>(&stage.step)) {
    piece.text = scratch.rewritten.emplace_back(replaceBlanks(piece.text, *meta, piece.first));
    if (!meta->split) {
      scratch.next.push_back(piece);
      return {};
    }
    behavior = SplitBehavior::MergedWithNext;
    findText(piece.text, meta->replacement, spans);
  } else if (const auto *digits = std::get_if<DigitsStep>(&stage.step)) {
    behavior = digits->individual ? SplitBehavior::Isolated : SplitBehavior::Contiguous;
    findCharacters(piece.text, isNumeric, spans);
  } else if (const auto *punctuation = std::get_if<PunctuationStep>(&stage.step)) {
    behavior = punctuation->behavior;
    findCharacters(piece.text, isPunctuation, spans);
  } else {
    behavior = SplitBehavior::Removed;
    if (std::holds_alternative<WhitespaceStep>(stage.step))
      findWords(piece.text, spans);
    else
      findCharacters(piece.text, isSpace, spans);
  }
  for (Span &span : spans)
    span.matched ^= invert;
  join(spans, behavior);
  append(piece, spans, behavior, scratch.next);
  return {};
}

Status PreTokenizer::split(std::string_view text, bool first, Scratch &scratch) const {
  scratch.rewritten.clear();
  scratch.pieces.clear();
  if (!text.empty())
    scratch.pieces.push_back({text, first});
  for (const Stage &stage : stages) {
    scratch.next.clear();
    for (const Piece &piece : scratch.pieces)
      FT_RETURN_IF_ERROR(cut(stage, piece, scratch));
    scratch.pieces.swap(scratch.next);
  }
  return {};
}

} // namespace ft::rt
