#include "runtime/Text/PreTokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <fmt/format.h>

namespace ft::rt {

namespace {
// PCRE2 10.42 knows the characters of Unicode 14. What the Rust `tokenizers` knows beyond that: its expressions
// (Oniguruma) follow Unicode 16, its `Digits` (Rust's own table) 17. A newer PCRE2 changes nothing here.
#define NEW_LETTERS                                                                                                    \
  "\\x{1c89}-\\x{1c8a}\\x{a7cb}-\\x{a7cd}\\x{a7da}-\\x{a7dc}\\x{105c0}-\\x{105f3}\\x{10d4a}-\\x{10d65}"                \
  "\\x{10d6f}-\\x{10d85}\\x{10ec2}-\\x{10ec4}\\x{1123f}-\\x{11240}\\x{11380}-\\x{11389}\\x{1138b}\\x{1138e}"           \
  "\\x{11390}-\\x{113b5}\\x{113b7}\\x{113d1}\\x{113d3}\\x{11bc0}-\\x{11be0}\\x{11f02}\\x{11f04}-\\x{11f10}"            \
  "\\x{11f12}-\\x{11f33}\\x{1342f}\\x{13441}-\\x{13446}\\x{13460}-\\x{143fa}\\x{16100}-\\x{1611d}"                     \
  "\\x{16d40}-\\x{16d6c}\\x{18cff}\\x{1b132}\\x{1b155}\\x{1df25}-\\x{1df2a}\\x{1e030}-\\x{1e06d}"                      \
  "\\x{1e4d0}-\\x{1e4eb}\\x{1e5d0}-\\x{1e5ed}\\x{1e5f0}\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}"
#define NEW_NUMBERS                                                                                                    \
  "\\x{10d40}-\\x{10d49}\\x{116d0}-\\x{116e3}\\x{11bf0}-\\x{11bf9}\\x{11f50}-\\x{11f59}\\x{16130}-\\x{16139}"          \
  "\\x{16d70}-\\x{16d79}\\x{1ccf0}-\\x{1ccf9}\\x{1d2c0}-\\x{1d2d3}\\x{1e4f0}-\\x{1e4f9}\\x{1e5f1}-\\x{1e5fa}"
#define LETTER "\\p{L}" NEW_LETTERS
#define NUMBER "\\p{N}" NEW_NUMBERS
// White_Space of Unicode, spelled out: PCRE2's \s has U+180E besides.
#define SPACE                                                                                                          \
  "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"

// GPT-2's encoder.py; Hugging Face's ByteLevel with use_regex.
constexpr const char *Gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?[" LETTER "]+| ?[" NUMBER "]+| ?[^" SPACE LETTER NUMBER "]+|"
                             "[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+";
// Hugging Face's Digits(individual_digits).
constexpr const char *SingleDigits = "[" NUMBER "\\x{11de0}-\\x{11de9}\\x{16ff4}-\\x{16ff6}]";
// Llama 3's tokenizer.json.
constexpr const char *Llama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n" LETTER NUMBER "]?[" LETTER "]+|[" NUMBER "]{1,3}| ?[^" SPACE LETTER NUMBER
    "]+[\\r\\n]*|[" SPACE "]*[\\r\\n]+|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+";

constexpr std::string_view Gpt2Json = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view Llama3Json =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

struct Known {
  std::string_view name;
  std::array<const char *, 2> stages; // null: none
  std::string_view json;              // the pattern of a Split that is the same; empty: none
};
constexpr Known KnownPreTokenizers[] = {
    {"gpt-2", {Gpt2, nullptr}, Gpt2Json},
    {"smollm", {SingleDigits, Gpt2}, ""},
    {"starcoder", {SingleDigits, Gpt2}, ""},
    {"llama-bpe", {Llama3, nullptr}, Llama3Json},
};

std::string describe(int error) {
  std::array<PCRE2_UCHAR, 160> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char *>(text.data());
}
} // namespace

struct PreTokenizer::Stage {
  ~Stage() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }
  Status compile(const char *pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error,
                         &offset, nullptr);
    if (!code)
      return failed(
          fmt::format("PCRE2 does not compile a pre-tokenizer pattern at offset {}: {}", offset, describe(error)));
    // Without a just-in-time compiler pcre2_match interprets: slower, same matches.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    context = pcre2_match_context_create(nullptr);
    if (!context)
      return failed("PCRE2 has no memory for a match context");
    // The default of 10 million would refuse a run of blanks of that length; the work stays linear.
    pcre2_set_match_limit(context, UINT32_MAX);
    return {};
  }
  Status split(std::string_view piece, pcre2_match_data *match, std::vector<std::string_view> &pieces) const;

  pcre2_code *code = nullptr;
  pcre2_match_context *context = nullptr;
};

Status PreTokenizer::Stage::split(std::string_view piece, pcre2_match_data *match,
                                  std::vector<std::string_view> &pieces) const {
  size_t at = 0;
  while (at < piece.size()) {
    const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(piece.data()), piece.size(), at,
                                  PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match, context);
    if (found == PCRE2_ERROR_NOMATCH) {
      pieces.push_back(piece.substr(at));
      return {};
    }
    if (found < 0)
      return badInput(fmt::format("the pre-tokenizer fails {} bytes into a text of {} bytes: {}", at, piece.size(),
                                  describe(found)));
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(match);
    if (range[0] > at)
      pieces.push_back(piece.substr(at, range[0] - at));
    pieces.push_back(piece.substr(range[0], range[1] - range[0]));
    at = range[1];
  }
  return {};
}

Expected<PreTokenizer> PreTokenizer::named(std::string_view name) {
  std::string names;
  for (const Known &known : KnownPreTokenizers) {
    if (known.name != name) {
      names += (names.empty() ? "" : ", ") + std::string(known.name);
      continue;
    }
    PreTokenizer result;
    for (const char *pattern : known.stages) {
      if (!pattern)
        continue;
      auto stage = std::make_shared<Stage>();
      FT_RETURN_IF_ERROR(stage->compile(pattern));
      result.stages.push_back(std::move(stage));
    }
    return result;
  }
  return badInput(fmt::format("pre-tokenizer \"{}\" is not known; those known are {}", name, names));
}

std::string_view PreTokenizer::nameOfPattern(std::string_view pattern) {
  for (const Known &known : KnownPreTokenizers)
    if (!pattern.empty() && known.json == pattern)
      return known.name;
  return "";
}

std::string_view PreTokenizer::patternOf(std::string_view name) {
  for (const Known &known : KnownPreTokenizers)
    if (known.name == name)
      return known.json;
  return "";
}

Status PreTokenizer::split(std::string_view text, std::vector<std::string_view> &pieces) const {
  // One pair of offsets: no pattern has groups that are read.
  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(pcre2_match_data_create(1, nullptr),
                                                                            pcre2_match_data_free);
  if (!match)
    return failed("PCRE2 has no memory for match data");
  std::vector<std::string_view> current{text}, next;
  for (const auto &stage : stages) {
    next.clear();
    for (std::string_view piece : current)
      FT_RETURN_IF_ERROR(stage->split(piece, match.get(), next));
    current.swap(next);
  }
  if (!text.empty())
    pieces.insert(pieces.end(), current.begin(), current.end());
  return {};
}

} // namespace ft::rt
