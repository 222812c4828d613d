// Standalone row programs against double precision.
#include "compiler/Fusion/ProgramTesting.h"
#include "compiler/Fusion/Programs/Copies.h"
#include "runtime/Plan/plan.pb.h"

using namespace mlir;

namespace ft {
namespace {

struct Case {
  std::string type;
  int64_t length;
  int64_t padding;
  int64_t rows = 4;
};

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  const Case &c = info.param;
  return c.type + "_" + std::to_string(c.length) + "_" + std::to_string(c.padding) + "_" + std::to_string(c.rows) +
         "_rows";
}

class Programs : public ProgramTest, public testing::WithParamInterface<Case> {
protected:
  Case c = GetParam();
  Type storage = type(c.type), statistic = type(c.type == "f64" ? "f64" : "f32");
  double tolerance = toleranceOf(storage), fine = toleranceOf(statistic);
  std::vector<double> scalars = std::vector<double>(8, 0.0);
};

TEST_P(Programs, HeadLoss) {
  const int64_t rows = c.rows;
  const double weight = 0.125;
  scalars[0] = weight;
  FloatMatrix logits(storage, rows, c.length, c.padding), nll(statistic, 1, rows);
  logits.randomize(1, 4.0);
  logits.set(2, 0, 300.0); // far beyond what e^x holds
  for (int64_t j = 0; j < c.length; ++j)
    logits.set(3, j, INFINITY); // no target: whatever stands there becomes zero
  FloatMatrix before = logits, evaluated = logits;
  std::vector<int32_t> labels{0, int32_t(c.length - 1), int32_t(c.length / 2), -100};
  for (int64_t r = 4; r < rows; ++r)
    labels.push_back(int32_t(7 * r % c.length));
  run([&](OpBuilder &b) { return buildHeadLoss(b, "loss", logits.layout, true); },
      {logits.data(), labels.data(), scalars.data(), nll.data()});
  std::vector<double> max(rows, -1e300), sum(rows, 0);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < c.length; ++j)
      max[r] = std::max(max[r], before.get(r, j));
    for (int64_t j = 0; j < c.length; ++j)
      sum[r] += std::exp(before.get(r, j) - max[r]);
  }
  auto loss = [&](int64_t, int64_t r) { return r == 3 ? 0 : max[r] + std::log(sum[r]) - before.get(r, labels[r]); };
  expectMatrix(nll, 4 * fine, 1, loss);
  // The tail of a large vocabulary is tiny: relative to the largest probability.
  expectMatrix(logits, 2 * tolerance, 1e-4 * weight, [&](int64_t r, int64_t j) {
    return r == 3 ? 0 : weight * (std::exp(before.get(r, j) - max[r]) / sum[r] - (j == labels[r]));
  });
  FloatMatrix again(statistic, 1, rows);
  run([&](OpBuilder &b) { return buildHeadLoss(b, "loss", evaluated.layout, false); },
      {evaluated.data(), labels.data(), scalars.data(), again.data()});
  expectMatrix(again, 4 * fine, 1, loss);
  for (int64_t j = 0; j < c.length; ++j)
    ASSERT_EQ(evaluated.get(0, j), before.get(0, j)) << "evaluation must leave the logits";
}

// What the scale is for: gradients that the type of the logits does not hold without it.
TEST_P(Programs, HeadLossTimesTheScale) {
  const double weight = 0x1p-20, scale = 0x1p16;
  scalars[0] = weight;
  std::vector<double> state(plan::LOSS_SCALE_COUNT, 0);
  state[plan::CURRENT_SCALE] = scale;
  FloatMatrix logits(storage, c.rows, c.length, c.padding), nll(statistic, 1, c.rows);
  logits.randomize(1, 4.0);
  const FloatMatrix before = logits;
  std::vector<int32_t> labels;
  for (int64_t r = 0; r < c.rows; ++r)
    labels.push_back(int32_t(7 * r % c.length));
  run([&](OpBuilder &b) { return buildHeadLoss(b, "loss", logits.layout, true, /*scaled=*/true); },
      {logits.data(), labels.data(), scalars.data(), nll.data(), state.data()});
  std::vector<double> sum(c.rows, 0);
  for (int64_t r = 0; r < c.rows; ++r)
    for (int64_t j = 0; j < c.length; ++j)
      sum[r] += std::exp(before.get(r, j));
  expectMatrix(logits, 2 * tolerance, 1e-4 * weight * scale, [&](int64_t r, int64_t j) {
    return weight * scale * (std::exp(before.get(r, j)) / sum[r] - (j == labels[r]));
  });
  expectMatrix(nll, 4 * fine, 1, [&](int64_t, int64_t r) { return std::log(sum[r]) - before.get(r, labels[r]); });
}

