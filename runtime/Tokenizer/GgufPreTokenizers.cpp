#include "runtime/Tokenizer/GgufPreTokenizers.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {
// meta-llama/Meta-Llama-3-8B, tokenizer.json.
constexpr std::string_view Llama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// Qwen/Qwen2-7B, tokenizer.json.
constexpr std::string_view Qwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
// mistralai/Mistral-Nemo-Base-2407, tokenizer.json.
constexpr std::string_view Tekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

GgufPreTokenizer splitting(std::string_view pattern) {
  GgufPreTokenizer result;
  result.preTokenizer = {SplitStep{{std::string(pattern), true}, SplitBehavior::Isolated, false},
                         ByteLevelStep{false, false}};
  return result;
}

GgufPreTokenizer gpt2() { return {{}, {ByteLevelStep{false, true}}}; }

GgufPreTokenizer singleDigits() { return {{}, {DigitsStep{true}, ByteLevelStep{false, true}}}; }

GgufPreTokenizer llama3() {
  GgufPreTokenizer result = splitting(Llama3);
  result.ignoreMerges = result.addBos = true;
  return result;
}

GgufPreTokenizer qwen2() {
  GgufPreTokenizer result = splitting(Qwen2);
  result.normalizer = {NormalForm::Nfc};
  return result;
}

GgufPreTokenizer tekken() {
  GgufPreTokenizer result = splitting(Tekken);
  result.ignoreMerges = result.addBos = true;
  return result;
}

constexpr struct {
  std::string_view name;
  GgufPreTokenizer (*make)();
} Known[] = {{"gpt-2", gpt2},       {"smollm", singleDigits}, {"starcoder", singleDigits},
             {"llama-bpe", llama3}, {"qwen2", qwen2},         {"tekken", tekken}};
} // namespace

Expected<GgufPreTokenizer> ggufPreTokenizer(std::string_view name) {
  std::string names;
  for (const auto &known : Known) {
    if (known.name == name)
      return known.make();
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  return badInput(fmt::format("pre-tokenizer \"{}\" is not known; those known are {}", name, names));
}

} // namespace ft::rt
