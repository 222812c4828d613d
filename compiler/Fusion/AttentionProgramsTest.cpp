// Row programs of tiled attention against double precision, under masks: causal, of documents, of windows.
#include "compiler/Fusion/ProgramTesting.h"

using namespace mlir;

namespace ft {
namespace {

/// A tile of so many queries behind `base` earlier tokens, each of which sees `window` keys (0: all).
struct Case {
  std::string type;
  int64_t rows, base, window = 0;
};

class AttentionPrograms : public ProgramTest, public testing::WithParamInterface<Case> {
protected:
  static constexpr int64_t heads = 2, modelHeads = 7;
  static constexpr double scale = 0.125;
  const int64_t rows = GetParam().rows, base = GetParam().base, keys = base + rows;
  Type storage = type(GetParam().type), statistic = type(GetParam().type == "f64" ? "f64" : "f32");
  double tolerance = toleranceOf(storage), fine = toleranceOf(statistic);
  AttentionTile tile{storage, heads, rows, keys, keys + 3, rows *(keys + 3) + 20, modelHeads, GetParam().window};
  std::vector<int32_t> starts;
  int32_t baseValue = int32_t(base);

  AttentionPrograms() {
    for (int64_t r = 0; r < rows; ++r) // one query in five is its document's first token
      starts.push_back(int32_t((base + r) * (r % 5) / 4));
  }

  /// A tile as one matrix: the gap between heads is one more stretch of padding that must stay.
  FloatMatrix tileMatrix(unsigned seed) {
    FloatMatrix m(storage, heads, tile.headPitch);
    m.randomize(seed, 2.0);
    return m;
  }
  double get(const FloatMatrix &m, int64_t head, int64_t row, int64_t key) {
    return m.get(head, row * tile.pitch + key);
  }
  bool valid(int64_t row, int64_t key) {
    const int64_t window = tile.window ? tile.window : keys;
    return key >= starts[row] && key <= base + row && key > base + row - window;
  }

  /// Compares a whole tile, gaps included: those must be as `before`.
  void expectTile(const FloatMatrix &actual, const FloatMatrix &before, double limit,
                  const std::function<double(int64_t, int64_t, int64_t)> &expected) {
    expectMatrix(actual, limit, 1e-3, [&](int64_t head, int64_t at) {
      const int64_t row = at / tile.pitch, key = at % tile.pitch;
      if (row >= rows || key >= keys)
        return before.get(head, at);
      EXPECT_TRUE(valid(row, key) || actual.get(head, at) == 0) << "a masked key must be exactly zero";
      return expected(head, row, key);
    });
  }
};

TEST_P(AttentionPrograms, SoftmaxAndItsBackward) {
  FloatMatrix scores = tileMatrix(1), before = scores, lse(statistic, rows, heads, modelHeads - heads);
  run([&](OpBuilder &b) { return buildAttentionSoftmax(b, "softmax", tile); },
      {scores.data(), starts.data(), &baseValue, lse.data()});
  std::vector<double> logSums;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t head = 0; head < heads; ++head) {
      double sum = 0;
      for (int64_t key = 0; key < keys; ++key)
        sum += valid(row, key) ? std::exp(get(before, head, row, key)) : 0;
      logSums.push_back(std::log(sum));
    }
  auto logSum = [&](int64_t row, int64_t head) { return logSums[row * heads + head]; };
  expectMatrix(lse, 4 * fine, 1, logSum);
  auto probability = [&](int64_t head, int64_t row, int64_t key) {
    return valid(row, key) ? std::exp(get(before, head, row, key) - logSum(row, head)) : 0;
  };
  expectTile(scores, before, 4 * tolerance, probability);

