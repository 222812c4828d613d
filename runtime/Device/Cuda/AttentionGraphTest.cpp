// cuDNN builds the graphs for a described H200, without a GPU, and asks for the workspaces that were measured.
#include "runtime/Device/Cuda/AttentionPlans.h"
#include "runtime/Plan/AttentionWorkspace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include <dlfcn.h>

using namespace ft;
using namespace ft::rt;

namespace {

/// As cuDNN 9.19 writes an H200's properties.
constexpr const char *H200 = R"({"deviceName": "NVIDIA H200", "cudaDeviceId": 0, "deviceVer": 900, "driverVer": 13000,
  "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536,
  "maxRegistersPerSM": 65536, "multiProcessorCount": 132, "warpSize": 32, "maxSharedMemoryPerBlock": 49152,
  "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024, "maxCtasPerSM": 32,
  "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1,
  "smClockRateKHz": 1980000, "memClockRateKHz": 3201000, "l2CacheSize": 62914560, "totalGlobalMem": 150000000000})";

constexpr int Hopper = 90;
constexpr WorkspaceLimit Unlimited{std::numeric_limits<uint64_t>::max(), 0};

struct Case {
  uint64_t batch, sequenceLen, heads, kvHeads, headDim, documents, documentLen;
  bool deterministic;
};

plan::Attention makeAttention(const Case &c, plan::Attention::Direction direction) {
  plan::Attention attention;
  attention.set_direction(direction);
  attention.set_form(c.documents ? plan::Attention::RAGGED : plan::Attention::DENSE);
  attention.set_deterministic(c.deterministic);
  attention.set_batch(c.batch), attention.set_sequence_len(c.sequenceLen);
  attention.set_heads(c.heads), attention.set_kv_heads(c.kvHeads), attention.set_head_dim(c.headDim);
  attention.set_max_documents(c.documents), attention.set_max_document_len(c.documentLen);
  attention.set_dtype(plan::BF16);
  attention.set_scale(0.125);
  const uint64_t pitch = (c.heads + 2 * c.kvHeads) * c.headDim;
  attention.set_qkv_pitch(pitch), attention.set_d_qkv_pitch(pitch), attention.set_o_pitch(c.heads * c.headDim);
  return attention;
}

class AttentionGraphTest : public testing::Test {
protected:
  void SetUp() override {
    // cuDNN opens libcuda.so.1 by name and takes the one that is there.
    ASSERT_NE(dlopen(FTC_FAKE_DRIVER, RTLD_NOW | RTLD_GLOBAL), nullptr) << dlerror();
    auto loaded = CudnnApi::load(processPlaces());
    if (!loaded)
      GTEST_SKIP() << loaded.status().message();
    api = *loaded;
    auto device = describeDevice(api, H200);
    ASSERT_TRUE(device.ok()) << device.status().message();
    h200 = std::move(*device);
  }

  Expected<GraphPlan> build(const plan::Attention &attention, const WorkspaceLimit &limit,
                            uint64_t *ownBytes = nullptr) {
    AttentionGraph graph = buildAttention(api, attention, Hopper);
    if (ownBytes)
      *ownBytes = layoutWorkspace(attention, graph.pieces).ownBytes;
    return graph.graph->build({nullptr, h200.get()}, limit);
  }

  CudnnApi api;
  CudnnDescriptor h200;
};

const Case small{2, 256, 4, 2, 64, 0, 0, false};

} // namespace

// On an H200 with cuDNN 9.19; the large cases are the measured 270 MB, 2.28 GB, 2.85 GB, 807 MB, 2.15 GB.
TEST_F(AttentionGraphTest, PlansNeedTheWorkspacesOfTheFormula) {
  if (api.getVersion() / 100 != 919)
    GTEST_SKIP() << "the formula is cuDNN 9.19's, this is " << api.description();
  const Case cases[] = {
      {8, 2048, 32, 4, 64, 0, 0, false},      {8, 2048, 32, 4, 64, 0, 0, true},  {8, 2048, 32, 32, 128, 0, 0, false},
      {2, 200, 9, 3, 64, 0, 0, false},        {2, 300, 9, 9, 64, 0, 0, true},    {8, 2048, 32, 4, 64, 64, 2048, false},
      {8, 2048, 32, 32, 128, 128, 512, true}, {2, 256, 9, 3, 64, 8, 100, false}, {2, 256, 9, 3, 64, 8, 100, true},
      {2, 256, 4, 4, 72, 8, 100, false},      {2, 256, 4, 4, 72, 8, 100, true},  {2, 256, 9, 3, 72, 8, 100, false},
      {4, 104, 3, 1, 8, 64, 33, true},
  };
  for (const Case &c : cases)
    for (auto direction : {plan::Attention::FORWARD, plan::Attention::BACKWARD}) {
      const plan::Attention attention = makeAttention(c, direction);
      ASSERT_TRUE(checkAttention(attention, Hopper).ok()) << checkAttention(attention, Hopper).message();
      uint64_t own = 0;
      auto plan = build(attention, Unlimited, &own);
      ASSERT_TRUE(plan.ok()) << plan.status().message();
      const AttentionWorkspaceBytes formula = attentionWorkspaceBytes(attention);
      EXPECT_EQ(plan->workspaceBytes, formula.library) << describeAttention(attention);
      EXPECT_EQ(own, formula.own) << describeAttention(attention);
    }
}

TEST_F(AttentionGraphTest, NamesBothSizesWhereTheReserveIsTooSmall) {
  Case c = small;
  c.deterministic = true;
  auto plan = build(makeAttention(c, plan::Attention::BACKWARD), {1000, 256});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), Code::CannotRun);
  EXPECT_NE(plan.status().message().find(": needs a workspace of 1573248 bytes, the plan "), std::string::npos)
      << plan.status().message();
  EXPECT_NE(plan.status().message().find("the plan reserves 1000; reserve as much"), std::string::npos);
}

TEST_F(AttentionGraphTest, SaysWhyCudnnRefuses) {
  plan::Attention attention = makeAttention(small, plan::Attention::FORWARD);
  attention.set_head_dim(68); // checkAttention() would have refused
  auto plan = build(attention, Unlimited);
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), Code::CannotRun);
  EXPECT_EQ(plan.status().message().find("attention forward dense, 4/2 heads of 68"), 0u) << plan.status().message();
}
