// Against goldens of the PyPI packages `tokenizers`, `sentencepiece` and `mistral-common`
// (test/goldens/text/make_goldens.py, forms.py).

#include "runtime/Tokenizer/Tokenizer.h"

#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace ft::rt;
using nlohmann::json;

namespace {
const std::string Goldens = "test/goldens/text/";

json readGolden(const std::string &name) { return json::parse(std::ifstream(Goldens + name)); }

std::string fromHex(const std::string &hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2)
    out += char(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

/// The model's own file is 98 MB: its goldens are checked where the demo or the variable has put it.
std::string smollm2Path() {
  if (const char *path = std::getenv("FTC_SMOLLM2_GGUF"))
    return path;
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  return (cache ? std::string(cache) : std::string(home ? home : "") + "/.cache") +
         "/ftc/SmolLM2-135M-Instruct.Q4_1.gguf";
}

class TokenizerGoldens : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    std::string path = Goldens + GetParam();
    if (GetParam() == "smollm2" && !std::filesystem::exists(path = smollm2Path()))
      GTEST_SKIP() << "no " << path << "; FTC_SMOLLM2_GGUF may name the file";
    auto loaded = loadTokenizer(path);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    tokenizer.emplace(std::move(*loaded));
  }
  std::vector<uint32_t> encode(std::string_view text) {
    std::vector<uint32_t> ids;
    EXPECT_TRUE(tokenizer->encode(text, ids).ok());
    return ids;
  }
  std::optional<Tokenizer> tokenizer;
};

TEST_P(TokenizerGoldens, EncodesAsTokenizersDoes) {
  const json golden = readGolden("cases.json");
  ASSERT_GT(golden["cases"].size(), 150u);
  for (const json &one : golden["cases"])
    EXPECT_EQ(encode(fromHex(one["hex"])), one[GetParam()].get<std::vector<uint32_t>>()) << one["hex"];
}

TEST_P(TokenizerGoldens, DecodesAsTokenizersDoes) {
  size_t checked = 0;
  const json golden = readGolden("cases.json");
  for (const json &one : golden["decodings"]) {
    if (one["tokenizer"] != GetParam())
      continue;
    const auto ids = one["ids"].get<std::vector<uint32_t>>();
    EXPECT_EQ(tokenizer->decode(ids, false), one["text"].get<std::string>());
    EXPECT_EQ(tokenizer->decode(ids, true), one["skipped"].get<std::string>());
    ++checked;
  }
  EXPECT_EQ(checked, 40u);
}

