// Against goldens of the PyPI package `tokenizers` (test/goldens/text/make_goldens.py).

#include "runtime/Text/Tokenizer.h"

#include "runtime/Text/Utf8.h"

#include <chrono>
#include <cstdlib>
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

TokenizerSpec tinySpec() {
  TokenizerSpec spec;
  spec.source = "tiny";
  spec.pre = "gpt-2";
  spec.tokens = {"a", "b", "ab", "abab", "<s>"};
  spec.kinds.assign(5, TokenizerSpec::Kind::Normal);
  spec.kinds[4] = TokenizerSpec::Kind::Control;
  spec.merges = {{"a", "b"}, {"ab", "ab"}};
  spec.bos = spec.eos = 4;
  return spec;
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
  spec.tokens.push_back("b<s>");
  spec.tokens.push_back("bb");
  spec.kinds.resize(7, TokenizerSpec::Kind::Added);
  auto encode = [&](const char *text) {
    auto tokenizer = Tokenizer::create(spec);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    EXPECT_EQ(tokenizer->special("b<s>"), 5u);
    std::vector<uint32_t> ids;
    EXPECT_TRUE(tokenizer->encode(text, ids).ok());
    return ids;
  };
  EXPECT_EQ(encode("ab<s>bb"), (std::vector<uint32_t>{0, 5, 6}));
  spec.normalized = {5, 6};
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
  differs([](TokenizerSpec &s) { s.merges.pop_back(); });
  differs([](TokenizerSpec &s) { s.kinds[3] = TokenizerSpec::Kind::Added; });
  differs([](TokenizerSpec &s) { s.normalized.insert(4); });
  differs([](TokenizerSpec &s) { s.tokens[4] = "<t>"; });
  differs([](TokenizerSpec &s) { s.pre = "smollm"; });
  differs([](TokenizerSpec &s) { s.addBos = true; });
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
  refuses([](TokenizerSpec &s) { s.pre = "tekken"; },
          "tiny: pre-tokenizer \"tekken\" is not known; those known are gpt-2, smollm, starcoder, llama-bpe");
  refuses(
      [](TokenizerSpec &s) {
        s.merges.push_back({"a", "z"});
      },
      "tiny: merge 2 (\"a z\") needs the token \"z\", which the vocabulary of 5 tokens does not have");
  refuses([](TokenizerSpec &s) { s.eos = 5; },
          "tiny: the end-of-text id is 5; must be below the vocabulary's 5 tokens");
  refuses([](TokenizerSpec &s) { s.kinds.pop_back(); },
          "tiny: the vocabulary has 5 tokens and 4 token types; one type for each token is needed, and at least one "
          "token");
  refuses(
      [](TokenizerSpec &s) {
        s.addBos = true;
        s.bos.reset();
      },
      "tiny: texts shall start with a beginning-of-text token, but none is named");
}

/// A megabyte without a single cut, in every way that has broken tokenizers: seconds would mean quadratic work.
TEST(Tokenizer, LongTextsTakeLinearTime) {
  auto tokenizer = loadTokenizer(Goldens + "digits");
  ASSERT_TRUE(tokenizer.ok());
  for (const std::string unit : {"a", "ab", " ", "'", "7", "\xE4\xBD\xA0", "<|im_", "\xff"}) {
    std::string text;
    while (text.size() < 1000000)
      text += unit;
    std::vector<uint32_t> ids;
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(tokenizer->encode(text, ids).ok());
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10)) << unit;
    EXPECT_EQ(tokenizer->decode(ids, false), replaceIllFormedUtf8(text));
  }
}

} // namespace