TEST_P(Programs, SumsInDouble) {
  FloatMatrix nll(statistic, 1, c.length);
  nll.randomize(2);
  scalars[0] = 0.25;
  double loss = 0, norm = 0, sum = 0, squares = 0;
  run([&](OpBuilder &b) { return buildLossSum(b, "sum", c.length, statistic); }, {nll.data(), scalars.data(), &loss});
  for (int64_t j = 0; j < c.length; ++j)
    sum += nll.get(0, j), squares += std::fabs(nll.get(0, j)), nll.set(0, j, std::fabs(nll.get(0, j)));
  EXPECT_NEAR(loss, 0.25 * sum, 1e-13 * squares);
  run([&](OpBuilder &b) { return buildNorm(b, "norm", statistic, c.length); }, {nll.data(), &norm});
  EXPECT_NEAR(norm, std::sqrt(squares), 1e-13 * std::sqrt(squares));
}

TEST_P(Programs, SumOfSquaresByRuns) {
  const int64_t rows = 2 * c.rows - 1;
  FloatMatrix grad(storage, rows, c.length), partials(statistic, 1, c.rows);
  grad.randomize(3);
  run(
      [&](OpBuilder &b) {
        RowProgram program = buildSumOfSquares(b, "squares", storage, rows, c.length, /*maxItems=*/c.rows + 1);
        EXPECT_EQ(program.items, c.rows); // runs of two rows, the last of one
        return program;
      },
      {grad.data(), partials.data()});
  expectMatrix(partials, 4 * fine, 0, [&](int64_t, int64_t item) {
    double sum = 0;
    for (int64_t r = 2 * item; r < std::min(2 * item + 2, rows); ++r)
      for (int64_t j = 0; j < c.length; ++j)
        sum += grad.get(r, j) * grad.get(r, j);
    return sum;
  });
}

TEST_P(Programs, EmbeddingGradient) {
  const int64_t tokens = c.rows + 2, vocabulary = 2 * c.rows + 1;
  // Tokens use every other id up to the middle, so that ids repeat and the last segments are empty.
  std::vector<std::vector<int64_t>> members(vocabulary);
  for (int64_t token = 0; token < tokens; ++token)
    members[7 * token % (vocabulary / 2) / 2 * 2].push_back(token);
  std::vector<int32_t> positions, starts{0}, ids;
  for (int64_t id = 0; id < vocabulary; ++id)
    if (!members[id].empty()) {
      positions.insert(positions.end(), members[id].begin(), members[id].end());
      starts.push_back(int32_t(positions.size())), ids.push_back(int32_t(id));
    }
  starts.resize(tokens + 1, int32_t(tokens)), ids.resize(tokens, 0);
  for (bool accumulate : {false, true}) {
    FloatMatrix grad(storage, tokens, c.length, c.padding), table(statistic, vocabulary, c.length, c.padding);
    grad.randomize(4), table.randomize(5);
    FloatMatrix before = table;
    run([&](OpBuilder &b) { return buildEmbeddingGrad(b, "e", grad.layout, table.layout, tokens, accumulate); },
        {grad.data(), positions.data(), starts.data(), ids.data(), table.data()});
    expectMatrix(table, 2 * fine, 2, [&](int64_t r, int64_t j) {
      double sum = accumulate || members[r].empty() ? before.get(r, j) : 0;
      for (int64_t token : members[r])
        sum += grad.get(token, j);
      return sum;
    });
  }
}

TEST_P(Programs, MovesBatchesOfMatrices) {
  // Three matrices of two rows, behind each other in the source and a row apart in the target.
  FloatMatrix source(storage, 6, c.length, c.padding), target(storage, 9, c.length, c.padding + 8);
  source.randomize(8);
  const FloatMatrix before = target;
  MatrixLayout from = source.layout, to = target.layout;
  from.rows = to.rows = 2;
  run(
      [&](OpBuilder &b) {
        return buildCopy(b, "copy", from, to, {3, 2 * from.pitch, 3 * to.pitch});
      },
      {source.data(), target.data()});
  expectMatrix(target, 0, 1,
               [&](int64_t r, int64_t j) { return r % 3 == 2 ? before.get(r, j) : source.get(r / 3 * 2 + r % 3, j); });
}