/// Every code point between letters, numbers, blanks and marks: the classes of the patterns are right, all of them.
TEST_P(TokenizerGoldens, ClassifiesEveryCodePoint) {
  const json golden = readGolden("sweep.json")[GetParam()];
  for (char32_t start = 0; start < 0x110000; start += 4096) {
    std::string text;
    for (char32_t c = start; c < start + 4096; ++c) {
      if (c >= 0xD800 && c < 0xE000)
        continue;
      for (const char *before : {"a", "1", "! ", ""}) {
        text += before;
        appendUtf8(text, c);
      }
      text += '\n';
    }
    std::vector<uint32_t> ids = encode(text);
    EXPECT_EQ(toHex(sha256(std::as_bytes(std::span(ids)))).substr(0, 16), golden[start / 4096].get<std::string>())
        << "code points from " << std::hex << uint32_t(start);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGoldens, testing::Values("gpt2", "digits", "llama3", "smollm2"),
                         [](const auto &info) { return info.param; });

/// A tokenizer of every form, beside the byte-level ones above.
class TokenizerForms : public testing::TestWithParam<std::string> {};

TEST_P(TokenizerForms, EncodesAsItsLibraryDoes) {
  auto tokenizer = loadTokenizer(Goldens + "forms/" + GetParam());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  // To `sentencepiece` and `mistral-common` control tokens are no text, to `tokenizers` they are what they say.
  const bool asText = GetParam().starts_with("sp_") || GetParam() == "tekken_file";
  const auto specials = asText ? Tokenizer::Specials::AsText : Tokenizer::Specials::Matched;
  const json golden = readGolden("forms.json")["cases"];
  ASSERT_GT(golden.size(), 80u);
  Tokenizer::Scratch scratch; // one for all texts: what is remembered must not change anything
  for (int pass = 0; pass < 2; ++pass)
    for (const json &one : golden) {
      std::vector<uint32_t> ids;
      ASSERT_TRUE(tokenizer->encode(fromHex(one["hex"]), ids, scratch, specials).ok());
      EXPECT_EQ(ids, one[GetParam()].get<std::vector<uint32_t>>()) << one["hex"];
    }
}

TEST_P(TokenizerForms, DecodesAsItsLibraryDoes) {
  auto tokenizer = loadTokenizer(Goldens + "forms/" + GetParam());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  size_t checked = 0;
  const json golden = readGolden("forms.json")["decodings"];
  for (const json &one : golden) {
    if (one["form"] != GetParam())
      continue;
    const auto ids = one["ids"].get<std::vector<uint32_t>>();
    EXPECT_EQ(tokenizer->decode(ids, false), one["text"].get<std::string>());
    EXPECT_EQ(tokenizer->decode(ids, true), one["skipped"].get<std::string>());
    ++checked;
  }
  EXPECT_EQ(checked, GetParam().starts_with("sp_") ? 0u : 12u);
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerForms,
                         testing::Values("gemma", "llama2", "mistral", "mixed", "prefixed", "qwen2", "sp_gemma",
                                         "sp_llama", "sp_open_llama", "sp_suffix", "sp_unigram", "sp_unigram_bytes",
                                         "tekken", "tekken_file", "unigram", "unigram_bytes", "words"),
                         [](const auto &info) { return info.param; });

TEST(Tokenizer, PiecesComeBackAsText) {
  for (const char *form : {"llama2", "sp_llama", "sp_unigram_bytes"}) {
    auto tokenizer = loadTokenizer(Goldens + "forms/" + form);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    std::vector<uint32_t> ids = {*tokenizer->bos()};
    ASSERT_TRUE(tokenizer->encode("Hello, w\u00f6rld \U0001F600", ids).ok());
    EXPECT_EQ(tokenizer->decode(ids, true), "Hello, w\u00f6rld \U0001F600") << form;
  }
}

TEST(Tokenizer, BytesThatAreNoTextDecodeToReplacements) {
  auto tokenizer = loadTokenizer(Goldens + "forms/llama2");
  ASSERT_TRUE(tokenizer.ok());
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("\u4e00", ids).ok());
  ASSERT_EQ(ids.size(), 4u); // a blank and three bytes
  EXPECT_EQ(tokenizer->decode(ids, false), "\u4e00");
  ids.pop_back();
  EXPECT_EQ(tokenizer->decode(ids, false), "\uFFFD\uFFFD");
}

/// A text of a user must be able to hold "</s>" without ending anything.
TEST(Tokenizer, ControlTokensCanBeText) {
  auto tokenizer = loadTokenizer(Goldens + "forms/sp_llama");
  ASSERT_TRUE(tokenizer.ok());
  std::vector<uint32_t> matched, asText;
  ASSERT_TRUE(tokenizer->encode("a</s>", matched).ok());
  ASSERT_TRUE(tokenizer->encode("a</s>", asText, Tokenizer::Specials::AsText).ok());
  EXPECT_EQ(matched.back(), *tokenizer->eos());
  EXPECT_EQ(std::count(asText.begin(), asText.end(), *tokenizer->eos()), 0);
  EXPECT_EQ(tokenizer->decode(asText, true), "a</s>");
}

TEST(Tokenizer, TekkenFilesHaveSpecialTokensInFrontAndStartTextsWithOne) {
  auto tokenizer = loadTokenizer(Goldens + "forms/tekken_file");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ(tokenizer->bos(), 1u);
  EXPECT_EQ(tokenizer->eos(), 2u);
  EXPECT_EQ(std::vector(tokenizer->prefix().begin(), tokenizer->prefix().end()), std::vector{1u});
  EXPECT_TRUE(tokenizer->suffix().empty());
  EXPECT_EQ(tokenizer->special("[/INST]"), 4u);
  EXPECT_EQ(tokenizer->special("<SPECIAL_29>"), 29u); // has no name in the file
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("[INST]A[/INST]", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{3, 30 + 'A', 4}));
}

