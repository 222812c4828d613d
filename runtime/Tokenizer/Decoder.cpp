#include "runtime/Tokenizer/Decoder.h"

#include "runtime/Tokenizer/ByteAlphabet.h"
#include "runtime/Tokenizer/Utf8.h"

namespace ft::rt {

namespace {
using Texts = std::vector<std::string>;

std::string joined(const Texts &tokens, std::string_view between) {
  std::string out;
  for (size_t i = 0; i < tokens.size(); ++i)
    (out += i ? between : std::string_view()) += tokens[i];
  return out;
}

Texts decodeByteLevel(const Texts &tokens) {
  static const ByteAlphabet alphabet;
  std::string bytes;
  for (const std::string &token : tokens)
    bytes += alphabet.bytesOf(token).value_or(token);
  return {replaceIllFormedUtf8(bytes)};
}

/// The byte of "<0xE4>", −1 for another token.
int byteOf(std::string_view token) {
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>' || digit(token[3]) < 0 || digit(token[4]) < 0)
    return -1;
  return digit(token[3]) * 16 + digit(token[4]);
}

Texts decodeByteFallback(const Texts &tokens) {
  Texts out;
  std::string run;
  auto flush = [&] {
    if (!run.empty() && isWellFormedUtf8(run))
      out.push_back(run);
    else
      out.insert(out.end(), run.size(), "\uFFFD");
    run.clear();
  };
  for (const std::string &token : tokens) {
    if (const int byte = byteOf(token); byte >= 0) {
      run += char(byte);
      continue;
    }
    flush();
    out.push_back(token);
  }
  flush();
  return out;
}

void strip(std::string &text, const StripDecoding &step) {
  for (uint32_t i = 0; i < step.start && text.starts_with(step.content); ++i)
    text.erase(0, step.content.size());
  for (uint32_t i = 0; i < step.stop && text.ends_with(step.content); ++i)
    text.resize(text.size() - step.content.size());
}

/// Of the first token the replacements go where one was prepended, all of them, as in `tokenizers`.
void decodeMetaspace(Texts &tokens, const MetaspaceStep &step) {
  for (size_t i = 0; i < tokens.size(); ++i)
    tokens[i] =
        replaceAll(tokens[i], step.replacement, i == 0 && step.prepend != MetaspaceStep::Prepend::Never ? "" : " ");
}
} // namespace

std::string decodeTokens(Texts tokens, std::span<const DecoderStep> steps) {
  if (steps.empty())
    return replaceIllFormedUtf8(joined(tokens, " "));
  for (const DecoderStep &step : steps) {
    if (std::holds_alternative<ByteLevelDecoding>(step))
      tokens = decodeByteLevel(tokens);
    else if (std::holds_alternative<ByteFallbackDecoding>(step))
      tokens = decodeByteFallback(tokens);
    else if (std::holds_alternative<FuseDecoding>(step))
      tokens = {joined(tokens, "")};
    else if (const auto *ends = std::get_if<StripDecoding>(&step))
      for (std::string &token : tokens)
        strip(token, *ends);
    else if (const auto *meta = std::get_if<MetaspaceStep>(&step))
      decodeMetaspace(tokens, *meta);
    else if (const auto *replacing = std::get_if<ReplaceStep>(&step))
      for (std::string &token : tokens)
        token = replaceAll(token, replacing->pattern.text, replacing->by);
  }
  return replaceIllFormedUtf8(joined(tokens, ""));
}

} // namespace ft::rt
