#include "runtime/Text/TokenizeCommand.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

const std::string Model = "test/goldens/text/digits";

TEST(TokenizeCommand, ShowsWhatTheModelSeesAndBack) {
  const std::string text = "<|im_start|>a \"quote\"\n\tand 12 \u00fc";
  auto shown = tokenizedText(Model, text);
  ASSERT_TRUE(shown.ok()) << shown.status().message();
  EXPECT_NE(shown->find("\"<|im_start|>\" control\n"), std::string::npos) << *shown;
  EXPECT_NE(shown->find(" tokens of 32 bytes\n"), std::string::npos) << *shown;
  EXPECT_EQ(shown->find('\t'), std::string::npos);
  auto back = decodedIds(Model, *shown);
  ASSERT_TRUE(back.ok()) << back.status().message();
  EXPECT_EQ(*back, text);
  EXPECT_EQ(*decodedIds(Model, "[1, 2,1]\n2\r\n"), *decodedIds(Model, "1 2 1 2"));
  EXPECT_EQ(*decodedIds(Model, ""), "");
}

TEST(TokenizeCommand, RefusesWhatIsNoId) {
  auto bad = decodedIds(Model, "1 2\n3 x4 5");
  ASSERT_FALSE(bad.ok());
  EXPECT_TRUE(bad.status().message().starts_with("line 2: \"x4\" is no token id; must be an integer below the "
                                                 "vocabulary's "))
      << bad.status().message();
  EXPECT_FALSE(decodedIds(Model, "99999999999").ok());
  EXPECT_FALSE(decodedIds(Model, "-1").ok());
  EXPECT_FALSE(tokenizedText("/nowhere", "x").ok());
}

} // namespace
