#include "runtime/Tokenizer/Normalizer.h"
#include "runtime/Tokenizer/PreTokenizer.h"

#include <cstring>
#include <ctime>
#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

std::string normalized(std::vector<NormalizerStep> steps, std::string text) {
  auto normalizer = Normalizer::create(steps);
  EXPECT_TRUE(normalizer.ok()) << normalizer.status().message();
  Regex::Work work;
  EXPECT_TRUE(normalizer->apply(text, work).ok());
  return text;
}

TEST(Normalizer, Forms) {
  EXPECT_EQ(normalized({NormalForm::Nfc}, "e\u0301 \u212b \ufb01"), "\u00e9 \u00c5 \ufb01");
  EXPECT_EQ(normalized({NormalForm::Nfd}, "\u00e9 \ud55c"), "e\u0301 \u1112\u1161\u11ab");
  EXPECT_EQ(normalized({NormalForm::Nfkc}, "\ufb01\u2460e\u0301"), "fi1\u00e9");
  EXPECT_EQ(normalized({NormalForm::Nfkd}, "\ufb01\u00e9"), "fie\u0301");
  EXPECT_EQ(normalized({NormalForm::Nfc}, "q\u0307\u0323"), "q\u0323\u0307"); // marks in the order of their classes
  // Younger than the tables of `tokenizers`: left alone.
  EXPECT_EQ(normalized({NormalForm::Nfkc}, "\u32ff\U0001FBF0"), "\u32ff\U0001FBF0");
}

/// A map of two rules, "a" to "b" and "\r" to a blank, as darts-clone lays them out: units of 4 bytes, the texts
/// behind.
std::string twoRules() {
  std::vector<uint32_t> units(256);
  auto offset = [](uint32_t value) { return value << 10; };
  units[0] = offset(1); // the root's children are at 1 ^ byte
  units[1 ^ 'a'] = 'a' | 1u << 8 | offset((1 ^ 'a') ^ 200);
  units[200] = 1u << 31 | 0;
  units[1 ^ '\r'] = '\r' | 1u << 8 | offset((1 ^ '\r') ^ 201);
  units[201] = 1u << 31 | 2;
  const auto size = uint32_t(units.size() * 4);
  std::string blob(reinterpret_cast<const char *>(&size), 4);
  return blob + std::string(reinterpret_cast<const char *>(units.data()), size) + std::string("b\0 \0", 4);
}

/// A short cluster that a rule starts with goes as a whole; of a long one each character.
TEST(Normalizer, PrecompiledReadsClusters) {
  const PrecompiledStep step{twoRules()};
  EXPECT_EQ(normalized({step}, "aXa"), "bXb");
  EXPECT_EQ(normalized({step}, "a\u0301!"), "b!");
  EXPECT_EQ(normalized({step}, "a\r\na"), "b b");
  EXPECT_EQ(normalized({step}, "a\u0301\u0302\u0303"), "b\u0301\u0302\u0303");
  EXPECT_EQ(normalized({step}, "a\u1ADD\U00011B60"), "b\u1ADD\U00011B60");
  EXPECT_EQ(normalized({step}, "a\u1ADD."), "b."); // a mark of Unicode 17
  EXPECT_EQ(normalized({SentencePieceStep{twoRules(), {}, false, false, false, false}}, "a\u0301"), "b\u0301");
}

TEST(Normalizer, Steps) {
  EXPECT_EQ(normalized({LowercaseStep()}, "\u0130\u03a3 A\ua7cb"), "i\u0307\u03c3 a\u0264");
  EXPECT_EQ(normalized({StripStep{true, false}}, " \u3000a b "), "a b ");
  EXPECT_EQ(normalized({StripStep{true, true}}, " a b \n"), "a b");
  EXPECT_EQ(normalized({StripStep{true, true}}, " \n"), "");
  EXPECT_EQ(normalized({StripStep{false, true}}, " a "), " a");
  EXPECT_EQ(normalized({PrependStep{"_"}}, "a"), "_a");
  EXPECT_EQ(normalized({PrependStep{"_"}}, ""), "");
  EXPECT_EQ(normalized({ReplaceStep{{"aa", false}, "b"}}, "aaa"), "ba");
  EXPECT_EQ(normalized({ReplaceStep{{"a+", true}, "b"}}, "aaca"), "bcb");
  EXPECT_EQ(normalized({ReplaceStep{{" ", false}, "_"}, PrependStep{"_"}}, "a b"), "_a_b");
}

