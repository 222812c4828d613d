#include "runtime/Tokenizer/AddedTokens.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

/// Parts joined by "|", tokens as <id:text>.
std::string parts(const std::vector<AddedToken> &tokens, std::string_view text, bool specials = true) {
  std::vector<std::string> texts;
  for (const AddedToken &token : tokens)
    texts.push_back(token.content);
  auto added = AddedTokens::create(tokens, texts);
  EXPECT_TRUE(added.ok());
  std::vector<AddedTokens::Part> found;
  added->find(text, specials, found);
  std::string out;
  for (const auto &part : found) {
    out += out.empty() ? "" : "|";
    out +=
        part.token ? "<" + std::to_string(part.token->id) + ":" + std::string(part.text) + ">" : std::string(part.text);
  }
  return out;
}

TEST(AddedTokens, LeftmostAndLongestFirst) {
  const std::vector<AddedToken> tokens = {{"ab", 1}, {"abc", 2}, {"bcd", 3}};
  EXPECT_EQ(parts(tokens, "xabcd"), "x|<2:abc>|d");
  EXPECT_EQ(parts(tokens, "xabbcd"), "x|<1:ab>|<3:bcd>");
  EXPECT_EQ(parts(tokens, ""), "");
  EXPECT_EQ(parts({}, "ab"), "ab");
}

TEST(AddedTokens, SingleWordsStandBetweenNoLetters) {
  AddedToken word{"word", 1};
  word.singleWord = true;
  EXPECT_EQ(parts({word}, "word words sword (word) \u00e4word _word wordword"),
            "<1:word>| words sword (|<1:word>|) \u00e4word _word wordword");
}

TEST(AddedTokens, TakeTheirSpace) {
  AddedToken token{"<m>", 1};
  token.leftSpace = true;
  EXPECT_EQ(parts({token}, "a \u3000<m> <m>b"), "a|<1: \u3000<m>>|<1: <m>>|b");
  token.rightSpace = true;
  EXPECT_EQ(parts({token}, "<m> \n <m>b"), "<1:<m> \n >|<1:<m>>|b");
}

TEST(AddedTokens, ControlTokensAreTextWhereAsked) {
  const std::vector<AddedToken> tokens = {{"<s>", 1, /*special=*/true}, {"<p>", 2}};
  EXPECT_EQ(parts(tokens, "<s><p>"), "<1:<s>>|<2:<p>>");
  EXPECT_EQ(parts(tokens, "<s><p>", false), "<s>|<2:<p>>");
}

} // namespace
