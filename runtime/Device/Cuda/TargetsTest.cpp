#include "runtime/Device/Cuda/Targets.h"

#include <gtest/gtest.h>

using namespace ft::rt;

using Names = std::vector<std::string>;

// Bytes as drivers report them.
TEST(TargetsTest, MatchesByCapabilityAndMemory) {
  EXPECT_EQ(matchingTargets(9, 0, 150109880320), (Names{"h200", "h100-80gb"}));
  EXPECT_EQ(matchingTargets(9, 0, 84986691584), Names{"h100-80gb"});
  EXPECT_EQ(matchingTargets(8, 0, 85094825984), Names{"a100-80gb"});
  EXPECT_EQ(matchingTargets(8, 9, 25386352640), Names{"rtx4090"});
  EXPECT_EQ(matchingTargets(7, 0, 34079637504), Names{"v100-32gb"});
}

TEST(TargetsTest, KnowsWhatItDoesNotRun) {
  EXPECT_EQ(matchingTargets(8, 0, 42481549312), Names{}); // A100 with 40 GB
  EXPECT_EQ(matchingTargets(7, 0, 16945512448), Names{}); // V100 with 16 GB
  EXPECT_EQ(matchingTargets(8, 6, 85094825984), Names{});
}
