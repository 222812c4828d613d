#include "runtime/Text/Packer.h"

#include "runtime/Text/DataRandom.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>

using namespace ft::rt;

namespace {
using Rows = std::vector<std::vector<uint32_t>>;

Rows pack(const RowShape &shape, const std::vector<uint32_t> &lengths) {
  std::vector<uint32_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0u);
  const PackedRows packed = packRows(shape, lengths, order);
  Rows rows;
  for (size_t r = 0; r < packed.size(); ++r)
    rows.emplace_back(packed[r].begin(), packed[r].end());
  return rows;
}

double efficiency(const RowShape &shape, const std::vector<uint32_t> &lengths) {
  const Rows rows = pack(shape, lengths);
  const auto tokens = std::accumulate(lengths.begin(), lengths.end(), uint64_t(0));
  return double(tokens) / (double(rows.size()) * shape.sequenceLen);
}

TEST(Packer, LongestFirstIntoTheFullestRowThatHasRoom) {
  EXPECT_EQ(pack({10, 10, 8, true}, {6, 5, 4, 3, 2, 10}), (Rows{{5}, {0, 2}, {1, 3, 4}}));
}

TEST(Packer, CapsDocuments) { EXPECT_EQ(pack({10, 10, 2, true}, {1, 1, 1, 1, 1}), (Rows{{0, 1}, {2, 3}, {4}})); }

TEST(Packer, WithoutPackingEachHasItsRow) { EXPECT_EQ(pack({10, 10, 1, false}, {1, 2, 3}), (Rows{{0}, {1}, {2}})); }

/// Long documents fill few to a row, short ones meet the cap: rows are filled in either case.
TEST(Packer, FillsRowsToAlmostAll) {
  DataRandom random(5, "packer");
  for (const RowShape shape :
       {RowShape{512, 512, 8, true}, RowShape{1024, 1024, 16, true}, RowShape{2048, 2048, 32, true}}) {
    std::vector<uint32_t> uniform, shorter, skewed, narrow;
    for (int i = 0; i < 10000; ++i) {
      uniform.push_back(1 + random.below(shape.sequenceLen));
      shorter.push_back(10 + random.below(shape.sequenceLen / 4));
      const uint32_t powers = 1 + random.below(shape.sequenceLen);
      skewed.push_back(1 + random.below(powers));
      narrow.push_back(shape.sequenceLen / 6 + random.below(shape.sequenceLen / 6));
    }
    EXPECT_GE(efficiency(shape, uniform), 0.98);
    EXPECT_GE(efficiency(shape, shorter), 0.98);
    EXPECT_GE(efficiency(shape, skewed), 0.98);
    EXPECT_GE(efficiency(shape, narrow), 0.98);
  }
}

/// The demo's: recipes/data/wordnet_train.jsonl in SmolLM2's tokens, 1 of 42 tokens and so on.
TEST(Packer, FillsTheDemosRows) {
  constexpr uint32_t counts[] = {1,  11, 54, 89, 130, 191, 167, 198, 177, 150, 132, 110, 95, 75, 69,
                                 50, 40, 22, 24, 28,  11,  16,  14,  13,  7,   5,   4,   8,  3,  2,
                                 0,  2,  0,  1,  0,   0,   0,   0,   0,   0,   0,   0,   1};
  std::vector<uint32_t> lengths;
  for (uint32_t i = 0; i < std::size(counts); ++i)
    lengths.insert(lengths.end(), counts[i], 42 + i);
  ASSERT_EQ(lengths.size(), 1900u);
  EXPECT_GE(efficiency({256, 256, 8, true}, lengths), 0.98);
}

