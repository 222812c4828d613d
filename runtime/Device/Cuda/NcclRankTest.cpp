// NCCL's ranks on a fake libcuda and a fake libnccl: threads of this process, with a "GPU" each.
#include "runtime/Device/Cuda/NcclPeers.h"

#include "runtime/Communication/CommunicatorFixture.h"
#include "runtime/Communication/Threads.h"
#include "runtime/Communication/Trail.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;
using plan::Collective;

namespace {

SearchPlaces fakePlaces() {
  SearchPlaces places;
  places.variables = {{"FTC_NCCL_DIR", FTC_FAKE_NCCL_DIR}, {"FTC_CUBLAS_DIR", "/none"}, {"FTC_CUDNN_DIR", "/none"}};
  return places;
}

/// What a rank's thread has, in the order in which it goes.
struct Rank {
  RankDevice opened;
  Device &device() { return *opened.device; }
  Communicator &communicator() { return *opened.communicator; }
  ~Rank() { opened.device.reset(); }
};

/// Runs `body` on a thread for each rank of the mesh; the ranks are of two processes, as far as their GPUs go.
void onRanks(const plan::Mesh &mesh, const std::function<void(Rank &)> &body) {
  setenv("FTC_FAKE_GPUS", "8", 1);
  auto api = NcclApi::load(fakePlaces(), "");
  ASSERT_TRUE(api.ok()) << api.status().message();
  const uint32_t half = mesh.ranks() / 2;
  NcclPeers lower(mesh, 0, 0, {FTC_FAKE_DRIVER, fakePlaces()}, *api);
  NcclPeers upper(mesh, half, half, {FTC_FAKE_DRIVER, fakePlaces()}, *api);
  auto ends = openThreads(mesh);
  std::vector<std::thread> threads;
  for (auto &end : ends)
    threads.emplace_back([&, host = std::move(end)] {
      auto opened = (host->rank() < half ? lower : upper).open(*host);
      ASSERT_TRUE(opened.ok()) << opened.status().message();
      EXPECT_EQ(opened->ncclBytes, ncclBytes);
      Rank rank{std::move(*opened)};
      ASSERT_TRUE(rank.device().createQueues(2, 4).ok());
      body(rank);
    });
  for (std::thread &thread : threads)
    thread.join();
}

/// Enqueues `work` and replays it, or does it as it comes.
Status replay(Device &device, bool captured, const std::function<Status()> &work) {
  if (!captured)
    return work();
  FT_RETURN_IF_ERROR(device.beginCapture());
  const Status status = work();
  auto graph = device.endCapture();
  FT_RETURN_IF_ERROR(status);
  FT_RETURN_IF_ERROR(graph.status());
  FT_RETURN_IF_ERROR(device.launchGraph(*graph));
  return device.synchronize();
}

struct Case {
  Collective::Kind kind;
  Collective::Reduction reduction;
  plan::DType dtype;
};
constexpr auto none = Collective::REDUCTION_UNSPECIFIED;
const Case cases[] = {{Collective::ALL_REDUCE, Collective::SUM, plan::F64},
                      {Collective::ALL_REDUCE, Collective::SUM, plan::F32},
                      {Collective::ALL_REDUCE, Collective::SUM, plan::I32},
                      {Collective::ALL_REDUCE, Collective::MAX, plan::I32},
                      {Collective::REDUCE_SCATTER, Collective::SUM, plan::F32},
                      {Collective::ALL_GATHER, none, plan::BF16},
                      {Collective::ALL_GATHER, none, plan::F32},
                      {Collective::BROADCAST, none, plan::BF16}};

/// Contents of all ranks before and after one collective, two runs of it where it is captured.
void checkCase(const plan::Mesh &mesh, const std::vector<uint32_t> &axes, const Case &one, bool inPlace,
               bool captured) {
  const uint32_t members = mesh.members(axes);
  const std::vector<uint64_t> bytes = {uint64_t(members) * 8, uint64_t(members) * 40000, uint64_t(members) * 24};
  Collective collective = makeCollective(one.kind, one.reduction, one.dtype, axes, members, bytes);
  if (one.kind == Collective::BROADCAST)
    collective.set_root(members - 1);
  std::vector<std::vector<Bytes>> before(mesh.ranks()), after(mesh.ranks());
  onRanks(mesh, [&](Rank &rank) {
    const uint32_t number = rank.communicator().rank();
    RankMemory memory(collective, number, members, inPlace, 7);
    if (inPlace && !axes.empty()) // in place the part is the member's
      memory = RankMemory(collective, mesh.member(mesh.coordinates(number), axes), members, true, 7 + number);
    before[number] = memory.contents();
    auto handle = rank.communicator().prepare("exchange", collective, memory.view());
    ASSERT_TRUE(handle.ok()) << handle.status().message();
    const Status ran = replay(rank.device(), captured, [&] { return rank.communicator().run(1, *handle); });
    ASSERT_TRUE(ran.ok()) << ran.message();
    ASSERT_TRUE(rank.communicator().agree(Agreement::Max, 0).ok());
    after[number] = memory.contents();
  });
  for (uint32_t rank = 0; rank < mesh.ranks(); ++rank) {
    const plan::Coordinates at = mesh.coordinates(rank);
    std::vector<std::vector<Bytes>> group;
    for (uint32_t peer : mesh.group(at, axes))
      group.push_back(before[peer]);
    EXPECT_TRUE(after[rank] == expectedContents(collective, mesh.member(at, axes), group, inPlace))
        << "rank " << rank << ", kind " << one.kind << ", type " << one.dtype << ", captured " << captured;
  }
}

Status prepared(const plan::Mesh &mesh, const Collective &collective) {
  Status first;
  onRanks(mesh, [&](Rank &rank) {
    RankMemory memory(collective, rank.communicator().rank(), mesh.ranks(), false, 1);
    const Status status = rank.communicator().prepare("norm", collective, memory.view()).status();
    if (rank.communicator().rank() == 0)
      first = status;
  });
  return first;
}

} // namespace

