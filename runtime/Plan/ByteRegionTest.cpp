#include "runtime/Plan/Lanes.h"
#include "runtime/Plan/TestRegions.h"

#include <gtest/gtest.h>

using namespace ft::rt;
using namespace ft::rt::test;

namespace {

void expectMessage(const Expected<ByteRegion> &region, const char *part) {
  ASSERT_FALSE(region.ok());
  EXPECT_NE(region.status().message().find(part), std::string::npos) << region.status().message();
}

} // namespace

TEST(ByteRegion, NormalForm) {
  EXPECT_EQ(*makeRegion(8, 4, 10, 4, 1, 0), (ByteRegion{8, 40}));
  EXPECT_EQ(*makeRegion(8, 4, 10, 6, 0, 0), (ByteRegion{8, 4, 10, 6}));
  EXPECT_EQ(*makeRegion(8, 4, 1, 99, 3, 6), (ByteRegion{8, 4, 3, 6}));
  EXPECT_EQ(*makeRegion(0, 4, 3, 6, 2, 18), (ByteRegion{0, 4, 6, 6}));        // the batch goes on at the same pitch
  EXPECT_EQ(*makeRegion(0, 4, 3, 32, 2, 4), (ByteRegion{0, 8, 3, 32}));       // heads side by side
  EXPECT_EQ(*makeRegion(0, 4, 3, 32, 2, 8), (ByteRegion{0, 4, 2, 8, 3, 32})); // every second head
  EXPECT_EQ(*makeRegion(0, 4, 3, 6, 5, 0), (ByteRegion{0, 4, 3, 6}));         // broadcast
}

TEST(ByteRegion, IllFormedIsRefused) {
  expectMessage(makeRegion(0, 0, 1, 0, 1, 0), "has 1 rows of 0 bytes; both must be at least 1");
  expectMessage(makeRegion(0, 4, 0, 0, 1, 0), "has 0 rows of 4 bytes");
  expectMessage(makeRegion(0, 4, 2, 0, 1, 0), "has pitch 0 between 2 rows; must be at least the row's 4 bytes");
  expectMessage(makeRegion(0, 4, 2, 3, 1, 0), "rows of 4 bytes at a pitch of 3: they overlap");
  expectMessage(makeRegion(0, 4, 3, 8, 2, 12), "overlap or interleave");
  expectMessage(makeRegion(0, 4, uint64_t(1) << 60, 8, 1, 0), "each must be below 2^56");
  expectMessage(makeRegion(0, 4, uint64_t(1) << 40, uint64_t(1) << 40, 1, 0), "ends behind byte 2^56");
  expectMessage(makeRegion(~uint64_t(0), 4, 1, 0, 1, 0), "each must be below 2^56");
  ft::plan::Operand operand;
  operand.set_rows(1);
  operand.set_row_bytes(4);
  operand.set_batch(3);
  operand.set_write(1);
  expectMessage(makeRegion(operand, 0), "writes 3 batches at batch_pitch 0: onto each other");
  operand.set_offset(~uint64_t(0));
  operand.set_batch(1);
  expectMessage(makeRegion(operand, 64), "has offset 18446744073709551615; must be below 2^56");
}