TEST(Normalizer, SentencePiece) {
  SentencePieceStep step;
  EXPECT_EQ(normalized({step}, "  a  b "), "\u2581a\u2581b");
  EXPECT_EQ(normalized({step}, "   "), "");
  EXPECT_EQ(normalized({step}, "a\xff\xe4\xb8"), "\u2581a\uFFFD\uFFFD\uFFFD"); // one for each byte
  step.removeExtraSpaces = false;
  EXPECT_EQ(normalized({step}, " a  b "), "\u2581\u2581a\u2581\u2581b\u2581");
  step.addDummyPrefix = false;
  EXPECT_EQ(normalized({step}, "a b"), "a\u2581b");
}

/// A map of one rule, "a" → "xy", written by hand: the array's root, the node of 'a', its leaf.
TEST(CharsMap, FollowsItsArrayAndNothingElse) {
  auto blob = [](std::vector<uint32_t> units, std::string pool) {
    const uint32_t bytes = uint32_t(units.size() * 4);
    std::string out(reinterpret_cast<const char *>(&bytes), 4);
    return out.append(reinterpret_cast<const char *>(units.data()), bytes) + pool;
  };
  std::vector<uint32_t> units(128, 0);
  units[0] = 2u << 10;                       // children at 2 ^ label
  units[2 ^ 'a'] = 'a' | 1u << 8 | 4u << 10; // a leaf at (2 ^ 'a') ^ 4
  units[2 ^ 'a' ^ 4] = 1u << 31 | 0;
  const std::string pool("xy\0", 3);
  auto map = CharsMap::read(blob(units, pool));
  ASSERT_TRUE(map.ok()) << map.status().message();
  ASSERT_TRUE(map->longest("ab"));
  EXPECT_EQ(map->longest("ab")->by, "xy");
  EXPECT_EQ(map->longest("ab")->length, 1u);
  EXPECT_FALSE(map->longest("b"));
  EXPECT_FALSE(map->longest(""));
  units[2 ^ 'a' ^ 4] = 1u << 31 | 1000; // a value outside the pool
  EXPECT_FALSE(CharsMap::read(blob(units, pool))->longest("a"));
  units[2 ^ 'a'] = 'a' | 1u << 8 | 0x1FFFFFu << 10; // a node outside the array
  EXPECT_FALSE(CharsMap::read(blob(units, pool))->longest("aaaa"));
  EXPECT_FALSE(CharsMap::read(blob(units, "xy")).ok());
  EXPECT_FALSE(CharsMap::read(std::string("\xff\xff\xff\xff", 4) + "xx").ok());
  EXPECT_FALSE(CharsMap::read("abc").ok());
  EXPECT_TRUE(CharsMap::read("")->empty());
}