TEST(NcclRankTest, ExchangesAsAPlanSaysCapturedAndNot) {
  for (const auto &[mesh, axes] : {std::pair(plan::Mesh({2}), std::vector<uint32_t>{0}),
                                   {plan::Mesh({3}), {0}},
                                   {plan::Mesh({2, 2}), {1}},
                                   {plan::Mesh({2, 2}), {0}},
                                   {plan::Mesh({2, 2}), {1, 0}}})
    for (const Case &one : cases)
      for (bool inPlace : {false, true})
        for (bool captured : {false, true})
          checkCase(mesh, axes, one, inPlace, captured);
}

TEST(NcclRankTest, SumsTwoNumbersOfBf16) {
  checkCase(plan::Mesh({2}), {0}, {Collective::ALL_REDUCE, Collective::SUM, plan::BF16}, false, true);
}

TEST(NcclRankTest, TakesTheRootOfSquares) {
  const plan::Mesh mesh({3});
  const Collective collective =
      makeCollective(Collective::ALL_REDUCE, Collective::NORM2, plan::F64, {0}, 3, {sizeof(double)});
  onRanks(mesh, [&](Rank &rank) {
    double value = double(rank.communicator().rank() + 1);
    auto *bytes = reinterpret_cast<std::byte *>(&value);
    auto handle = rank.communicator().prepare("norm", collective, {{&bytes, 1}, {}, nullptr});
    ASSERT_TRUE(handle.ok()) << handle.status().message();
    ASSERT_TRUE(rank.communicator().run(0, *handle).ok());
    EXPECT_DOUBLE_EQ(value, std::sqrt(1.0 + 4.0 + 9.0));
  });
}

