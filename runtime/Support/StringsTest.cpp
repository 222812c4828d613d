#include "runtime/Support/Strings.h"

#include <gtest/gtest.h>
#include <vector>

using namespace ft::rt;

TEST(Strings, FormatBytes) {
  EXPECT_EQ(formatBytes(0), "0 B");
  EXPECT_EQ(formatBytes(1023), "1023 B");
  EXPECT_EQ(formatBytes(1024), "1.00 KiB");
  EXPECT_EQ(formatBytes(1536), "1.50 KiB");
  EXPECT_EQ(formatBytes((1ull << 20) - 1), "1.00 MiB");
  EXPECT_EQ(formatBytes(1320702444), "1.23 GiB");
  EXPECT_EQ(formatBytes(~0ull), "16.00 EiB");
}

TEST(Strings, EditDistance) {
  EXPECT_EQ(editDistance("", "abc"), 3u);
  EXPECT_EQ(editDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(editDistance("same", "same"), 0u);
}

TEST(Strings, Printable) {
  EXPECT_EQ(printable("two\n\tlines · é"), "two\n\tlines · é");
  EXPECT_EQ(printable(std::string_view("\0\x1b[2J\r\x7f", 7)), "\\x00\\x1b[2J\\x0d\\x7f");
}

TEST(Strings, PrintableEscapesWhatReordersOrIsNoText) {
  EXPECT_EQ(printable("a\u202eb\u2066c\u0085d\u2028"), "a\\u202eb\\u2066c\\u0085d\\u2028");
  EXPECT_EQ(printable("\xff\xc0\x80\xed\xa0\x80\xe6\x97"), "\\xff\\xc0\\x80\\xed\\xa0\\x80\\xe6\\x97");
  EXPECT_EQ(printable("日本 ü 🙂"), "日本 ü 🙂");
}

TEST(Strings, ShownIsOneBoundedLine) {
  EXPECT_EQ(shown("one\ntwo\t日本"), "one\\x0atwo\\x09日本");
  EXPECT_EQ(shown("abcdef", 6), "abcdef");
  EXPECT_EQ(shown("abcdefg", 6), "abcdef… (7 bytes)");
  EXPECT_EQ(shown("日本語", 4), "日本… (9 bytes)");
}

TEST(Strings, NamesOfFiles) {
  for (const char *name : {"a", "my recipe", "rezept-ü", "日本", "a.b-c_d", "'"})
    EXPECT_TRUE(isFileName(name)) << name;
  EXPECT_TRUE(isFileName(std::string(200, 'a')));
  for (const std::string name : {"", ".", "..", ".a", "a/b", "/", "a\n", "a\x1b[2J", "\xff", "a\u202eb"})
    EXPECT_FALSE(isFileName(name)) << name;
  EXPECT_FALSE(isFileName(std::string(201, 'a')));
  EXPECT_FALSE(isFileName(std::string("a\0b", 3)));
  EXPECT_TRUE(isUtf8("") && isUtf8("日本\n"));
  EXPECT_FALSE(isUtf8("a\xff") || isUtf8("\xe6\x97"));
}

TEST(Strings, OfAllLayers) {
  EXPECT_EQ(ofAllLayers("layers.12.mlp.up_proj"), "layers.*.mlp.up_proj");
  EXPECT_EQ(ofAllLayers("3.layers.7"), "3.layers.*");
  EXPECT_EQ(ofAllLayers("copy_2.b1"), "copy_2.b1");
}

TEST(Strings, NearestName) {
  const std::vector<std::string> names = {"learning_rate", "max_steps", "seed"};
  EXPECT_EQ(nearestName("learnig_rate", names), "learning_rate");
  EXPECT_EQ(nearestName("sed", names), "seed");
  EXPECT_EQ(nearestName("batch", names), "");
  EXPECT_EQ(suggestion("max_step", names), "; did you mean \"max_steps\"?");
  EXPECT_EQ(suggestion("zzzzzz", names), "");
  const std::vector<std::string> huge = {std::string(30'000'000, 'a')};
  EXPECT_EQ(nearestName(huge[0] + "b", huge), "");
}