/// As the prefix tells that `tokenizers` puts in front of the text behind each of these.
TEST(Normalizer, SaysWhetherATextStillStartsWhereItStarted) {
  auto isFirst = [](std::vector<NormalizerStep> steps, std::string text) {
    auto normalizer = Normalizer::create(steps);
    EXPECT_TRUE(normalizer.ok()) << normalizer.status().message();
    Regex::Work work;
    bool first = true, never = false;
    std::string same = text;
    EXPECT_TRUE(normalizer->apply(text, work, first).ok());
    EXPECT_TRUE(normalizer->apply(same, work, never).ok());
    EXPECT_EQ(same, text);
    EXPECT_FALSE(never);
    return first;
  };
  const NormalizerStep strip = StripStep{true, true}, blanks = ReplaceStep{{"\\s+", true}, ""};
  EXPECT_TRUE(isFirst({strip}, "ab "));
  EXPECT_FALSE(isFirst({strip}, " ab"));
  EXPECT_FALSE(isFirst({strip}, "\u3000ab"));
  EXPECT_TRUE(isFirst({StripStep{false, true}}, " ab "));
  EXPECT_TRUE(isFirst({blanks}, "a b"));
  EXPECT_FALSE(isFirst({blanks}, " a"));
  EXPECT_TRUE(isFirst({ReplaceStep{{" a", false}, "q"}}, "b a"));
  EXPECT_FALSE(isFirst({ReplaceStep{{" a", false}, "q"}}, " ab")); // it stands where the a stood
  EXPECT_TRUE(isFirst({ReplaceStep{{"\u00e1", false}, "qq"}}, "\u00e1b"));
  EXPECT_TRUE(isFirst({ReplaceStep{{"^", true}, "q"}}, "ab"));
  EXPECT_FALSE(isFirst({ReplaceStep{{" ", false}, "_"}, ReplaceStep{{"_", false}, ""}}, " ab"));
  EXPECT_FALSE(isFirst({strip, PrependStep{"x"}}, " ab"));
  EXPECT_TRUE(isFirst({PrependStep{"x"}, strip}, " ab"));
  EXPECT_TRUE(isFirst({NormalForm::Nfd, ReplaceStep{{"\u0301", false}, ""}}, "\u00e1b"));
  EXPECT_FALSE(isFirst({NormalForm::Nfd, ReplaceStep{{"\u0301", false}, ""}}, "\u0301ab"));
  EXPECT_TRUE(isFirst({NormalForm::Nfc, strip}, "a\u0301b"));
  EXPECT_TRUE(isFirst({NormalForm::Nfkc}, "\u3000a"));
  EXPECT_TRUE(isFirst({LowercaseStep(), strip}, "\u0130b"));
}

TEST(Normalizer, WhatAStepMayCostIsBounded) {
  const NormalizerStep twice = ReplaceStep{{"a", false}, "aa"}, far = ReplaceStep{{"a", false}, std::string(256, 'a')};
  auto problem = [](const std::vector<NormalizerStep> &steps) {
    auto made = Normalizer::create(steps);
    std::string text(1000, 'a');
    Regex::Work work;
    return made ? made->apply(text, work).message() : made.status().message();
  };
  EXPECT_EQ(problem(std::vector<NormalizerStep>(6, twice)), "");
  EXPECT_EQ(problem(std::vector<NormalizerStep>(7, twice)),
            "the tokenizer's normalizer makes 128000 bytes of 1000; at most 64 times as many");
  EXPECT_EQ(problem({far}), "the tokenizer's normalizer makes 256000 bytes of 1000; at most 64 times as many");
  EXPECT_EQ(problem({PrependStep{std::string(257, 'a')}}), "the normalizer writes a text of 257 bytes; at most 256");
  EXPECT_EQ(problem(std::vector<NormalizerStep>(65, LowercaseStep())), "the normalizer has 65 steps; at most 64");
  EXPECT_EQ(PreTokenizer::create(std::vector<PreTokenizerStep>(65, DigitsStep())).status().message(),
            "the pre-tokenizer has 65 steps; at most 64");
}

/// A run of marks in the wrong order, which sorting by neighbours would take minutes for.
TEST(Normalizer, RunsOfMarksTakeLinearTime) {
  std::string text = "a";
  while (text.size() < 1000000)
    text += "\u0301\u0316";
  const std::clock_t start = std::clock(); // of this process alone, however busy the machine is
  normalized({NormalForm::Nfc}, text);
  EXPECT_LT(double(std::clock() - start) / CLOCKS_PER_SEC, 5);
}

} // namespace