TEST_P(Programs, CopiesSeveralMatrices) {
  // A matrix with rows of the case's length, one of short rows, and two that are one batch.
  FloatMatrix longRows(storage, c.rows, c.length, c.padding), shortRows(storage, 5, 16, 3), batch(storage, 4, 24, 8);
  FloatMatrix toLong(storage, c.rows, c.length, 5), toShort(storage, 5, 16, 9), toBatch(storage, 5, 24);
  for (FloatMatrix *matrix : {&longRows, &shortRows, &batch})
    matrix->randomize(8);
  toBatch.randomize(9);
  const FloatMatrix before = toBatch;
  MatrixLayout from = batch.layout, to = toBatch.layout;
  from.rows = to.rows = 2;
  run(
      [&](OpBuilder &b) {
        return buildCopies(b, "copies",
                           {{longRows.layout, toLong.layout, {}},
                            {shortRows.layout, toShort.layout, {}},
                            {from, to, {2, 2 * from.pitch, 3 * to.pitch}}});
      },
      {longRows.data(), toLong.data(), shortRows.data(), toShort.data(), batch.data(), toBatch.data()});
  expectMatrix(toLong, 0, 1, [&](int64_t r, int64_t j) { return longRows.get(r, j); });
  expectMatrix(toShort, 0, 1, [&](int64_t r, int64_t j) { return shortRows.get(r, j); });
  expectMatrix(toBatch, 0, 1,
               [&](int64_t r, int64_t j) { return r == 2 ? before.get(r, j) : batch.get(r < 2 ? r : r - 1, j); });
  for (const FloatMatrix *matrix : {&toLong, &toShort, &toBatch})
    EXPECT_TRUE(matrix->paddingIntact());
}

TEST_P(Programs, MovesMatrices) {
  FloatMatrix source(storage, c.rows, c.length, c.padding), target(type("bf16"), c.rows, c.length, c.padding + 7);
  source.randomize(6);
  if (c.type != "f64") {
    run([&](OpBuilder &b) { return buildCopy(b, "copy", source.layout, target.layout); },
        {source.data(), target.data()});
    expectMatrix(target, 0, 1, [&](int64_t r, int64_t j) { return bf16ToFloat(floatToBf16(float(source.get(r, j)))); });
  }
  FloatMatrix row(storage, 1, c.length), other(storage, c.rows, c.length, 1), sum = source, filled = source,
                                                                              old = source;
  int32_t index = 2;
  run([&](OpBuilder &b) { return buildGatherRow(b, "gather", source.layout, storage); },
      {source.data(), &index, row.data()});
  expectMatrix(row, 0, 1, [&](int64_t, int64_t j) { return source.get(2, j); });
  other.randomize(7);
  auto total = [&](int64_t r, int64_t j) { return old.get(r, j) + other.get(r, j); };
  run([&](OpBuilder &b) { return buildAdd(b, "add", source.layout, other.layout, sum.layout, false); },
      {source.data(), other.data(), sum.data()});
  expectMatrix(sum, tolerance, 0, total);
  run([&](OpBuilder &b) { return buildAdd(b, "add", source.layout, other.layout, source.layout, true); },
      {source.data(), other.data()});
  expectMatrix(source, tolerance, 0, total);
  run([&](OpBuilder &b) { return buildFill(b, "fill", filled.layout, 1.5); }, {filled.data()});
  expectMatrix(filled, 0, 1, [](int64_t, int64_t) { return 1.5; });
}

INSTANTIATE_TEST_SUITE_P(Lengths, Programs,
                         testing::Values(Case{"f32", 100, 0}, Case{"f32", 32000, 16}, Case{"bf16", 49152, 0},
                                         Case{"bf16", 577, 3}, Case{"f32", 1, 0}, Case{"bf16", 3, 0},
                                         Case{"bf16", 151936, 0}, Case{"f32", 576, 0, 1000}, Case{"f64", 1500, 4},
                                         Case{"f16", 32000, 0}, Case{"f16", 577, 3}, Case{"f16", 3, 0}),
                         nameOf);

class ScalarPrograms : public ProgramTest {};

TEST_F(ScalarPrograms, CheckFiniteKeepsTheFirst) {
  std::vector<double> scalars{0, 0, 0, 0, 17, 3, 0, 0};
  std::vector<int32_t> status{0, 5, 6, 7};
  auto check = [&](double value, int32_t cause) {
    run([&](OpBuilder &b) { return buildCheckFinite(b, "check", cause); }, {&value, status.data(), scalars.data()});
  };
  check(1e300, 1);
  EXPECT_EQ(status, (std::vector<int32_t>{0, 5, 6, 7}));
  check(NAN, 2);
  EXPECT_EQ(status, (std::vector<int32_t>{1, 17, 3, 2}));
  scalars[4] = 18;
  check(INFINITY, 1);
  EXPECT_EQ(status, (std::vector<int32_t>{1, 17, 3, 2}));
  status[0] = 0;
  check(-INFINITY, 1);
  EXPECT_EQ(status, (std::vector<int32_t>{1, 18, 3, 1}));
}

TEST_F(ScalarPrograms, AddScalar) {
  double a = 0.1, b = 0.7, sum = 0;
  run([](OpBuilder &builder) { return buildAddScalar(builder, "add", false); }, {&a, &b, &sum});
  EXPECT_EQ(sum, 0.1 + 0.7);
  run([](OpBuilder &builder) { return buildAddScalar(builder, "add", true); }, {&a, &b});
  EXPECT_EQ(a, 0.1 + 0.7);
}

} // namespace
} // namespace ft
