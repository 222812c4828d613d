// Rows become codes and scales bit for bit as runtime/Plan/Fp8.h says, which is tested against ml_dtypes: alone,
// folding vectors over two matrices, and in one kernel with the norm that makes the row.
#include "compiler/Fusion/ProgramTesting.h"
#include "runtime/Plan/Fp8.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <random>

using namespace mlir;

namespace ft {
namespace {

struct Case {
  std::string type;
  int64_t first, second; ///< columns; second 0: one matrix
};

class QuantizeRows : public ProgramTest, public testing::WithParamInterface<Case> {
protected:
  Case c = GetParam();
  static constexpr int64_t rows = 12;

  /// Random at many scales; zeros, one outlier, subnormals, halves between codes, infinity, no number.
  void fill(FloatMatrix &x, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < x.layout.columns; ++j) {
        const double number = normal(random);
        const bool last = j == x.layout.columns - 1;
        x.set(r, j,
              r == 0   ? 0
              : r == 1 ? (last ? -3.5 : 0)
              : r == 2 ? (last ? 1e6 : number * 1e-6)
              : r == 3 ? number * 1e-40
              : r == 4
                  ? (last ? 448 : double(plan::e4m3Value(uint8_t(j % 126)) + plan::e4m3Value(uint8_t(j % 126 + 1))) / 2)
              : r == 5 && last   ? INFINITY
              : r == 6 && j == 3 ? NAN
                                 : number * std::pow(10, r - 8));
      }
  }

  struct Results {
    std::vector<uint8_t> codes[2];
    std::vector<float> scale = std::vector<float>(rows);
  };

  RowProgram build(OpBuilder &b, kernel::FusedOp fused) {
    SmallVector<RowOperand> layouts;
    auto add = [&](Type t) {
      auto tensor = cast<RankedTensorType>(t);
      layouts.push_back({tensor.getElementType(), SmallVector<int64_t>(tensor.getShape()), tensor.getShape().back()});
    };
    llvm::for_each(fused.getInputs().getTypes(), add);
    llvm::for_each(fused.getResultTypes(), add);
    auto program = buildRowProgram(b, "tested", fused, layouts);
    return succeeded(program) ? static_cast<RowProgram>(*program) : RowProgram();
  }

  void expectRow(int64_t r, ArrayRef<std::vector<float>> matrices, const Results &got) {
    float largest = 0;
    bool broken = false;
    for (const std::vector<float> &values : matrices)
      for (float value : values)
        largest = std::max(largest, std::isnan(value) ? 0 : std::fabs(value)), broken |= !std::isfinite(value);
    const float scale = plan::fp8Scale(largest);
    EXPECT_EQ(got.scale[r], scale) << "row " << r;
    bool reached = false;
    for (size_t m = 0; m < matrices.size(); ++m)
      for (size_t j = 0; j < matrices[m].size(); ++j) {
        const uint8_t code = got.codes[m][r * matrices[m].size() + j],
                      expected = plan::e4m3Code(matrices[m][j] * (1 / scale));
        reached |= (code & 0x7f) == plan::e4m3NoNumber;
        if ((expected & 0x7f) == plan::e4m3NoNumber)
          ASSERT_EQ(code & 0x7f, plan::e4m3NoNumber) << "row " << r << ", " << j; // whatever its sign
        else
          ASSERT_EQ(code, expected) << "row " << r << ", " << j << ": " << matrices[m][j];
      }
    EXPECT_EQ(reached, broken) << "row " << r;
  }
};

TEST_P(QuantizeRows, AreTheBitsOfTheDefinition) {
  const bool two = c.second > 0;
  FloatMatrix x(type(c.type), rows, c.first), y(type(c.type), rows, std::max<int64_t>(c.second, 1));
  FloatMatrix s(type("f32"), 1, c.first), t(type("f32"), 1, std::max<int64_t>(c.second, 1));
  fill(x, 1), fill(y, 2), s.randomize(3, 0.01), t.randomize(4, 0.01);
  auto matrix = [&](int64_t columns, const std::string &element) {
    return llvm::formatv("tensor<{0}x{1}x{2}>", rows, columns, element).str();
  };
  const std::string code = "f8E4M3FN", a = matrix(c.first, c.type), b = matrix(c.second, c.type);
  const std::string va = llvm::formatv("tensor<{0}xf32>", c.first), vb = llvm::formatv("tensor<{0}xf32>", c.second);
  const std::string ca = matrix(c.first, code), cb = matrix(c.second, code), scales = "tensor<12xf32>";
  const std::string text = two ? llvm::formatv(R"(func.func @f(%x: {0}, %y: {1}, %s: {2}, %t: {3}) {{
      %r:3 = kernel.fused "f" (%x, %y, %s, %t) : ({0}, {1}, {2}, {3}) -> ({4}, {5}, {6}) {{
      ^bb0(%a: {0}, %b: {1}, %u: {2}, %v: {3}):
        %c:2, %k = ft.quantize_rows [%a, %b] fold [%u, %v] : ({0}, {1}, {2}, {3}) -> ({4}, {5}, {6})
        kernel.yield %c#0, %c#1, %k : {4}, {5}, {6}
      }
      return
    })",
                                               a, b, va, vb, ca, cb, scales)
                                     .str()
                               : llvm::formatv(R"(func.func @f(%x: {0}) {{
      %r:2 = kernel.fused "f" (%x) : ({0}) -> ({1}, {2}) {{
      ^bb0(%a: {0}):
        %c, %k = ft.quantize_rows [%a] fold [] : ({0}) -> ({1}, {2})
        kernel.yield %c, %k : {1}, {2}
      }
      return
    })",
                                               a, ca, scales)
                                     .str();
  kernel::FusedOp fused = parseFused(text);
  ASSERT_TRUE(fused) << text;
  Results got;
  got.codes[0].resize(rows * c.first), got.codes[1].resize(rows * c.second);
  std::vector<void *> args{x.data()};
  if (two)
    args.insert(args.end(), {y.data(), s.data(), t.data()});
  args.push_back(got.codes[0].data());
  if (two)
    args.push_back(got.codes[1].data());
  args.push_back(got.scale.data());
  run([&](OpBuilder &builder) { return build(builder, fused); }, args);
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<std::vector<float>> matrices(two ? 2 : 1);
    for (int64_t j = 0; j < c.first; ++j)
      matrices[0].push_back(two ? float(x.get(r, j)) * float(s.get(0, j)) : float(x.get(r, j)));
    for (int64_t j = 0; two && j < c.second; ++j)
      matrices[1].push_back(float(y.get(r, j)) * float(t.get(0, j)));
    expectRow(r, matrices, got);
  }
}

