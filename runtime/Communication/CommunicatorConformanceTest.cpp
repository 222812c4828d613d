// What every communicator must do to the bytes, in every world and group. How it fails: CommunicatorFailureTest.cpp.
#include "runtime/Communication/CommunicatorFixture.h"
#include "runtime/Plan/Kinds.h"

#include <atomic>
#include <cmath>
#include <cstring>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;
using plan::Collective;

namespace {

class CommunicatorConformance : public testing::TestWithParam<Implementation> {
protected:
  /// Runs the cases once on each rank, and compares what every byte is then. Returns the bytes of all ranks.
  std::vector<Bytes> expectRight(const plan::Mesh &mesh, const std::vector<uint32_t> &axes, const CollectiveCase &x,
                                 const std::vector<uint64_t> &elements, bool inPlace, uint32_t root = 0,
                                 uint32_t delays = 0) {
    const uint32_t members = mesh.members(axes);
    const uint64_t width = plan::dtypeBytes(x.dtype);
    std::vector<uint64_t> bytes;
    for (uint64_t n : elements)
      bytes.push_back(n * width * (hasParts(x.kind) ? members : 1));
    Collective collective = makeCollective(x.kind, x.reduction, x.dtype, axes, members, bytes);
    collective.set_root(root);

    std::vector<std::unique_ptr<RankMemory>> memories;
    std::vector<std::vector<Bytes>> before;
    for (uint32_t rank = 0; rank < mesh.ranks(); ++rank) {
      const uint32_t member = mesh.member(mesh.coordinates(rank), axes);
      memories.push_back(std::make_unique<RankMemory>(collective, member, members, inPlace, 1000 * x.dtype + rank));
      before.push_back(memories.back()->contents());
    }
    onEachRank(GetParam(), mesh, [&](Communicator &end) {
      std::mt19937 random(delays * 100 + end.rank());
      auto handle = end.prepare("test", collective, memories[end.rank()]->view());
      ASSERT_TRUE(handle.ok()) << handle.status().message();
      if (delays > 0)
        dawdle(random);
      const Status status = end.run(0, *handle);
      ASSERT_TRUE(status.ok()) << status.message();
    });
    std::vector<Bytes> results;
    for (uint32_t rank = 0; rank < mesh.ranks(); ++rank) {
      const plan::Coordinates at = mesh.coordinates(rank);
      std::vector<std::vector<Bytes>> ofMembers;
      for (uint32_t peer : mesh.group(at, axes))
        ofMembers.push_back(before[peer]);
      const std::vector<Bytes> wanted = expectedContents(collective, mesh.member(at, axes), ofMembers, inPlace);
      const std::vector<Bytes> got = memories[rank]->contents();
      EXPECT_EQ(got, wanted) << Collective::Kind_Name(x.kind) << " " << Collective::Reduction_Name(x.reduction) << " "
                             << plan::DType_Name(x.dtype) << " on rank " << rank << " of " << mesh.ranks()
                             << (inPlace ? " in place" : "");
      results.insert(results.end(), got.begin(), got.end());
    }
    return results;
  }
};

} // namespace

TEST_P(CommunicatorConformance, EveryKindTypeAndWorld) {
  for (uint32_t ranks : {1, 2, 3, 4, 8})
    for (const CollectiveCase &x : everyCollective())
      for (bool inPlace : {false, true})
        if (inPlace || hasParts(x.kind))
          expectRight(plan::Mesh({ranks}), {0}, x, {1, 7, 1025}, inPlace, ranks - 1);
}

TEST_P(CommunicatorConformance, GroupsOverEachAxis) {
  for (const std::vector<uint32_t> &sizes : {std::vector<uint32_t>{2, 2}, {2, 4}})
    for (const std::vector<uint32_t> &axes : {std::vector<uint32_t>{0}, {1}, {0, 1}, {1, 0}})
      for (const CollectiveCase &x : {CollectiveCase{Collective::ALL_REDUCE, Collective::SUM, plan::F32},
                                      {Collective::REDUCE_SCATTER, Collective::SUM, plan::BF16},
                                      {Collective::ALL_GATHER, Collective::REDUCTION_UNSPECIFIED, plan::U8},
                                      {Collective::BROADCAST, Collective::REDUCTION_UNSPECIFIED, plan::I64}})
        expectRight(plan::Mesh(sizes), axes, x, {33, 5}, true, 1);
}

TEST_P(CommunicatorConformance, OrderOfArrivalDoesNotShow) {
  const CollectiveCase x{Collective::ALL_REDUCE, Collective::SUM, plan::F32};
  const std::vector<Bytes> first = expectRight(plan::Mesh({4}), {0}, x, {4099}, true);
  for (uint32_t delays = 1; delays <= 20; ++delays)
    ASSERT_EQ(expectRight(plan::Mesh({4}), {0}, x, {4099}, true, 0, delays), first);
}

TEST_P(CommunicatorConformance, ANanWinsAndInfinitiesAdd) {
  const float nan = std::nanf(""), inf = INFINITY;
  const float values[3][4] = {{1, nan, inf, -1}, {nan, 2, -inf, -2}, {3, 1, 5, -0.5f}};
  for (auto reduction : {Collective::MAX, Collective::SUM}) {
    std::vector<std::vector<float>> memory;
    for (auto &row : values)
      memory.emplace_back(row, row + 4);
    onEachRank(GetParam(), plan::Mesh({3}), [&](Communicator &end) {
      std::byte *run = reinterpret_cast<std::byte *>(memory[end.rank()].data());
      auto handle = end.prepare("nan", makeCollective(Collective::ALL_REDUCE, reduction, plan::F32, {0}, 3, {16}),
                                {{&run, 1}, {}, nullptr});
      ASSERT_TRUE(handle.ok() && end.run(0, *handle).ok());
    });
    for (const std::vector<float> &row : memory) {
      EXPECT_TRUE(std::isnan(row[0]) && std::isnan(row[1]));
      EXPECT_TRUE(reduction == Collective::MAX ? row[2] == inf : std::isnan(row[2]));
      EXPECT_EQ(row[3], reduction == Collective::MAX ? -0.5f : -3.5f);
    }
  }
}

