#include "runtime/Tokenizer/Normalizer.h"

#include "runtime/Tokenizer/NormalForms.h"
#include "runtime/Tokenizer/Precompiled.h"
#include "runtime/Tokenizer/SentencePieceNormalizer.h"
#include "runtime/Tokenizer/UnicodeClasses.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
void lowercase(std::string &text, size_t &front) {
  std::string out;
  for (size_t at = 0, given = front; at < text.size();) {
    bool wellFormed;
    appendLowercase(out, decodeUtf8(text, at, wellFormed));
    if (at == given)
      front = out.size();
  }
  text = std::move(out);
}

void strip(std::string &text, const StripStep &step, size_t &front) {
  size_t begin = 0, end = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    bool wellFormed;
    if (isSpace(decodeUtf8(text, at, wellFormed))) {
      if (step.left && begin == start)
        begin = at;
    } else {
      end = at;
    }
  }
  if (!step.right)
    end = text.size();
  front -= std::min(front, begin);
  text = begin >= end ? std::string() : text.substr(begin, end - begin);
}

/// What is put in a match's place stands where its last byte stood.
size_t frontOfReplaced(std::span<const Span> spans, const ReplaceStep &step, size_t front) {
  size_t after = 0;
  for (const Span &span : spans) {
    if (span.begin >= front || (span.matched && span.end > front))
      break;
    after += span.matched ? step.by.size() : std::min(span.end, front) - span.begin;
  }
  return after;
}

Status replace(std::string &text, const ReplaceStep &step, const std::optional<Regex> &regex, Regex::Work &work,
               size_t &front) {
  if (!regex && front == 0) {
    text = replaceAll(text, step.pattern.text, step.by);
    return {};
  }
  std::string out;
  std::vector<Span> spans;
  if (regex)
    FT_RETURN_IF_ERROR(regex->find(text, work, spans));
  else
    findText(text, step.pattern.text, spans);
  for (const Span &span : spans)
    out += span.matched ? std::string_view(step.by) : std::string_view(text).substr(span.begin, span.end - span.begin);
  front = frontOfReplaced(spans, step, front);
  text = std::move(out);
  return {};
}

void prepend(std::string &text, const std::string &before, size_t &front) {
  if (text.empty())
    return;
  text.insert(0, before);
  front += front ? before.size() : 0;
}

size_t firstCharacter(std::string_view text) {
  size_t at = 0;
  bool wellFormed;
  if (!text.empty())
    decodeUtf8(text, at, wellFormed);
  return at;
}

Status toForm(std::string &text, NormalForm form, size_t &front) {
  std::string alone = text.substr(0, front);
  FT_RETURN_IF_ERROR(toNormalForm(text, form));
  if (front == 0)
    return {};
  FT_RETURN_IF_ERROR(toNormalForm(alone, form));
  front = text.starts_with(alone) ? alone.size() : firstCharacter(text);
  return {};
}

/// The text that a step writes into others.
std::string_view written(const NormalizerStep &step) {
  if (const auto *front = std::get_if<PrependStep>(&step))
    return front->text;
  const auto *replacing = std::get_if<ReplaceStep>(&step);
  return replacing ? std::string_view(replacing->by) : std::string_view();
}
} // namespace

Expected<Normalizer> Normalizer::create(std::span<const NormalizerStep> steps) {
  Normalizer result;
  if (steps.size() > MaxSteps)
    return badInput(fmt::format("the normalizer has {} steps; at most {}", steps.size(), MaxSteps));
  for (const NormalizerStep &step : steps) {
    if (const size_t size = written(step).size(); size > MaxWritten)
      return badInput(fmt::format("the normalizer writes a text of {} bytes; at most {}", size, MaxWritten));
    Stage stage{step, {}, {}, {}};
    if (const auto *replacing = std::get_if<ReplaceStep>(&step); replacing && replacing->pattern.regex) {
      FT_ASSIGN_OR_RETURN(stage.regex, Regex::compile(replacing->pattern.text));
    } else if (const auto *piece = std::get_if<SentencePieceStep>(&step)) {
      FT_ASSIGN_OR_RETURN(stage.charsMap, CharsMap::read(piece->charsMap));
      for (uint32_t i = 0; i < piece->fixed.size(); ++i)
        if (!piece->fixed[i].empty())
          stage.fixed.insert(piece->fixed[i], i);
    } else if (const auto *precompiled = std::get_if<PrecompiledStep>(&step)) {
      FT_ASSIGN_OR_RETURN(stage.charsMap, CharsMap::read(precompiled->charsMap));
    }
    result.stages.push_back(std::move(stage));
  }
  return result;
}

bool Normalizer::readsBytes() const {
  return !stages.empty() && std::holds_alternative<SentencePieceStep>(stages[0].step);
}

Status Normalizer::apply(std::string &text, Regex::Work &work) const {
  size_t front = 0;
  return apply(text, work, front);
}

Status Normalizer::apply(std::string &text, Regex::Work &work, bool &first) const {
  size_t front = first ? firstCharacter(text) : 0;
  FT_RETURN_IF_ERROR(apply(text, work, front));
  first = front > 0;
  return {};
}

/// `front`: bytes of the text that stand for the input's first character.
Status Normalizer::apply(std::string &text, Regex::Work &work, size_t &front) const {
  constexpr size_t room = 4096, growth = 64; // NFKC makes 11 bytes of one at most
  const size_t given = text.size();
  for (const Stage &stage : stages) {
    if (const auto *form = std::get_if<NormalForm>(&stage.step))
      FT_RETURN_IF_ERROR(toForm(text, *form, front));
    else if (std::holds_alternative<LowercaseStep>(stage.step))
      lowercase(text, front);
    else if (const auto *ends = std::get_if<StripStep>(&stage.step))
      strip(text, *ends, front);
    else if (const auto *before = std::get_if<PrependStep>(&stage.step))
      prepend(text, before->text, front);
    else if (const auto *replacing = std::get_if<ReplaceStep>(&stage.step))
      FT_RETURN_IF_ERROR(replace(text, *replacing, stage.regex, work, front));
    else if (const auto *piece = std::get_if<SentencePieceStep>(&stage.step))
      text = normalizeSentencePiece(text, *piece, stage.charsMap, stage.fixed);
    else if (std::holds_alternative<PrecompiledStep>(stage.step))
      text = normalizePrecompiled(text, stage.charsMap), front = std::min(front, firstCharacter(text));
    if (text.size() > room + growth * given)
      return badInput(fmt::format("the tokenizer's normalizer makes {} bytes of {}; at most {} times as many",
                                  text.size(), given, growth));
  }
  return {};
}

} // namespace ft::rt