// The norm's result is rounded to its type before it is quantised, whether or not somebody else reads it.
TEST_P(QuantizeRows, FuseWithWhatMakesThem) {
  FloatMatrix x(type(c.type), rows, c.first), w(type(c.type), 1, c.first), normed(type(c.type), rows, c.first);
  x.randomize(5), w.randomize(6);
  for (int64_t j = 0; j < c.first; ++j)
    x.set(3, j, 0);
  const std::string text = llvm::formatv(R"(func.func @f(%x: {0}, %w: {1}) {{
      %r:4 = kernel.fused "f" (%x, %w) : ({0}, {1}) -> ({0}, {3}, {2}, {3}) {{
      ^bb0(%a: {0}, %b: {1}):
        %n, %d = ft.rms_norm %a, %b {{eps = 1.0e-5} : ({0}, {1}) -> ({0}, {3})
        %c, %k = ft.quantize_rows [%n] fold [] : ({0}) -> ({2}, {3})
        kernel.yield %n, %d, %c, %k : {0}, {3}, {2}, {3}
      }
      return
    })",
                                         llvm::formatv("tensor<12x{0}x{1}>", c.first, c.type).str(),
                                         llvm::formatv("tensor<{0}x{1}>", c.first, c.type).str(),
                                         llvm::formatv("tensor<12x{0}xf8E4M3FN>", c.first).str(), "tensor<12xf32>");
  kernel::FusedOp fused = parseFused(text);
  ASSERT_TRUE(fused) << text;
  Results got;
  std::vector<float> rstd(rows);
  got.codes[0].resize(rows * c.first);
  run([&](OpBuilder &builder) { return build(builder, fused); },
      {x.data(), w.data(), normed.data(), rstd.data(), got.codes[0].data(), got.scale.data()});
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<float> row;
    for (int64_t j = 0; j < c.first; ++j)
      row.push_back(float(normed.get(r, j)));
    expectRow(r, {row}, got);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, QuantizeRows,
                         testing::Values(Case{"bf16", 576, 0}, Case{"f32", 80, 0}, Case{"bf16", 576, 192},
                                         Case{"f32", 48, 16}, Case{"bf16", 4096, 1024}, Case{"bf16", 1536, 1536},
                                         Case{"f16", 576, 192}),
                         [](const testing::TestParamInfo<Case> &info) {
                           return info.param.type + "_" + std::to_string(info.param.first) + "_" +
                                  std::to_string(info.param.second);
                         });

} // namespace
} // namespace ft
