#include "runtime/Support/SyntheticSource.h"

#include <gtest/gtest.h>

using namespace ft::rt;

TEST(SyntheticSource, HasASeedAndWhatIsMasked) {
  const auto plain = SyntheticSource::parse("synthetic:18446744073709551615");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->seed, UINT64_MAX);
  EXPECT_EQ(plain->maskedTo, 0u);
  const auto half = SyntheticSource::parse("synthetic:1:50"), drawn = SyntheticSource::parse("synthetic:7:5-95");
  ASSERT_TRUE(half && drawn);
  EXPECT_EQ(std::pair(half->maskedFrom, half->maskedTo), std::pair(50u, 50u));
  EXPECT_EQ(std::pair(drawn->maskedFrom, drawn->maskedTo), std::pair(5u, 95u));
}

TEST(SyntheticSource, IsWhatItWasReadFrom) {
  for (const char *text : {"synthetic:3", "synthetic:3:50", "synthetic:3:0-50"})
    EXPECT_EQ(SyntheticSource::parse(text)->text(), text);
}

TEST(SyntheticSource, IsNothingElse) {
  for (const char *text :
       {"", "synthetic", "synthetic:", "synthetic:x", "synthetic:-1", "synthetic:18446744073709551616",
        "synthetic:1:", "synthetic:1:100", "synthetic:1:50-", "synthetic:1:50-40", "synthetic:1:5-100",
        "synthetic:1:5-6-7", "synthetic:1:50 ", "Synthetic:1"})
    EXPECT_FALSE(SyntheticSource::parse(text)) << text;
}