TEST(NcclRankTest, RefusesByNameWhatNcclWouldGetWrong) {
  const auto refuse = [](const Collective &collective, uint32_t ranks, const std::string &part) {
    const Status status = prepared(plan::Mesh({ranks}), collective);
    EXPECT_EQ(status.code(), Code::CannotRun);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  };
  refuse(makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::BF16, {0}, 3, {48}), 3,
         "NCCL rounds a sum of BF16 at each of 3 ranks");
  refuse(makeCollective(Collective::ALL_REDUCE, Collective::MAX, plan::F32, {0}, 2, {16}), 2, "which loses a NaN");
  refuse(makeCollective(Collective::ALL_REDUCE, Collective::NORM2, plan::F64, {0}, 2, {16}), 2, "is not of one F64");
  refuse(makeCollective(Collective::ALL_REDUCE, Collective::NORM2, plan::F32, {0}, 2, {4}), 2, "is not of one F64");
}

TEST(NcclRankTest, SaysWhereItsDeviceIs) {
  const plan::Mesh mesh({2});
  const Collective collective = makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::F32, {0}, 2, {64});
  onRanks(mesh, [&](Rank &rank) {
    Communicator &communicator = rank.communicator();
    Progress progress;
    progress.beginStep(17);
    RankMemory memory(collective, communicator.rank(), 2, false, 1);
    for (const char *name : {"first", "second"})
      ASSERT_TRUE(communicator.prepare(name, collective, memory.view()).ok());
    progress.follow(communicator.trail());
    EXPECT_FALSE(progress.place().onDevice);
    ASSERT_TRUE(communicator.enter(17, plan::Segment::UPDATE).ok());
    EXPECT_EQ(describe(progress.place()), "step 17, segment UPDATE");
    ASSERT_TRUE(communicator.run(0, 1).ok());
    EXPECT_EQ(describe(progress.place()), "step 17, segment UPDATE, behind collective 1 \"second\"");
    ASSERT_TRUE(communicator.enter(17, plan::Segment::KIND_UNSPECIFIED).ok());
    EXPECT_FALSE(progress.place().onDevice);
    progress.follow(nullptr);
  });
}

// Rank 1 does not come, as if its process were gone; rank 0 waits in its graph until all are told to fail.
TEST(NcclRankTest, WhatWaitsInAGraphEndsWhenTheRanksFail) {
  const plan::Mesh mesh({2});
  const Collective collective = makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::F32, {0}, 2, {64});
  onRanks(mesh, [&](Rank &rank) {
    Communicator &communicator = rank.communicator();
    Progress progress;
    RankMemory memory(collective, communicator.rank(), 2, false, 1);
    auto handle = communicator.prepare("gradients", collective, memory.view());
    ASSERT_TRUE(handle.ok());
    ASSERT_TRUE(communicator.run(0, *handle).ok());
    ASSERT_TRUE(rank.device().beginCapture().ok());
    ASSERT_TRUE(communicator.run(0, *handle).ok());
    auto graph = rank.device().endCapture();
    ASSERT_TRUE(graph.ok());
    ASSERT_TRUE(communicator.agree(Agreement::Max, 0).ok());
    if (communicator.rank() == 1) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      communicator.abort("is out of luck");
      return;
    }
    progress.follow(communicator.trail());
    ASSERT_TRUE(communicator.enter(3, plan::Segment::ACCUMULATE_FIRST).ok());
    std::thread watcher([&] {
      for (int i = 0; i < 200 && !progress.place().waits; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      EXPECT_EQ(progress.place().name, "collective 0 \"gradients\"");
    });
    (void)rank.device().launchGraph(*graph); // returns at all
    watcher.join();
    const Status next = communicator.agree(Agreement::Max, 0).status();
    EXPECT_EQ(next.message(), "rank 1: is out of luck");
    EXPECT_FALSE(communicator.run(0, *handle).ok()) << "no call into what was aborted";
    progress.follow(nullptr);
  });
}

