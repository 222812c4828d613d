#include "runtime/Tokenizer/Utf8.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

/// Python: bytes.decode("utf-8", errors="replace").
TEST(Utf8, ReplacesAsPythonDoes) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(replaceIllFormedUtf8("a\xff z"), "a" + r + " z");
  EXPECT_EQ(replaceIllFormedUtf8("\xc3\x28"), r + "(");
  EXPECT_EQ(replaceIllFormedUtf8("\xe2\x82"), r);
  EXPECT_EQ(replaceIllFormedUtf8("\xe2\x82x"), r + "x");
  EXPECT_EQ(replaceIllFormedUtf8("\xf0\x9f\x98\xf0\x9f\x98\x80"), r + "\xf0\x9f\x98\x80");
  EXPECT_EQ(replaceIllFormedUtf8("\xed\xa0\x80"), r + r + r); // a surrogate: no part of it is a prefix
  EXPECT_EQ(replaceIllFormedUtf8("\xc0\xaf"), r + r);         // overlong
  EXPECT_EQ(replaceIllFormedUtf8("\xe0\x80\x80"), r + r + r);
  EXPECT_EQ(replaceIllFormedUtf8("\xf4\x90\x80\x80"), r + r + r + r); // above U+10FFFF
}

TEST(Utf8, EveryScalarValueRoundTrips) {
  std::string all;
  for (char32_t c = 0; c < 0x110000; ++c)
    if (c < 0xD800 || c >= 0xE000)
      appendUtf8(all, c);
  EXPECT_TRUE(isWellFormedUtf8(all));
  char32_t expected = 0;
  for (size_t offset = 0; offset < all.size(); ++expected) {
    if (expected == 0xD800)
      expected = 0xE000;
    bool wellFormed;
    ASSERT_EQ(decodeUtf8(all, offset, wellFormed), expected);
  }
  EXPECT_EQ(expected, 0x110000u);
}

} // namespace
