#include "runtime/Support/Json.h"

#include <chrono>
#include <fmt/format.h>
#include <gtest/gtest.h>

using namespace ft::rt;

static std::string errorOf(std::string_view text) {
  auto json = parseJson(text, "x.json");
  return json.ok() ? "no error" : json.status().message();
}

TEST(Json, ReadsWhatTheFormatHolds) {
  const std::string text =
      R"({"a":[1,-2,2.5,true,false,null,"é\n"],"b":{"c":{}},"d":18446744073709551615,"e":[],"f":[[],[{}]]})";
  auto json = parseJson(text, "x.json");
  ASSERT_TRUE(json.ok()) << json.status().message();
  EXPECT_EQ(*json, Json::parse(text));
  EXPECT_EQ(*parseJson("7", "x"), Json(7));
}

TEST(Json, NamesWhatItRefuses) {
  EXPECT_EQ(errorOf(R"({"a":{"b":1,"b":2}})"), "x.json: the key \"b\" appears twice in one object");
  EXPECT_EQ(errorOf(R"({"a":{"b":1},"b":2})"), "no error");
  EXPECT_EQ(errorOf(R"({"b\u0000":1,"b":2})"), "no error");
  EXPECT_EQ(errorOf("{\"a\":1" + std::string(400, '0') + "}").substr(0, 30), "x.json: a: a value is 10000000");
  EXPECT_NE(errorOf("{\"a\":-1e999}").find("a: a value is -1e999; must be a number that a double holds"),
            std::string::npos);
  EXPECT_NE(errorOf("{\"a\":").find("x.json: not valid JSON: parse error at line 1, column 6"), std::string::npos);
  EXPECT_NE(errorOf("{\"\xff\":1}").find("not valid JSON"), std::string::npos);
  EXPECT_LT(errorOf("{\"" + std::string(100'000, 'a') + "\x1b").size(), 600u);
  EXPECT_EQ(errorOf("{\"a\x1b[2J\":1}").find('\x1b'), std::string::npos);
}

TEST(Json, RefusesWhatWouldExhaustTheStack) {
  auto nested = [](size_t levels) {
    return "{\"a\": " + std::string(levels, '[') + std::string(levels, ']') + ", \"b\": {\"a\": 1}}";
  };
  EXPECT_EQ(errorOf(nested(63)), "no error");
  for (size_t levels : {64u, 1'000'000u})
    EXPECT_EQ(errorOf(nested(levels)), "x.json: nests deeper than 64 levels; no file of a model does");
}

/// Many children under one parent: a reader that looks through the parent at each takes minutes for these 3 MB.
TEST(Json, TakesTimeLinearInTheText) {
  std::string object = "{\"k\":[0", array = "[";
  for (int i = 0; i < 400'000; ++i) {
    object += fmt::format(",{{\"{}\":{{}}}}", i);
    array += "[],";
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(parseJson(object + "]}", "x").ok());
  EXPECT_TRUE(parseJson(array + "0]", "x").ok());
  std::string members = "{\"\":0";
  for (int i = 0; i < 400'000; ++i)
    members += fmt::format(",\"{}\":{{}}", i);
  EXPECT_TRUE(parseJson(members + "}", "x").ok());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(Json, NumbersAreReadInTheirRange) {
  EXPECT_EQ(integerIn(Json(5), 1, 5), 5);
  EXPECT_EQ(integerIn(Json(4096.0), 1, 1 << 20), 4096);
  EXPECT_EQ(integerIn(Json(-3), -3, 0), -3);
  for (const char *text : {"0", "6", "5.5", "18446744073709551615", "1e300", "\"5\"", "true", "null", "[5]"})
    EXPECT_EQ(integerIn(Json::parse(text), 1, 5), std::nullopt) << text;
  EXPECT_EQ(realOf(Json(1e-5)), 1e-5);
  EXPECT_EQ(realOf(Json(3)), 3.0);
  EXPECT_EQ(realOf(Json("3")), std::nullopt);
}

TEST(Json, ShowsValuesOnOneBoundedLine) {
  EXPECT_EQ(shownJson(Json{{"a", "é\n"}}), "{\"a\":\"é\\n\"}");
  EXPECT_LT(shownJson(Json(std::string(100'000, 'x'))).size(), 250u);
}
