#include "runtime/Support/Philox.h"

#include <gtest/gtest.h>

using namespace ft::rt;

// Random123's kat_vectors, philox4x32 with 10 rounds.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, KeyIsTheDigestsFirstWord) {
  // printf '\x2a\0\0\0\0\0\0\0init\0w' | sha256sum starts with the bytes of the key.
  const Sha256Digest digest = sha256(std::string_view("\x2a\0\0\0\0\0\0\0init\0w", 14));
  const PhiloxKey key = philoxKey(42, "init", "w");
  for (int i = 0; i < 8; ++i)
    EXPECT_EQ(uint8_t(key[i / 4] >> (8 * (i % 4))), digest[i]) << i;
  EXPECT_NE(philoxKey(42, "init", "w"), philoxKey(43, "init", "w"));
  EXPECT_NE(philoxKey(42, "init", "w"), philoxKey(42, "dropout", "w"));
  EXPECT_NE(philoxKey(42, "a", "bc"), philoxKey(42, "ab", "c"));
}

TEST(Philox, UniformNeverZeroReachesOne) {
  EXPECT_EQ(philoxUniform(0), 0x1p-32);
  EXPECT_EQ(philoxUniform(~0u), 1.0);
}

TEST(Philox, NormalMoments) {
  // 40000 draws: the standard error of the mean is 0.005, of the variance 0.007, of the kurtosis 0.024; bounds at 5.
  double sum = 0, squares = 0, fourth = 0;
  const PhiloxKey key = philoxKey(1, "init", "moments");
  constexpr uint32_t blocks = 10000;
  for (uint32_t i = 0; i < blocks; ++i)
    for (double x : philoxNormals(philox4x32({i, 0, 0, 0}, key)))
      sum += x, squares += x * x, fourth += x * x * x * x;
  constexpr double n = 4.0 * blocks;
  EXPECT_NEAR(sum / n, 0, 0.025);
  EXPECT_NEAR(squares / n, 1, 0.036);
  EXPECT_NEAR(fourth / n, 3, 0.25);
  for (double x : philoxNormals({0, 0, ~0u, ~0u}))
    EXPECT_TRUE(std::isfinite(x));
}