TEST(Packer, EveryDocumentIsInOneRow) {
  DataRandom random(7, "packer");
  std::vector<uint32_t> lengths(5000), seen(5000);
  for (uint32_t &length : lengths)
    length = 1 + random.below(64);
  const RowShape shape{128, 64, 7, true};
  for (const auto &row : pack(shape, lengths)) {
    uint32_t used = 0;
    for (uint32_t document : row) {
      ++seen[document];
      used += lengths[document];
    }
    EXPECT_LE(used, 128u);
    EXPECT_LE(row.size(), 7u);
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1u), 5000);
}

TEST(Packer, CoversEveryRowItMakes) {
  DataRandom random(6, "packer");
  for (const RowShape shape : {RowShape{64, 16, 4, true}, RowShape{64, 16, 5, true}, RowShape{64, 64, 3, true}}) {
    std::vector<uint32_t> lengths(300);
    for (uint32_t &length : lengths)
      length = 1 + random.below(shape.maxDocumentLen);
    for (const auto &row : pack(shape, lengths)) {
      std::vector<uint32_t> held, covered(shape.maxDocumentsPerRow);
      for (uint32_t document : row)
        held.push_back(lengths[document]);
      const uint32_t count = shape.cover(held, covered);
      ASSERT_LE(count, shape.maxDocumentsPerRow);
      EXPECT_EQ(std::accumulate(covered.begin(), covered.begin() + count, 0u), shape.sequenceLen);
      EXPECT_LE(*std::max_element(covered.begin(), covered.begin() + count), shape.maxDocumentLen);
      EXPECT_TRUE(std::equal(held.begin(), held.end() - 1, covered.begin()));
      EXPECT_GE(covered[held.size() - 1], held.back());
    }
  }
}

TEST(RowShape, PaddingIsItsOwnDocumentWhereThereIsRoom) {
  std::vector<uint32_t> out(4);
  const RowShape roomy{16, 8, 4, true};
  const std::vector<uint32_t> two = {3, 2};
  ASSERT_EQ(roomy.cover(two, out), 4u);
  EXPECT_EQ(out, (std::vector<uint32_t>{3, 2, 8, 3}));
  const RowShape tight{16, 8, 3, true};
  ASSERT_EQ(tight.cover(two, out), 3u);
  EXPECT_EQ((std::vector<uint32_t>(out.begin(), out.begin() + 3)), (std::vector<uint32_t>{3, 8, 5}));
  ASSERT_EQ(tight.cover({}, out), 2u);
  EXPECT_EQ(out[0], 8u);
}

TEST(RowShape, RefusesWhatCannotBeCovered) {
  EXPECT_TRUE((RowShape{16, 16, 1, false}.check().ok()));
  EXPECT_EQ((RowShape{16, 17, 1, true}.check().message()), "max_document_len is 17; must be in [1, sequence_len = 16]");
  EXPECT_EQ((RowShape{16, 16, 0, true}.check().message()),
            "max_documents_per_row is 0; must be in [1, sequence_len = 16]");
  EXPECT_EQ((RowShape{16, 8, 1, false}.check().message()),
            "max_documents_per_row 1 x max_document_len 8 is 8; must be at least sequence_len 16, or rows cannot be "
            "covered: raise one of the two, or turn packing on");
}

TEST(DataRandom, ShufflesAndBoundsEvenly) {
  DataRandom random(1, "x"), same(1, "x"), other(1, "y");
  std::vector<uint32_t> a(50), b(50), c(50);
  for (auto *v : {&a, &b, &c})
    std::iota(v->begin(), v->end(), 0u);
  random.shuffle(std::span(a));
  same.shuffle(std::span(b));
  other.shuffle(std::span(c));
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
  std::sort(a.begin(), a.end());
  for (uint32_t i = 0; i < 50; ++i)
    EXPECT_EQ(a[i], i);
  // 60,000 draws of 6: each count is within 5 standard deviations (91) of 10,000.
  std::array<int, 6> counts{};
  for (int i = 0; i < 60000; ++i)
    ++counts[random.below(6)];
  for (int count : counts)
    EXPECT_NEAR(count, 10000, 5 * 92);
}

} // namespace