TEST_P(CommunicatorConformance, AnIntegerSumWraps) {
  int32_t memory[2] = {INT32_MAX, 2};
  onEachRank(GetParam(), plan::Mesh({2}), [&](Communicator &end) {
    std::byte *run = reinterpret_cast<std::byte *>(&memory[end.rank()]);
    auto handle = end.prepare("sum", makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::I32, {0}, 2, {4}),
                              {{&run, 1}, {}, nullptr});
    ASSERT_TRUE(handle.ok() && end.run(0, *handle).ok());
  });
  EXPECT_EQ(memory[0], INT32_MIN + 1);
  EXPECT_EQ(memory[1], INT32_MIN + 1);
}

TEST_P(CommunicatorConformance, ThousandsInSequenceOverChangingGroups) {
  // Each round adds over rows, then over columns, and gathers; a rank that runs ahead would read what is not there yet.
  const plan::Mesh mesh({2, 4});
  constexpr int rounds = 700;
  std::atomic<int> wrong = 0;
  onEachRank(GetParam(), mesh, [&](Communicator &end) {
    std::mt19937 random(end.rank());
    int32_t value[8] = {};
    std::byte *run = reinterpret_cast<std::byte *>(value), *own = run + 4 * end.rank();
    auto sum = [&](uint32_t axis) {
      return makeCollective(Collective::ALL_REDUCE, Collective::SUM, plan::I32, {axis}, mesh.size(axis), {4});
    };
    const Collective gather =
        makeCollective(Collective::ALL_GATHER, Collective::REDUCTION_UNSPECIFIED, plan::I32, {0, 1}, 8, {32});
    auto rows = end.prepare("rows", sum(0), {{&own, 1}, {}, nullptr});
    auto columns = end.prepare("columns", sum(1), {{&own, 1}, {}, nullptr});
    auto all = end.prepare("all", gather, {{&run, 1}, {&own, 1}, nullptr});
    ASSERT_TRUE(rows.ok() && columns.ok() && all.ok());
    for (int round = 0; round < rounds; ++round) {
      value[end.rank()] = int32_t(end.rank()) + round;
      if (random() % 64 == 0)
        dawdle(random);
      ASSERT_TRUE(end.run(0, *rows).ok() && end.run(0, *columns).ok() && end.run(0, *all).ok());
      for (int32_t sums : value)
        wrong += sums != 28 + 8 * round;
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST_P(CommunicatorConformance, RanksAgree) {
  for (uint32_t ranks : {1, 2, 3, 8})
    onEachRank(GetParam(), plan::Mesh({ranks}), [&](Communicator &end) {
      EXPECT_EQ(end.size(), ranks);
      std::mt19937 random(end.rank());
      for (uint64_t round = 0; round < 200; ++round) {
        if (random() % 16 == 0)
          dawdle(random);
        const uint64_t mine = 100 * round + end.rank() + 1;
        const std::pair<Agreement, uint64_t> wanted[] = {
            {Agreement::Max, 100 * round + ranks},
            {Agreement::Min, 100 * round + 1},
            {Agreement::Sum, 100 * round * ranks + uint64_t(ranks) * (ranks + 1) / 2},
            {Agreement::Rank0, 100 * round + 1}};
        for (auto [how, value] : wanted) {
          auto agreed = end.agree(how, mine);
          ASSERT_TRUE(agreed.ok()) << agreed.status().message();
          ASSERT_EQ(*agreed, value);
        }
      }
    });
}

TEST_P(CommunicatorConformance, AnAgreementIsABarrier) {
  std::atomic<uint32_t> come = 0;
  onEachRank(GetParam(), plan::Mesh({4}), [&](Communicator &end) {
    std::mt19937 random(end.rank() + 5);
    for (uint32_t round = 1; round <= 100; ++round) {
      dawdle(random);
      ++come;
      ASSERT_TRUE(end.agree(Agreement::Max, 0).ok());
      EXPECT_GE(come, 4 * round);
    }
  });
}

TEST_P(CommunicatorConformance, BringsWhatOneRankHasToRankZero) {
  constexpr size_t size = 1003; // no whole number of words
  const auto numberOf = [](uint32_t rank, size_t i) { return std::byte((i * 31 + rank * 101 + 7) & 0xff); };
  onEachRank(GetParam(), plan::Mesh({3}), [&](Communicator &end) {
    for (uint32_t from = 0; from < 3; ++from) {
      Bytes bytes(size);
      for (size_t i = 0; i < size; ++i)
        bytes[i] = numberOf(end.rank(), i);
      const Status status = end.toRank0(from, bytes);
      EXPECT_TRUE(status.ok()) << status.message();
      if (end.rank() == 0)
        for (size_t i = 0; i < size; ++i)
          ASSERT_EQ(bytes[i], numberOf(from, i)) << "byte " << i << " of rank " << from;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(All, CommunicatorConformance, testing::ValuesIn(implementations()),
                         [](const auto &info) { return info.param.name; });
