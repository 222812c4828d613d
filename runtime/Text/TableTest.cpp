#include "runtime/Text/Table.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

/// Cells in brackets, each record behind its line.
std::string records(std::string_view text, char separator = ',') {
  TableReader table(text, separator);
  std::vector<std::string> fields;
  std::string out;
  while (true) {
    auto more = table.next(fields);
    if (!more)
      return out + std::to_string(table.line()) + "!" + more.status().message();
    if (!*more)
      return out;
    out += std::to_string(table.line());
    for (const std::string &field : fields)
      out += "[" + field + "]";
  }
}

TEST(Table, ReadsRecords) {
  EXPECT_EQ(records("a,b\n1,2\n"), "1[a][b]2[1][2]");
  EXPECT_EQ(records("a,b\r\n1,\r\n\r\n\n,2"), "1[a][b]2[1][]5[][2]");
  EXPECT_EQ(records("\"x, \"\"y\"\"\nz\",1\nb,\"\"\n"), "1[x, \"y\"\nz][1]3[b][]");
  EXPECT_EQ(records("\"a\"\r\n\"b\"\r"), "1[a]2[b]");
  EXPECT_EQ(records("a\tb,c\n", '\t'), "1[a][b,c]");
  EXPECT_EQ(records(""), "");
  EXPECT_EQ(records("\n\n"), "");
  EXPECT_EQ(records("a,"), "1[a][]");
  EXPECT_EQ(records("x\"y,z"), "1[x\"y][z]"); // a quote inside a field that does not start with one is text
}

TEST(Table, BrokenQuotesAreRefusedWithTheirLine) {
  EXPECT_EQ(records("a\n\"b\nc\n"), "1[a]2!a quote has no end; quotes inside a field must be doubled");
  EXPECT_EQ(records("\"a\"b,c"), "1!a field goes on behind its closing quote; quotes inside a field must be doubled");
}

} // namespace