TEST(NcclRankTest, AProcessTakesTheGpuThatItsLauncherSays) {
  EXPECT_EQ(*chooseGpu({std::nullopt, std::nullopt, ""}, 1), 0u);
  EXPECT_EQ(*chooseGpu({std::nullopt, 5, ""}, 1), 0u) << "it sees its own alone";
  EXPECT_EQ(*chooseGpu({std::nullopt, 5, ""}, 8), 5u);
  EXPECT_EQ(*chooseGpu({2, 5, ""}, 8), 2u);
  EXPECT_EQ(*chooseGpu({std::nullopt, 5, "", 20, 4}, 4), 0u) << "it sees its own alone";
  EXPECT_EQ(*chooseGpu({std::nullopt, 1, "", 20, 4}, 8), 4u);
  EXPECT_EQ(*chooseGpu({2, 1, "", 20, 4}, 8), 2u);
  const auto refuse = [](const OwnGpus &which, uint32_t count, const std::string &part) {
    const Status status = chooseGpu(which, count).status();
    EXPECT_EQ(status.code(), Code::CannotRun);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  };
  refuse({8, 0, ""}, 8, "--gpu 8: the driver shows 8 GPUs");
  refuse({std::nullopt, std::nullopt, ""}, 2, "set LOCAL_RANK to its number");
  refuse({std::nullopt, 2, ""}, 2, "number 2 of its host, and the driver shows 2 GPUs");
  refuse({std::nullopt, 0, "", 0, 4}, 2,
         "--ranks 4: the driver shows 2 GPUs, from number 0 on, and the process has 4 ");
  refuse({5, 0, "", 0, 4}, 8, "--gpu 5: the driver shows 8 GPUs, from number 0 on, and the process has 4 ranks");
  refuse({std::nullopt, 2, "", 8, 4}, 8, "number 2 of its host, and the driver shows 8 GPUs, and the process has 4 ");
}

TEST(NcclApiTest, PinsWhatDecidesTheOrderOfASum) {
  unsetenv("NCCL_ALGO"), unsetenv("NCCL_PROTO");
  auto api = NcclApi::load(fakePlaces(), "eth7");
  ASSERT_TRUE(api.ok()) << api.status().message();
  EXPECT_EQ(api->description().find("NCCL 2.27.3 NCCL_ALGO=Ring NCCL_PROTO=Simple ("), 0u) << api->description();
  EXPECT_STREQ(getenv("NCCL_SOCKET_IFNAME"), "=eth7");
  EXPECT_STREQ(getenv("NCCL_NVLS_ENABLE"), "0");
  setenv("NCCL_ALGO", "Tree", 1);
  api = NcclApi::load(fakePlaces(), "");
  EXPECT_EQ(api->pinned, "NCCL_ALGO=Tree NCCL_PROTO=Simple") << "what the user has set stays, and is said";
  unsetenv("NCCL_ALGO");
}

TEST(NcclApiTest, SaysWhatIsMissing) {
  SearchPlaces places = fakePlaces();
  places.variables["FTC_NCCL_DIR"] = "/nonexistent";
  const Status absent = NcclApi::load(places, "").status();
  EXPECT_EQ(absent.code(), Code::CannotRun);
  EXPECT_EQ(absent.message(),
            "NCCL: FTC_NCCL_DIR is /nonexistent, which holds none of libnccl.so.2; correct or unset it");
  setenv("FTC_FAKE_NCCL_VERSION", "21703", 1);
  const Status old = NcclApi::load(fakePlaces(), "").status();
  EXPECT_EQ(old.code(), Code::CannotRun);
  EXPECT_NE(old.message().find("is NCCL 2.17.3; 2.18 or later is needed"), std::string::npos) << old.message();
  unsetenv("FTC_FAKE_NCCL_VERSION");
  auto api = NcclApi::load(fakePlaces(), "");
  EXPECT_EQ(api->check(NcclResult::InvalidUsage, "connecting").code(), Code::CannotRun);
  EXPECT_EQ(api->check(NcclResult::RemoteError, "x").message(), "x: NCCL answers an error of the fake library (6)");
}