  FloatMatrix again = before, gradient = tileMatrix(2), oldGradient = gradient, delta = lse;
  delta.randomize(3);
  run([&](OpBuilder &b) { return buildAttentionSoftmaxBackward(b, "backward", tile, scale); },
      {again.data(), gradient.data(), starts.data(), &baseValue, lse.data(), delta.data()});
  expectTile(again, before, 4 * tolerance, probability);
  expectTile(gradient, oldGradient, 8 * tolerance, [&](int64_t head, int64_t row, int64_t key) {
    return probability(head, row, key) * (get(oldGradient, head, row, key) - delta.get(row, head)) * scale;
  });
}

TEST_P(AttentionPrograms, ResultsOfTheirOwnAreThoseInPlaceRounded) {
  AttentionTile apart = tile;
  apart.resultType = type(GetParam().type == "f64" ? "f32" : GetParam().window ? "f16" : "bf16");
  const double least = storage.isF16() || apart.resultType.isF16() ? 0x1p-24 : 0; // below its least normal number
  apart.resultPitch = keys + 7, apart.resultHeadPitch = rows * (keys + 7) + 32;
  const FloatMatrix scores = tileMatrix(1), gradient = tileMatrix(2);
  FloatMatrix p = scores, ds = gradient, lse(statistic, rows, heads, modelHeads - heads), delta = lse;
  run([&](OpBuilder &b) { return buildAttentionSoftmax(b, "softmax", tile); },
      {p.data(), starts.data(), &baseValue, lse.data()});
  delta.randomize(3);
  FloatMatrix from = scores, fromD = gradient, lseAgain = lse;
  FloatMatrix roundedP(apart.resultType, heads, apart.resultHeadPitch), roundedS = roundedP;
  auto expectRounded = [&](const FloatMatrix &actual, const FloatMatrix &expected) {
    for (int64_t head = 0; head < heads; ++head)
      for (int64_t row = 0; row < rows; ++row)
        for (int64_t key = 0; key < keys; ++key) {
          const double value = get(expected, head, row, key);
          ASSERT_NEAR(actual.get(head, row * apart.resultPitch + key), value,
                      std::max(least, 0x1p-8 * std::abs(value)));
        }
  };
  run([&](OpBuilder &b) { return buildAttentionSoftmax(b, "softmax", apart); },
      {from.data(), starts.data(), &baseValue, lseAgain.data(), roundedP.data()});
  expectRounded(roundedP, p);

  FloatMatrix again = scores;
  run([&](OpBuilder &b) { return buildAttentionSoftmaxBackward(b, "backward", tile, scale); },
      {again.data(), ds.data(), starts.data(), &baseValue, lse.data(), delta.data()});
  run([&](OpBuilder &b) { return buildAttentionSoftmaxBackward(b, "backward", apart, scale); },
      {from.data(), fromD.data(), starts.data(), &baseValue, lse.data(), delta.data(), roundedP.data(),
       roundedS.data()});
  expectRounded(roundedP, again);
  expectRounded(roundedS, ds);
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t at = 0; at < tile.headPitch; ++at)
      ASSERT_TRUE(from.get(head, at) == scores.get(head, at) && fromD.get(head, at) == gradient.get(head, at))
          << "wrote into what it reads";
}

TEST_P(AttentionPrograms, Delta) {
  const int64_t headDim = 100;
  FloatMatrix gradient(storage, rows, 3 * headDim, 4), output(storage, rows, 3 * headDim), delta(statistic, rows, 3);
  gradient.randomize(4), output.randomize(5);
  run([&](OpBuilder &b) { return buildAttentionDelta(b, "delta", gradient.layout, output.layout, headDim); },
      {gradient.data(), output.data(), delta.data()});
  expectMatrix(delta, 8 * fine, 4, [&](int64_t token, int64_t head) {
    double sum = 0;
    for (int64_t j = head * headDim; j < (head + 1) * headDim; ++j)
      sum += gradient.get(token, j) * output.get(token, j);
    return sum;
  });
}

INSTANTIATE_TEST_SUITE_P(Types, AttentionPrograms,
                         testing::Values(Case{"f32", 5, 96}, Case{"bf16", 5, 96}, Case{"f32", 1, 0},
                                         Case{"bf16", 300, 1024}, Case{"f64", 5, 96}, Case{"f32", 5, 96, 7},
                                         Case{"bf16", 300, 1024, 200}, Case{"f64", 5, 96, 1}, Case{"f16", 5, 96},
                                         Case{"f16", 300, 1024, 200}));

} // namespace
} // namespace ft