TEST(ByteRegion, AlgebraAgreesWithSets) {
  std::mt19937 random(11);
  WorkBudget budget;
  int touching = 0, contained = 0, twoLevels = 0, apartByLanes = 0;
  for (int trial = 0; trial < 20000; ++trial) {
    const ByteRegion a = randomRegion(random), b = randomRegion(random);
    const std::set<int64_t> setA = bytesOf(a), setB = bytesOf(b);
    ASSERT_EQ(int64_t(setA.size()), a.bytes());
    std::set<int64_t> difference = setA;
    for (int64_t byte : setB)
      difference.erase(byte);
    auto show = [&] {
      return testing::Message() << trial << ": " << a.start << " " << a.rowBytes << " " << a.count << "x" << a.pitch
                                << " " << a.outerCount << "x" << a.outerPitch << " and " << b.start << " " << b.rowBytes
                                << " " << b.count << "x" << b.pitch << " " << b.outerCount << "x" << b.outerPitch;
    };
    const bool touch = difference.size() != setA.size();
    ASSERT_EQ(intersects(a, b, budget), touch) << show();
    ASSERT_EQ(intersects(b, a, budget), touch) << show();
    ASSERT_EQ(sharedBytes(a, b, budget), int64_t(setA.size() - difference.size())) << show();
    const bool apart = Lanes(a).apartFrom(Lanes(b));
    ASSERT_EQ(apart, Lanes(b).apartFrom(Lanes(a))) << show();
    ASSERT_FALSE(apart && touch) << show();
    apartByLanes += apart;
    const bool inside = contains(b, a), oneLevel = a.outerCount == 1 && b.outerCount == 1;
    ASSERT_TRUE(!inside || difference.empty()) << show();
    if (oneLevel && (a.contiguous() || b.contiguous() || a.pitch == b.pitch)) {
      ASSERT_EQ(inside, difference.empty()) << show();
    }
    std::vector<ByteRegion> rest;
    subtract(a, b, rest, budget);
    std::set<int64_t> all;
    for (const ByteRegion &piece : rest) {
      const auto bytes = bytesOf(piece);
      all.insert(bytes.begin(), bytes.end());
    }
    int64_t total = 0;
    for (const ByteRegion &piece : rest)
      total += piece.bytes();
    ASSERT_EQ(all, difference) << show();
    ASSERT_EQ(total, int64_t(difference.size())) << "pieces overlap: " << show();
    touching += touch, contained += inside, twoLevels += !oneLevel;
  }
  EXPECT_GT(touching, 5000);
  EXPECT_GT(contained, 100);
  EXPECT_GT(twoLevels, 2000);
  EXPECT_GT(apartByLanes, 100);
  EXPECT_FALSE(budget.exhausted());
}

TEST(ByteRegion, LongRowsOfUnequalPitchNeedNoWork) {
  WorkBudget budget{0};
  // Rows of 4096 at 4224 leave gaps of 128 bytes; rows of 64 at pitch 4352 drift through them.
  const ByteRegion a = *makeRegion(0, 4096, 1 << 20, 4224, 1, 0);
  EXPECT_TRUE(intersects(a, *makeRegion(4100, 64, 1 << 20, 4352, 1, 0), budget));
  EXPECT_FALSE(intersects(a, *makeRegion(4100, 64, 1 << 19, 8448, 1, 0), budget));
  EXPECT_FALSE(budget.exhausted());
}

TEST(ByteRegion, OneItemOfManyIsFoundWithoutTheOthers) {
  // A matrix against 16 rows in each of 4096 like it: one of the 4096 can touch, 16 rows through all of them would.
  WorkBudget budget{100};
  const ByteRegion batch = *makeRegion(2560 * 512, 384, 16, 512, 4096, 1 << 21);
  const ByteRegion matrix = *makeRegion(int64_t(7) << 21, 384, 2576, 512, 1, 0);
  EXPECT_TRUE(intersects(matrix, batch, budget));
  std::vector<ByteRegion> rest;
  subtract(matrix, batch, rest, budget);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0], *makeRegion(matrix.start, 384, 2560, 512, 1, 0));
  EXPECT_FALSE(budget.exhausted());
}

TEST(ByteRegion, AdversarialGeometryRunsIntoTheBudget) {
  // Columns at multiples of 8 against columns of another pitch beside them: no line of either decides alone.
  WorkBudget budget{1000};
  const ByteRegion a = *makeRegion(0, 1, 1 << 16, 8, 1 << 20, (1 << 24));
  const ByteRegion b = *makeRegion(2, 1, 1 << 16, 12, 1 << 20, (1 << 24) + 4);
  EXPECT_TRUE(intersects(a, b, budget)); // the answer of an exhausted budget
  EXPECT_TRUE(budget.exhausted());
}

TEST(ByteRegion, HeadsSideBySideAreToldApartByTheirLanes) {
  // Rows of 5120 bytes: queries of 32 heads, every eighth of which is one product's, and then keys of 4.
  const auto queries = [](uint64_t head) { return Lanes(*makeRegion(128 * head, 128, 64, 5120, 4, 1024)); };
  const Lanes keys(*makeRegion(4096, 128, 2048, 5120, 4, 128));
  EXPECT_TRUE(queries(0).apartFrom(queries(1)));
  EXPECT_TRUE(queries(7).apartFrom(queries(0)));
  EXPECT_FALSE(queries(3).apartFrom(queries(3)));
  EXPECT_TRUE(queries(7).apartFrom(keys));
  EXPECT_FALSE(keys.apartFrom(Lanes(*makeRegion(0, 5120 * 64, 1, 0, 1, 0)))); // what is contiguous has no lane
}
