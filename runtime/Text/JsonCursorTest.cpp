#include "runtime/Text/JsonCursor.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

TEST(JsonCursor, WalksAndSkips) {
  JsonCursor json(R"( {"a": [1, {"b": null}], "c": "x", "d": {}} )");
  ASSERT_TRUE(json.enter().ok());
  ASSERT_TRUE(*json.next());
  EXPECT_EQ(*json.key(), "a");
  ASSERT_TRUE(json.skip().ok());
  ASSERT_TRUE(*json.next());
  EXPECT_EQ(*json.key(), "c");
  EXPECT_EQ(*json.string(), "x");
  ASSERT_TRUE(*json.next());
  EXPECT_EQ(*json.key(), "d");
  EXPECT_EQ(json.kind(), JsonCursor::Kind::Object);
  ASSERT_TRUE(json.enter().ok());
  EXPECT_FALSE(*json.next());
  EXPECT_FALSE(*json.next());
  EXPECT_TRUE(json.finished());
}

TEST(JsonCursor, SkipsWhatJsonHasAndNothingElse) {
  auto skips = [](const std::string &text) {
    JsonCursor json(text);
    return json.skip().ok() && json.finished();
  };
  for (const char *text : {"0", "-1.5e+300", "1e999", "true", "false", "null", "\"\\\"\"", "[]", "{}", "[1,[2,{}]]",
                           "{\"a\":{\"b\":[]},\"c\":0}", " [ 1 , 2 ] "})
    EXPECT_TRUE(skips(text)) << text;
  for (const char *text : {"",      "-",         "1.",   "1e",  ".5",    "+1",  "tru",     "nul",      "\"",
                           "[",     "[1",        "[1,]", "[,]", "[1 2]", "{",   "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
                           "{1:2}", "{\"a\" 1}", "]",    "[}",  "{]",    "NaN", "1 2"})
    EXPECT_FALSE(skips(text)) << text;
  EXPECT_TRUE(skips(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(skips(std::string(65, '[') + std::string(65, ']')));
}

/// Every prefix of a text is refused, none is read beyond.
TEST(JsonCursor, CutOffTextsAreRefused) {
  const std::string whole = R"({"a":[1.5e3,"\u00e4\n",{"b":true}],"c":null})";
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string part = whole.substr(0, size);
    JsonCursor json(part);
    EXPECT_FALSE(json.skip().ok() && json.finished()) << part;
  }
}

} // namespace
