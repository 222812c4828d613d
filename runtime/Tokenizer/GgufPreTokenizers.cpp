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

// deepseek-ai/deepseek-llm-7b-base and deepseek-coder-6.7b-base, tokenizer.json: one behind the other.
constexpr std::string_view DeepSeekLetters =
    R"(\s?)"
    R"([A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-)"
    R"(Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-)"
    R"(ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭ)"
    R"(ℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿ)"
    R"(ﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+)";
constexpr std::string_view DeepSeekMarks = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";
constexpr std::string_view DeepSeekIdeographs = R"([一-龥ࠀ-一가-퟿]+)";

GgufPreTokenizer splitting(std::initializer_list<std::string_view> patterns) {
  GgufPreTokenizer result;
  for (std::string_view pattern : patterns)
    result.preTokenizer.emplace_back(SplitStep{{std::string(pattern), true}, SplitBehavior::Isolated, false});
  result.preTokenizer.emplace_back(ByteLevelStep{false, false});
  return result;
}

GgufPreTokenizer gpt2() { return {{}, {ByteLevelStep{false, true}}}; }

GgufPreTokenizer singleDigits() { return {{}, {DigitsStep{true}, ByteLevelStep{false, true}}}; }

GgufPreTokenizer llama3() {
  GgufPreTokenizer result = splitting({Llama3});
  result.ignoreMerges = result.addBos = true;
  return result;
}

/// SmolLM3's, and others that begin no text with a token.
GgufPreTokenizer smaug() {
  GgufPreTokenizer result = llama3();
  result.addBos = false;
  return result;
}

GgufPreTokenizer qwen2() {
  GgufPreTokenizer result = splitting({Qwen2});
  result.normalizer = {NormalForm::Nfc};
  return result;
}

/// The distilled Qwens have no normaliser.
GgufPreTokenizer deepSeekQwen() { return splitting({Qwen2}); }

GgufPreTokenizer deepSeekLlm() {
  return splitting({R"([\r\n])", DeepSeekLetters, DeepSeekMarks, R"(\s+$)", DeepSeekIdeographs, R"(\p{N}+)"});
}

GgufPreTokenizer deepSeekCoder() {
  return splitting({R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", DeepSeekIdeographs, R"(\p{N})"});
}

GgufPreTokenizer tekken() {
  GgufPreTokenizer result = splitting({Tekken});
  result.ignoreMerges = result.addBos = true;
  return result;
}

constexpr struct {
  std::string_view name;
  GgufPreTokenizer (*make)();
} Known[] = {{"gpt-2", gpt2},
             {"smollm", singleDigits},
             {"starcoder", singleDigits},
             {"llama-bpe", llama3},
             {"llama3", llama3},
             {"llama-v3", llama3},
             {"smaug-bpe", smaug},
             {"qwen2", qwen2},
             {"deepseek-r1-qwen", deepSeekQwen},
             {"deepseek-llm", deepSeekLlm},
             {"deepseek-coder", deepSeekCoder},
             {"tekken", tekken}};
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