TEST(Tokenizer, WhatStandsAroundATextComesFromTheTemplate) {
  auto tekken = loadTokenizer(Goldens + "forms/tekken"), roberta = loadTokenizer(Goldens + "forms/prefixed");
  ASSERT_TRUE(tekken.ok() && roberta.ok());
  for (const auto *tokenizer : {&*tekken, &*roberta}) {
    EXPECT_EQ(std::vector(tokenizer->prefix().begin(), tokenizer->prefix().end()),
              std::vector{*tokenizer->special("<|im_start|>")});
    EXPECT_EQ(std::vector(tokenizer->suffix().begin(), tokenizer->suffix().end()),
              std::vector{*tokenizer->special("<|im_end|>")});
  }
}

TokenizerSpec tinySpec() {
  TokenizerSpec spec;
  spec.source = "tiny";
  spec.preTokenizer = {ByteLevelStep()};
  spec.decoder = {ByteLevelDecoding()};
  spec.tokens = {"a", "b", "ab", "abab", "<s>"};
  spec.added = {{"<s>", 4, /*special=*/true}};
  BytePairSpec model;
  model.merges = {{"a", "b"}, {"ab", "ab"}};
  spec.model = model;
  spec.bos = spec.eos = 4;
  return spec;
}

BytePairSpec &pairs(TokenizerSpec &spec) { return std::get<BytePairSpec>(spec.model); }

/// Among ways of equal score rounding decides, so that what a user-defined piece counts shows behind it. The ids are
/// `sentencepiece`'s.
TEST(Tokenizer, UserDefinedPiecesCostNothing) {
  TokenizerSpec spec;
  spec.source = "ties";
  const std::tuple<const char *, float, PieceType> pieces[] = {{"<unk>", 0, PieceType::Unknown},
                                                               {"<s>", 0, PieceType::Control},
                                                               {"</s>", 0, PieceType::Control},
                                                               {"a", -10.288640022277832f, PieceType::Normal},
                                                               {"aa", -20.577280044555664f, PieceType::Normal},
                                                               {"aaa", -30.865921020507812f, PieceType::Normal},
                                                               {"b", -9.337498664855957f, PieceType::Normal},
                                                               {"c", -5.626287460327148f, PieceType::Normal},
                                                               {"d", -3.8480842113494873f, PieceType::Normal},
                                                               {"#", -20.25f, PieceType::UserDefined},
                                                               {"ca", -6.345204830169678f, PieceType::Normal},
                                                               {"a#", -11.100577354431152f, PieceType::Normal},
                                                               {"bb#b", -10.128381729125977f, PieceType::Normal},
                                                               {"q", 0, PieceType::Normal}};
  PieceSpec model;
  model.kind = PieceSpec::Kind::Unigram;
  for (const auto &[piece, score, type] : pieces) {
    spec.tokens.emplace_back(piece);
    model.scores.push_back(score);
    model.types.push_back(type);
  }
  spec.model = model;
  SentencePieceStep step;
  step.fixed = {"#"};
  step.addDummyPrefix = step.removeExtraSpaces = false;
  spec.normalizer = {step};
  auto tokenizer = Tokenizer::create(spec);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("#bbaaaa", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{9, 6, 6, 5, 3}));
}

/// In a plain order of merges the left pair of "aba" comes first; by products "ba" and "ab" have ranks of their own.
TEST(Tokenizer, RanksOfMergesCanBeThoseOfTheirProducts) {
  TokenizerSpec spec = tinySpec();
  spec.tokens = {"a", "b", "ba", "ab"};
  spec.added.clear();
  spec.bos = spec.eos = std::nullopt;
  BytePairSpec model;
  model.merges = {{"a", "b"}, {"b", "a"}};
  for (bool byProduct : {false, true}) {
    model.rankByProduct = byProduct;
    spec.model = model;
    auto tokenizer = Tokenizer::create(spec);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    std::vector<uint32_t> ids;
    ASSERT_TRUE(tokenizer->encode("aba", ids).ok());
    EXPECT_EQ(ids, byProduct ? (std::vector<uint32_t>{0, 2}) : (std::vector<uint32_t>{3, 0}));
  }
}

