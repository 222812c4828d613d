// The kernel that makes numbers of quantised weights: bit for bit, on random codes, in every target's form.
#include "compiler/Fusion/ProgramTesting.h"
#include "runtime/Plan/Fp8.h"
#include "runtime/Plan/Nf4.h"

#include <random>

using namespace mlir;

namespace ft {
namespace {

/// Random codes and scales of rows × columns elements, and what they mean in f32.
struct Quantized {
  Quantized(int64_t elements, bool doubleQuant) : layout(elements, doubleQuant), doubleQuant(doubleQuant) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    codes.resize(layout.blocks * plan::nf4Block / 2);
    for (uint8_t &byte : codes)
      byte = uint8_t(random());
    for (uint64_t i = 0; i < layout.blocks; ++i)
      scales.push_back(std::fabs(normal(random)) * 0.05f), bytes.push_back(uint8_t(random()));
    scales.front() = 0, scales.back() = 1e-42f;
    for (uint64_t i = 0; i < plan::nf4NestedValues; ++i)
      values.push_back(normal(random));
    for (uint64_t i = 0; i < layout.nestedBlocks; ++i)
      nested.push_back(normal(random));
  }

  float scale(uint64_t block) const {
    if (!doubleQuant)
      return scales[block];
    const float product = values[bytes[block]] * nested[block / plan::nf4NestedBlock];
    return product + mean;
  }
  float operator()(uint64_t element) const {
    const uint8_t byte = codes[element / 2];
    return plan::nf4Values[element % 2 ? byte & 15 : byte >> 4] * scale(element / plan::nf4Block);
  }
  std::vector<void *> arguments(FloatMatrix &target) {
    if (!doubleQuant)
      return {codes.data(), scales.data(), target.data()};
    return {codes.data(), bytes.data(), nested.data(), values.data(), &mean, target.data()};
  }

  plan::Nf4Layout layout;
  bool doubleQuant;
  std::vector<uint8_t> codes, bytes;
  std::vector<float> scales, nested, values;
  float mean = 0.03f;
};

struct Case {
  std::string type;
  int64_t rows, columns, padding;
  bool doubleQuant;
};

/// Codes of rows in FP8, all of them among these, and scales.
struct InFp8 {
  InFp8(int64_t rows, int64_t columns, int64_t pitch) : codes(rows * pitch), pitch(pitch) {
    std::mt19937 random(9);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < codes.size(); ++i)
      do
        codes[i] = i < 256 ? uint8_t(i) : uint8_t(random());
      while ((codes[i] & 0x7f) == plan::e4m3NoNumber && i >= 256);
    for (int64_t r = 0; r < rows; ++r)
      scales.push_back(std::exp(3 * normal(random)) * 1e-3f);
    scales.front() = 1, scales.back() = 0x1p-126f;
  }
  float operator()(int64_t r, int64_t c) const { return plan::e4m3Value(codes[r * pitch + c]) * scales[r]; }

  std::vector<uint8_t> codes;
  std::vector<float> scales;
  int64_t pitch;
};

class DequantizeRows : public ProgramTest, public testing::WithParamInterface<Case> {};

TEST_P(DequantizeRows, MakesTheNumbersBitForBit) {
  const Case &c = GetParam();
  InFp8 quantized(c.rows, c.columns, c.columns);
  FloatMatrix target(type(c.type), c.rows, c.columns, c.padding);
  run(
      [&](OpBuilder &b) {
        const MatrixLayout codes{Float8E4M3FNType::get(&context), c.rows, c.columns, quantized.pitch};
        return buildDequantizeRows(b, "dequantize", codes, target.layout);
      },
      {quantized.codes.data(), quantized.scales.data(), target.data()});
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t j = 0; j < c.columns; ++j) {
      const float exact = quantized(r, j);
      const double expected = roundedTo(target.layout.type, exact);
      if (std::isnan(expected))
        ASSERT_TRUE(std::isnan(target.get(r, j))) << r << ", " << j;
      else
        ASSERT_EQ(target.get(r, j), expected) << r << ", " << j;
    }
  EXPECT_TRUE(target.paddingIntact());
}

INSTANTIATE_TEST_SUITE_P(Shapes, DequantizeRows,
                         testing::Values(Case{"bf16", 300, 576, 16, false}, Case{"f32", 7, 100, 0, false},
                                         Case{"f64", 5, 256, 0, false}, Case{"bf16", 3, 2048, 8, false},
                                         Case{"f16", 300, 576, 16, false}),
                         [](const testing::TestParamInfo<Case> &info) {
                           return info.param.type + "_" + std::to_string(info.param.rows) + "x" +
                                  std::to_string(info.param.columns);
                         });

class DequantizePrograms : public ProgramTest, public testing::WithParamInterface<Case> {};

TEST_P(DequantizePrograms, MakesTheNumbersBitForBit) {
  const Case &c = GetParam();
  Quantized quantized(c.rows * c.columns, c.doubleQuant);
  FloatMatrix target(type(c.type), c.rows, c.columns, c.padding);
  run(
      [&](OpBuilder &b) {
        return buildDequantize(b, "dequantize", {c.rows * c.columns, c.doubleQuant}, target.layout);
      },
      quantized.arguments(target));
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t j = 0; j < c.columns; ++j) {
      const float exact = quantized(r * c.columns + j);
      const double expected = roundedTo(target.layout.type, exact);
      ASSERT_EQ(target.get(r, j), expected) << r << ", " << j;
    }
  EXPECT_TRUE(target.paddingIntact());
}

INSTANTIATE_TEST_SUITE_P(Shapes, DequantizePrograms,
                         testing::Values(Case{"bf16", 576, 576, 16, false}, Case{"bf16", 300, 64, 0, true},
                                         Case{"f32", 3, 128, 5, false}, Case{"f64", 2, 192, 0, true},
                                         Case{"bf16", 1, 64, 0, false}, Case{"bf16", 257, 192, 8, true},
                                         Case{"f16", 300, 64, 0, true}),
                         [](const testing::TestParamInfo<Case> &info) {
                           const Case &c = info.param;
                           return c.type + "_" + std::to_string(c.rows) + "x" + std::to_string(c.columns) +
                                  (c.doubleQuant ? "_double" : "");
                         });

} // namespace
} // namespace ft
