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

TEST(TargetsTest, RanksTakeGpusOfOneKind) {
  auto gpu = [](const char *name, const char *arch, uint64_t bytes) {
    DeviceInfo info;
    info.name = name, info.arch = arch, info.totalBytes = bytes;
    return info;
  };
  const DeviceInfo h200 = gpu("NVIDIA H200", "sm_90", 150109880320), h100 = gpu("NVIDIA H100", "sm_90", 84986691584);
  EXPECT_TRUE(checkOneKind(std::vector{h200}, 0).ok());
  EXPECT_TRUE(checkOneKind(std::vector{h200, h200, h200}, 1).ok());
  const Status mixed = checkOneKind(std::vector{h200, h200, h100}, 1);
  EXPECT_EQ(mixed.code(), Code::CannotRun);
  for (const char *part : {"3 GPUs of one kind, from number 1 on", "number 1 is NVIDIA H200 (sm_90, 139.80 GiB)",
                           "number 3 NVIDIA H100 (sm_90, 79.15 GiB)", "CUDA_VISIBLE_DEVICES"})
    EXPECT_NE(mixed.message().find(part), std::string::npos) << mixed.message();
  // Of one name with another memory.
  EXPECT_FALSE(
      checkOneKind(std::vector{gpu("NVIDIA A100", "sm_80", 42 << 20), gpu("NVIDIA A100", "sm_80", 85 << 20)}, 0).ok());
}
