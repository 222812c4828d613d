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
}