TEST(Tokenizer, RoundTripsAndNamesSpecials) {
  auto tokenizer = Tokenizer::create(tinySpec());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("ababab<s>b", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{3, 2, 4, 1}));
  EXPECT_EQ(tokenizer->decode(ids, false), "ababab<s>b");
  EXPECT_EQ(tokenizer->decode(ids, true), "abababb");
  EXPECT_EQ(tokenizer->special("<s>"), 4u);
  EXPECT_FALSE(tokenizer->special("ab"));
  const std::vector<uint32_t> outside = {7, 2, UINT32_MAX};
  EXPECT_EQ(tokenizer->decode(outside, false), "ab");
}

/// As `tokenizers` does: what is not normalized is found first, and what is only in between, longer or not.
TEST(Tokenizer, NormalizedTokensAreMatchedBetweenTheOthers) {
  TokenizerSpec spec = tinySpec();
  spec.added.push_back({"b<s>", 5});
  spec.added.push_back({"bb", 6});
  auto encode = [&](const char *text) {
    auto tokenizer = Tokenizer::create(spec);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    EXPECT_EQ(tokenizer->special("b<s>"), 5u);
    std::vector<uint32_t> ids;
    EXPECT_TRUE(tokenizer->encode(text, ids).ok());
    return ids;
  };
  EXPECT_EQ(encode("ab<s>bb"), (std::vector<uint32_t>{0, 5, 6}));
  spec.added[1].normalized = spec.added[2].normalized = true;
  EXPECT_EQ(encode("ab<s>bb"), (std::vector<uint32_t>{2, 4, 6}));
}

TEST(Tokenizer, BytesWithoutTokenGiveNone) {
  auto tokenizer = Tokenizer::create(tinySpec());
  ASSERT_TRUE(tokenizer.ok());
  std::vector<uint32_t> ids;
  ASSERT_TRUE(tokenizer->encode("zazbz", ids).ok());
  EXPECT_EQ(ids, (std::vector<uint32_t>{2}));
}

TEST(Tokenizer, DigestSeesEveryPart) {
  const auto base = Tokenizer::create(tinySpec());
  ASSERT_TRUE(base.ok());
  auto differs = [&](auto change) {
    TokenizerSpec spec = tinySpec();
    change(spec);
    auto changed = Tokenizer::create(std::move(spec));
    ASSERT_TRUE(changed.ok()) << changed.status().message();
    EXPECT_NE(changed->digest(), base->digest());
  };
  differs([](TokenizerSpec &s) { pairs(s).merges.pop_back(); });
  differs([](TokenizerSpec &s) { pairs(s).ignoreMerges = true; });
  differs([](TokenizerSpec &s) { s.added[0].special = false; });
  differs([](TokenizerSpec &s) { s.added[0].normalized = true; });
  differs([](TokenizerSpec &s) { s.tokens[4] = "<t>"; });
  differs([](TokenizerSpec &s) { s.preTokenizer.insert(s.preTokenizer.begin(), DigitsStep{true}); });
  differs([](TokenizerSpec &s) { s.normalizer = {NormalForm::Nfc}; });
  differs([](TokenizerSpec &s) { s.prefix = {4}; });
  differs([](TokenizerSpec &s) { s.eos.reset(); });
  auto same = Tokenizer::create(tinySpec());
  EXPECT_EQ(same->digest(), base->digest());
}

