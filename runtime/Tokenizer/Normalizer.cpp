#include "runtime/Tokenizer/Normalizer.h"

#include "runtime/Tokenizer/NormalForms.h"
#include "runtime/Tokenizer/Precompiled.h"
#include "runtime/Tokenizer/SentencePieceNormalizer.h"
#include "runtime/Tokenizer/UnicodeClasses.h"
#include "runtime/Tokenizer/Utf8.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {
void lowercase(std::string &text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    bool wellFormed;
    appendLowercase(out, decodeUtf8(text, at, wellFormed));
  }
  text = std::move(out);
}

void strip(std::string &text, const StripStep &step) {
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
  text = begin >= end ? std::string() : text.substr(begin, end - begin);
}

Status replace(std::string &text, const ReplaceStep &step, const std::optional<Regex> &regex, Regex::Work &work) {
  if (!regex) {
    text = replaceAll(text, step.pattern.text, step.by);
    return {};
  }
  std::string out;
  std::vector<Span> spans;
  FT_RETURN_IF_ERROR(regex->find(text, work, spans));
  for (const Span &span : spans)
    out += span.matched ? std::string_view(step.by) : std::string_view(text).substr(span.begin, span.end - span.begin);
  text = std::move(out);
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
  constexpr size_t room = 4096, growth = 64; // NFKC makes 11 bytes of one at most
  const size_t before = text.size();
  for (const Stage &stage : stages) {
    if (const auto *form = std::get_if<NormalForm>(&stage.step))
      FT_RETURN_IF_ERROR(toNormalForm(text, *form));
    else if (std::holds_alternative<LowercaseStep>(stage.step))
      lowercase(text);
    else if (const auto *ends = std::get_if<StripStep>(&stage.step))
      strip(text, *ends);
    else if (const auto *front = std::get_if<PrependStep>(&stage.step))
      text = text.empty() ? text : front->text + text;
    else if (const auto *replacing = std::get_if<ReplaceStep>(&stage.step))
      FT_RETURN_IF_ERROR(replace(text, *replacing, stage.regex, work));
    else if (const auto *piece = std::get_if<SentencePieceStep>(&stage.step))
      text = normalizeSentencePiece(text, *piece, stage.charsMap, stage.fixed);
    else if (std::holds_alternative<PrecompiledStep>(stage.step))
      text = normalizePrecompiled(text, stage.charsMap);
    if (text.size() > room + growth * before)
      return badInput(fmt::format("the tokenizer's normalizer makes {} bytes of {}; at most {} times as many",
                                  text.size(), before, growth));
  }
  return {};
}

} // namespace ft::rt
