#include "runtime/Weights/Seeded.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Safetensors.h"
#include "runtime/Weights/WeightsTesting.h"

#include <cmath>

namespace ft::rt {
namespace {

using namespace testing;

constexpr const char *key = "model.layers.0.self_attn.q_proj.weight";

std::vector<float> draw(plan::Init::Kind kind, double scale, uint64_t seed, const char *name, uint64_t first,
                        uint64_t count) {
  std::vector<float> values(count);
  seededElements(kind, scale, seed, name, first, count, plan::F32, reinterpret_cast<std::byte *>(values.data()));
  return values;
}

TEST(Seeded, EqualsTheReferenceBitForBit) {
  auto file = SafetensorsFile::open(goldens + "seeded.safetensors");
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto normal = draw(plan::Init::NORMAL, 0.02, 42, key, 0, 4099);
  auto uniform = draw(plan::Init::UNIFORM, 0.125, 42, key, 0, 4099);
  EXPECT_EQ(std::memcmp(normal.data(), file->tensor("NORMAL")->bytes.data(), 4099 * 4), 0);
  EXPECT_EQ(std::memcmp(uniform.data(), file->tensor("UNIFORM")->bytes.data(), 4099 * 4), 0);
}

TEST(Seeded, AnyPieceEqualsTheWhole) {
  for (auto kind : {plan::Init::NORMAL, plan::Init::UNIFORM}) {
    auto whole = draw(kind, 1.0, 9, "w", 0, 10000);
    for (uint64_t first : {1u, 3u, 1023u, 1024u, 4097u}) {
      auto piece = draw(kind, 1.0, 9, "w", first, 5001);
      EXPECT_EQ(std::memcmp(piece.data(), whole.data() + first, 5001 * 4), 0) << first;
    }
  }
  // Counters beyond 32 bits: block 2^32 differs from block 0.
  EXPECT_NE(draw(plan::Init::NORMAL, 1.0, 9, "w", 1ull << 34, 8), draw(plan::Init::NORMAL, 1.0, 9, "w", 0, 8));
}

TEST(Seeded, SeedAndNameMatter) {
  auto a = draw(plan::Init::NORMAL, 1.0, 9, "w", 0, 16);
  EXPECT_NE(a, draw(plan::Init::NORMAL, 1.0, 10, "w", 0, 16));
  EXPECT_NE(a, draw(plan::Init::NORMAL, 1.0, 9, "v", 0, 16));
}

TEST(Seeded, HasTheMomentsOfItsDistribution) {
  // n = 2^20: the standard errors of mean, variance and fourth moment are 1e-3, 1.4e-3 and 1e-2; bounds are 5 of them.
  auto normal = draw(plan::Init::NORMAL, 1.0, 3, "n", 0, 1 << 20);
  double m1 = 0, m2 = 0, m4 = 0;
  for (double x : normal) {
    m1 += x, m2 += x * x, m4 += x * x * x * x;
  }
  double n = double(normal.size());
  EXPECT_NEAR(m1 / n, 0, 5e-3);
  EXPECT_NEAR(m2 / n, 1, 7e-3);
  EXPECT_NEAR(m4 / n, 3, 5e-2);
  auto uniform = draw(plan::Init::UNIFORM, 2.0, 3, "u", 0, 1 << 20);
  double u2 = 0;
  for (double x : uniform) {
    EXPECT_LT(std::fabs(x), 2.0);
    u2 += x * x;
  }
  EXPECT_NEAR(u2 / n, 4.0 / 3, 7e-3);
}

TEST(Seeded, StoredTypesHoldTheSameNumbers) {
  auto f32 = draw(plan::Init::NORMAL, 0.02, 5, "w", 0, 3000);
  std::vector<uint16_t> bf16(3000);
  std::vector<double> f64(3000);
  seededElements(plan::Init::NORMAL, 0.02, 5, "w", 0, 3000, plan::BF16, reinterpret_cast<std::byte *>(bf16.data()));
  seededElements(plan::Init::NORMAL, 0.02, 5, "w", 0, 3000, plan::F64, reinterpret_cast<std::byte *>(f64.data()));
  for (size_t i = 0; i < 3000; ++i) {
    EXPECT_EQ(f64[i], double(f32[i]));
    EXPECT_EQ(bf16[i], f32ToBf16(f32[i]));
  }
  EXPECT_EQ(draw(plan::Init::ONES, 0, 5, "w", 7, 300), std::vector<float>(300, 1.0f));
  EXPECT_EQ(draw(plan::Init::ZEROS, 0, 5, "w", 7, 300), std::vector<float>(300, 0.0f));
}

} // namespace
} // namespace ft::rt