TEST(Tokenizer, RefusesWhatIsInconsistent) {
  auto refuses = [](auto change, const char *expected) {
    TokenizerSpec spec = tinySpec();
    change(spec);
    auto result = Tokenizer::create(std::move(spec));
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), Code::BadInput);
    EXPECT_EQ(result.status().message(), expected);
  };
  refuses([](TokenizerSpec &s) { s.preTokenizer.push_back(DigitsStep()); },
          "tiny: the pre-tokenizer ByteLevel is followed by another one; must be the last");
  refuses(
      [](TokenizerSpec &s) {
        s.preTokenizer = {SplitStep{{"(", true}}};
      },
      "tiny: the expression \"(\" cannot be compiled: missing closing parenthesis");
  refuses(
      [](TokenizerSpec &s) {
        pairs(s).merges.push_back({"a", "z"});
      },
      "tiny: merge 2 (\"a z\") needs the token \"z\", which the vocabulary of 5 tokens does not have");
  refuses([](TokenizerSpec &s) { pairs(s).unknown = "<unk>"; },
          "tiny: the unknown token \"<unk>\" is not in the vocabulary of 5 tokens");
  refuses([](TokenizerSpec &s) { pairs(s).byteFallback = true; },
          "tiny: the model has byte_fallback behind ByteLevel, whose vocabulary lacks bytes; must have all 256");
  refuses([](TokenizerSpec &s) { s.model = UnigramSpec{}; },
          "tiny: a Unigram model behind the pre-tokenizer ByteLevel is not supported; one behind Metaspace is");
  refuses([](TokenizerSpec &s) { s.eos = 5; },
          "tiny: the end-of-text id is 5; must be below the vocabulary's 5 tokens");
  refuses([](TokenizerSpec &s) { s.suffix = {9}; },
          "tiny: an id behind every text is 9; must be below the vocabulary's 5 tokens");
  refuses([](TokenizerSpec &s) { s.added[0].content = std::string(1025, 'x'); },
          "tiny: added token 4 has 1025 bytes; at most 1024");
  refuses(
      [](TokenizerSpec &s) {
        s.model = PieceSpec{PieceSpec::Kind::Unigram, {PieceType::Unknown}, {0.0f}, false};
      },
      "tiny: the vocabulary has 5 tokens, 1 types and 1 scores; one of each for each token is needed");
}

TEST(Tokenizer, RefusesVocabulariesThatSentencePieceRefuses) {
  using enum PieceType;
  auto refusal = [](std::vector<std::string> pieces, std::vector<PieceType> types, bool bytes = false) {
    std::vector<float> scores(pieces.size());
    auto result = PieceVocabulary::create(std::move(pieces), std::move(types), std::move(scores), bytes);
    return result.ok() ? "" : result.status().message();
  };
  EXPECT_EQ(refusal({"<unk>", "a"}, {Unknown, Normal}), "");
  EXPECT_EQ(refusal({"a"}, {Normal}), "none of 1 pieces is the unknown one; must be one");
  EXPECT_EQ(refusal({"u", "v"}, {Unknown, Unknown}), "pieces 0 and 1 are both the unknown one; must be one");
  EXPECT_EQ(refusal({"u", "a", "a"}, {Unknown, Normal, Unused}), "pieces 1 and 2 are both \"a\"; must differ");
  EXPECT_EQ(refusal({"u", ""}, {Unknown, Normal}), "piece 1 has 0 bytes; must have 1 to 1024");
  EXPECT_EQ(refusal({"u", "<0x00>"}, {Unknown, Byte}, true),
            "byte_fallback is true, but there is no piece \"<0x01>\" of type byte");
}

/// A megabyte without a single cut, in every way that has broken tokenizers: seconds would mean quadratic work.
TEST(Tokenizer, LongTextsTakeLinearTime) {
  for (const char *name : {"digits", "forms/llama2", "forms/sp_llama", "forms/sp_unigram", "forms/mixed"}) {
    auto tokenizer = loadTokenizer(Goldens + name);
    ASSERT_TRUE(tokenizer.ok());
    for (const std::string unit : {"a", "ab", " ", "'", "7", "\xE4\xBD\xA0", "<|im_", "\xff", "\u0301\u0316"}) {
      std::string text;
      while (text.size() < 1000000)
        text += unit;
      std::vector<uint32_t> ids;
      const std::clock_t start = std::clock(); // of this process alone, however busy the machine is
      ASSERT_TRUE(tokenizer->encode(text, ids).ok());
      EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 10) << name << " " << unit;
      if (std::string(name) == "digits") {
        EXPECT_EQ(tokenizer->decode(ids, false), replaceIllFormedUtf8(text));
      }
    }
  }
}

} // namespace
