#include "runtime/Communication/Reduce.h"

#include "runtime/Support/Bfloat16.h"

#include <gtest/gtest.h>
#include <vector>

using namespace ft;
using namespace ft::rt;
using plan::Collective;

namespace {

template <typename T>
std::vector<T> reduced(plan::DType dtype, Collective::Reduction reduction, std::vector<std::vector<T>> ranks) {
  std::vector<T> result(ranks[0].size());
  std::vector<const std::byte *> sources;
  for (const std::vector<T> &rank : ranks)
    sources.push_back(reinterpret_cast<const std::byte *>(rank.data()));
  std::byte *target = reinterpret_cast<std::byte *>(result.data());
  reduce(dtype, reduction, sources, {&target, 1}, result.size());
  return result;
}

} // namespace

TEST(Reduce, SumsInTheOrderOfRanks) {
  // (1e8 + 1) − 1e8 = 0 in f32, while (1e8 − 1e8) + 1 = 1.
  EXPECT_EQ(reduced<float>(plan::F32, Collective::SUM, {{1e8f}, {1}, {-1e8f}})[0], 0);
  EXPECT_EQ(reduced<float>(plan::F32, Collective::SUM, {{1e8f}, {-1e8f}, {1}})[0], 1);
}

TEST(Reduce, RoundsBf16OnceAtTheEnd) {
  // 256 + 1 + 1: each sum alone rounds to 256 in bf16, whose steps are 2 there; 258 does not.
  const uint16_t large = f32ToBf16(256), one = f32ToBf16(1);
  const uint16_t sum = reduced<uint16_t>(plan::BF16, Collective::SUM, {{large}, {one}, {one}})[0];
  EXPECT_EQ(bf16ToF32(sum), 258);
}

TEST(Reduce, NormOfNorms) {
  EXPECT_EQ(reduced<double>(plan::F64, Collective::NORM2, {{3, -2}, {4, 0}}), (std::vector<double>{5, 2}));
  EXPECT_EQ(reduced<float>(plan::F32, Collective::NORM2, {{-7}}), std::vector<float>{7});
}

TEST(Reduce, PiecesDoNotShow) {
  std::vector<std::vector<int32_t>> ranks(3, std::vector<int32_t>(5000));
  for (int rank = 0; rank < 3; ++rank)
    for (int i = 0; i < 5000; ++i)
      ranks[size_t(rank)][size_t(i)] = i * (rank + 1);
  const std::vector<int32_t> sum = reduced(plan::I32, Collective::SUM, ranks);
  for (int i = 0; i < 5000; ++i)
    ASSERT_EQ(sum[size_t(i)], 6 * i);
}
