#include "runtime/Tokenizer/Regex.h"
#include "runtime/Tokenizer/RegexSyntax.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

/// The matches in brackets, the rest as it is.
std::string marked(std::string_view pattern, std::string_view text) {
  auto regex = Regex::compile(pattern);
  EXPECT_TRUE(regex.ok()) << regex.status().message();
  Regex::Work work;
  std::vector<Span> spans;
  EXPECT_TRUE(regex->find(text, work, spans).ok());
  std::string out;
  for (const Span &span : spans) {
    const std::string part(text.substr(span.begin, span.end - span.begin));
    out += span.matched ? "[" + part + "]" : part;
  }
  return out;
}

TEST(Regex, MatchesAndGapsGiveTheTextAgain) {
  EXPECT_EQ(marked("b+", "abbcbd"), "a[bb]c[b]d");
  EXPECT_EQ(marked("x", "abc"), "abc");
  EXPECT_EQ(marked("x", ""), "");
  EXPECT_EQ(marked(".", "\u00e4\U0001F600"), "[\u00e4][\U0001F600]");
}

/// As Oniguruma's iterator: an empty match counts, but not directly behind another match.
TEST(Regex, EmptyMatchesArePlaces) {
  EXPECT_EQ(marked("(?=b)", "abab"), "a[]ba[]b");
  EXPECT_EQ(marked("b*", "abba"), "[]a[bb]a[]");
  EXPECT_EQ(marked("(?=(\\d{3})+(?!\\d))", "1234567"), "1[]234[]567");
}

/// However much a match may go back to.
TEST(Regex, LongMatchesOfGroups) {
  const std::string text(100000, 'a');
  EXPECT_EQ(marked("(?:ab?)+", text), "[" + text + "]");
  std::string digits(3001, '7'), groups = "7";
  for (int i = 0; i < 1000; ++i)
    groups += "[]777";
  EXPECT_EQ(marked("(?=(\\d{3})+(?!\\d))", digits), groups);
}

TEST(Regex, MeansWhatOnigurumaMeans) {
  EXPECT_EQ(marked("\\s", "a\u180eb\u2003c\u0085"), "a\u180eb[\u2003]c[\u0085]"); // U+180E is no space
  EXPECT_EQ(marked("[^\\S\\n]", " \n\u3000x"), "[ ]\n[\u3000]x");
  EXPECT_EQ(marked("x$", "x\nxx"), "[x]\nx[x]"); // $ is at every line
  EXPECT_EQ(marked("^x", "x\nx"), "[x]\n[x]");
  EXPECT_EQ(marked("\\v", "\v\n"), "[\v]\n"); // one character, not a class
  EXPECT_EQ(marked("\\d", "1\u0663\u00b2"), "[1][\u0663]\u00b2");
  EXPECT_EQ(marked("\\p{^L}", "a1"), "a[1]");
  EXPECT_EQ(marked("\\u0041|\\x{1F600}|\\x42", "AB\U0001F600"), "[A][B][\U0001F600]");
  EXPECT_EQ(marked("\\p{Lo}", "\U00031350"), "[\U00031350]"); // younger than PCRE2's tables
}

TEST(Regex, WhatMeansSomethingElseIsRefused) {
  auto refusal = [](const char *pattern) { return toPcre2(pattern).status().message(); };
  EXPECT_EQ(refusal("a\\b"), "the expression \"a\\b\" has \"\\b\" at byte 1, an escape, which is not supported");
  EXPECT_EQ(refusal("[a&&b]"),
            "the expression \"[a&&b]\" has \"&&\" at byte 2, a class inside a class, which is not supported");
  EXPECT_EQ(refusal("(?m:.)"),
            "the expression \"(?m:.)\" has \"(?m:\" at byte 0, a group or flag, which is not supported");
  for (const char *pattern :
       {"\\w",      "\\W", "\\h",  "\\R",   "\\1",   "\\k<a>",  "(?<a>b)", "(?x)", "[[:alpha:]]", "[\\P{L}]", "[\\D]",
        "\\p{Foo}", "\\p", "\\pL", "a{2}+", "a{,2}", "(*FAIL)", "\\xff",   "\\",   "[a",          "[\\z]"})
    EXPECT_FALSE(toPcre2(pattern).ok()) << pattern;
  EXPECT_EQ(Regex::compile("a(").status().message(),
            "the expression \"a(\" cannot be compiled: missing closing parenthesis");
}

} // namespace
