// Row programs whose items are heads of a row, and those of models that are no Llamas, against double precision.
#include "compiler/Fusion/ProgramTesting.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <numbers>

using namespace mlir;

namespace ft {
namespace {

/// `heads` runs of `length` columns a row, of which `features` are not padding; rows have `gap` columns behind them.
struct Case {
  std::string type;
  int64_t heads, length, features, gap;
  bool inPlace;
};

class HeadPrograms : public ProgramTest, public testing::WithParamInterface<Case> {
protected:
  static constexpr int64_t rows = 5;
  static constexpr double eps = 1e-5, offset = 1;
  const Case c = GetParam();
  const int64_t columns = c.heads * c.length;
  Type storage = type(c.type), statistic = type(c.type == "f64" ? "f64" : "f32");
  const std::string statisticName = c.type == "f64" ? "f64" : "f32";
  const double tolerance = toleranceOf(storage), fine = toleranceOf(statistic);
  const std::string matrixType = llvm::formatv("tensor<{0}x{1}x{2}>", rows, columns, c.type);
  const std::string weightType = llvm::formatv("tensor<{0}x{1}>", c.length, c.type);
  const std::string rstdType = llvm::formatv("tensor<{0}x{1}x{2}>", rows, c.heads, statisticName);

  /// Lanes of padding are zero, as projections leave them.
  FloatMatrix matrix(unsigned seed) {
    FloatMatrix m(storage, rows, columns, c.gap);
    m.randomize(seed);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < columns; ++j)
        if (j % c.length >= c.features)
          m.set(r, j, 0);
    return m;
  }
  FloatMatrix weight() { return std::move(FloatMatrix(storage, 1, c.length).randomize(7, 0.3)); }
  FloatMatrix statistics() { return FloatMatrix(statistic, rows, c.heads); }

  /// The sum over the head of column j of row r.
  template <typename Term> double overHead(int64_t j, Term term) {
    double sum = 0;
    for (int64_t i = j / c.length * c.length; i < (j / c.length + 1) * c.length; ++i)
      sum += term(i);
    return sum;
  }

  void runFused(const std::string &text, ArrayRef<std::pair<int64_t, int64_t>> aliases,
                const std::vector<void *> &args) {
    kernel::FusedOp fused = parseFused(text);
    ASSERT_TRUE(fused) << text;
    SmallVector<RowOperand> layouts;
    auto add = [&](Type t) {
      auto tensor = cast<RankedTensorType>(t);
      const bool isRows = tensor.getRank() == 2 && tensor.getDimSize(1) == columns;
      layouts.push_back({tensor.getElementType(), SmallVector<int64_t>(tensor.getShape()),
                         tensor.getShape().back() + (isRows ? c.gap : 0)});
    };
    llvm::for_each(fused.getInputs().getTypes(), add);
    llvm::for_each(fused.getResultTypes(), add);
    if (c.inPlace)
      for (auto [operand, result] : aliases)
        layouts[fused.getInputs().size() + result].alias = operand;
    run(
        [&](OpBuilder &b) -> RowProgram {
          auto program = buildRowProgram(b, "tested", fused, layouts);
          return succeeded(program) ? static_cast<RowProgram>(*program) : RowProgram();
        },
        args);
  }
};

TEST_P(HeadPrograms, NormOfHeads) {
  FloatMatrix x = matrix(1), w = weight(), y(storage, rows, columns, c.gap), rstd = statistics(), again = y;
  runFused(llvm::formatv(R"(
    func.func @f(%x: {0}, %w: {1}) {{
      %r:2 = kernel.fused "f" (%x, %w) : ({0}, {1}) -> ({0}, {2}) {{
      ^bb0(%a: {0}, %b: {1}):
        %n, %s = ft.rms_norm %a, %b {{eps = 1.0e-5, offset = 1.0, features = {3} : i64} : ({0}, {1}) -> ({0}, {2})
        kernel.yield %n, %s : {0}, {2}
      }
      return
    })",
                         matrixType, weightType, rstdType, c.features),
           {}, {x.data(), w.data(), y.data(), rstd.data()});
  auto exact = [&](int64_t r, int64_t j) {
    const double squares = overHead(j, [&](int64_t i) { return x.get(r, i) * x.get(r, i); });
    return 1 / std::sqrt(squares / double(c.features) + eps);
  };
  expectMatrix(rstd, 4 * fine, 0, [&](int64_t r, int64_t head) { return exact(r, head * c.length); });
  expectMatrix(y, 2 * tolerance, 1e-3,
               [&](int64_t r, int64_t j) { return x.get(r, j) * exact(r, j) * (offset + w.get(0, j % c.length)); });
  runFused(llvm::formatv(R"(
    func.func @f(%x: {0}, %s: {2}, %w: {1}) {{
      %r = kernel.fused "f" (%x, %s, %w) : ({0}, {2}, {1}) -> {0} {{
      ^bb0(%a: {0}, %b: {2}, %c: {1}):
        %n = ft.rms_norm_apply %a, %b, %c {{offset = 1.0} : ({0}, {2}, {1}) -> {0}
        kernel.yield %n : {0}
      }
      return
    })",
                         matrixType, weightType, rstdType),
           {}, {x.data(), rstd.data(), w.data(), again.data()});
  expectMatrix(again, 0, 0, [&](int64_t r, int64_t j) { return y.get(r, j); });
}

TEST_P(HeadPrograms, NormOfHeadsBackward) {
  FloatMatrix dy = matrix(1), x = matrix(2), w = weight(), rstd = statistics(), dx(storage, rows, columns, c.gap);
  FloatMatrix before = dy;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t head = 0; head < c.heads; ++head)
      rstd.set(r, head, 0.7 + 0.1 * double((r + 2 * head) % 5));
  std::vector<void *> args{dy.data(), x.data(), w.data(), rstd.data()};
  if (!c.inPlace)
    args.push_back(dx.data());
  runFused(llvm::formatv(R"(
    func.func @f(%dy: {0}, %x: {0}, %w: {1}, %s: {2}) {{
      %r = kernel.fused "f" (%dy, %x, %w, %s) : ({0}, {0}, {1}, {2}) -> {0} {{
      ^bb0(%a: {0}, %b: {0}, %c: {1}, %d: {2}):
        %n = ft.rms_norm_bwd %a, %b, %c, %d {{offset = 1.0, features = {3} : i64} : ({0}, {0}, {1}, {2}) -> {0}
        kernel.yield %n : {0}
      }
      return
    })",
                         matrixType, weightType, rstdType, c.features),
           {{0, 0}}, args);
  expectMatrix(c.inPlace ? dy : dx, 4 * tolerance, 4, [&](int64_t r, int64_t j) {
    const double s = rstd.get(r, j / c.length);
    auto scaled = [&](int64_t i) { return before.get(r, i) * (offset + w.get(0, i % c.length)); };
    const double dot = overHead(j, [&](int64_t i) { return scaled(i) * x.get(r, i) * s; });
    return s * (scaled(j) - x.get(r, j) * s * dot / double(c.features));
  });
}

TEST_P(HeadPrograms, ColumnPartialsOfHeadsAndOfABias) {
  FloatMatrix dy = matrix(1), x = matrix(2), rstd = statistics();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t head = 0; head < c.heads; ++head)
      rstd.set(r, head, 0.5 + 0.25 * double((r + head) % 5));
  constexpr int64_t parts = 3;
  FloatMatrix partials(statistic, parts, c.length), bias(statistic, parts, columns, c.gap);
  const std::string partialsType = llvm::formatv("tensor<{0}x{1}x{2}>", parts, c.length, statisticName);
  const std::string biasType = llvm::formatv("tensor<{0}x{1}x{2}>", parts, columns, statisticName);
  runFused(llvm::formatv(R"(
    func.func @f(%a: {0}, %b: {0}, %s: {1}) {{
      %r = kernel.fused "f" (%a, %b, %s) : ({0}, {0}, {1}) -> {2} {{
      ^bb0(%x: {0}, %y: {0}, %z: {1}):
        %p = kernel.column_partials %x, %y, %z : ({0}, {0}, {1}) -> {2}
        kernel.yield %p : {2}
      }
      return
    })",
                         matrixType, rstdType, partialsType),
           {}, {dy.data(), x.data(), rstd.data(), partials.data()});
  const double small = c.type == "f64" ? 1e-13 : 4e-6;
  expectMatrix(partials, small, 4, [&](int64_t p, int64_t j) {
    double sum = 0;
    for (int64_t run = p; run < rows * c.heads; run += parts) {
      const int64_t r = run / c.heads, head = run % c.heads, i = head * c.length + j;
      sum += dy.get(r, i) * x.get(r, i) * rstd.get(r, head);
    }
    return sum;
  });
  runFused(llvm::formatv(R"(
    func.func @f(%a: {0}) {{
      %r = kernel.fused "f" (%a) : ({0}) -> {1} {{
      ^bb0(%x: {0}):
        %p = kernel.column_partials %x : ({0}) -> {1}
        kernel.yield %p : {1}
      }
      return
    })",
                         matrixType, biasType),
           {}, {dy.data(), bias.data()});
  expectMatrix(bias, small, 4, [&](int64_t p, int64_t j) {
    double sum = 0;
    for (int64_t r = p; r < rows; r += parts)
      sum += dy.get(r, j);
    return sum;
  });
}

// 1.3 is no number of bf16, and the factor is rounded to the element type.
TEST_P(HeadPrograms, BiasAndScale) {
  FloatMatrix x = matrix(1), before = x, y(storage, rows, columns, c.gap);
  FloatMatrix bias = std::move(FloatMatrix(storage, 1, columns).randomize(3)), factor(storage, 1, 1);
  factor.set(0, 0, 1.3);
  std::vector<void *> args{x.data(), bias.data()};
  if (!c.inPlace)
    args.push_back(y.data());
  runFused(llvm::formatv(R"(
    func.func @f(%x: {0}, %b: tensor<{1}x{2}>) {{
      %r = kernel.fused "f" (%x, %b) : ({0}, tensor<{1}x{2}>) -> {0} {{
      ^bb0(%a: {0}, %c: tensor<{1}x{2}>):
        %s = ft.add_bias %a, %c : ({0}, tensor<{1}x{2}>) -> {0}
        kernel.yield %s : {0}
      }
      return
    })",
                         matrixType, columns, c.type),
           {{0, 0}}, args);
  const FloatMatrix &sum = c.inPlace ? x : y;
  expectMatrix(sum, tolerance, 0.1, [&](int64_t r, int64_t j) { return before.get(r, j) + bias.get(0, j); });
  FloatMatrix scaled(storage, rows, columns, c.gap), from = before;
  runFused(llvm::formatv(R"(
    func.func @f(%x: {0}) {{
      %r = kernel.fused "f" (%x) : ({0}) -> {0} {{
      ^bb0(%a: {0}):
        %s = ft.scale %a {{factor = 1.3} : ({0}) -> {0}
        kernel.yield %s : {0}
      }
      return
    })",
                         matrixType),
           {}, {from.data(), scaled.data()});
  expectMatrix(scaled, tolerance, 0, [&](int64_t r, int64_t j) { return before.get(r, j) * factor.get(0, 0); });
}

TEST_P(HeadPrograms, GatedByGelu) {
  FloatMatrix gate = matrix(1), up = matrix(2), grad = matrix(3), product(storage, rows, columns, c.gap);
  FloatMatrix dGate = product, dUp = product;
  gate.set(1, 0, -200), gate.set(2, 0, 200); // tanh is at its ends
  runFused(llvm::formatv(R"(
    func.func @f(%gate: {0}, %up: {0}, %grad: {0}) {{
      %r:3 = kernel.fused "f" (%gate, %up, %grad) : ({0}, {0}, {0}) -> ({0}, {0}, {0}) {{
      ^bb0(%a: {0}, %b: {0}, %c: {0}):
        %p = ft.swiglu %a, %b {{activation = #ft.activation<gelu_tanh>} : ({0}, {0}) -> {0}
        %g, %u = ft.swiglu_bwd %c, %a, %b {{activation = #ft.activation<gelu_tanh>} : ({0}, {0}, {0}) -> ({0}, {0})
        kernel.yield %p, %g, %u : {0}, {0}, {0}
      }
      return
    })",
                         matrixType),
           {}, {gate.data(), up.data(), grad.data(), product.data(), dGate.data(), dUp.data()});
  const double root = std::sqrt(2 / std::numbers::pi);
  auto tanhOf = [&](double x) { return std::tanh(root * (x + 0.044715 * x * x * x)); };
  auto gelu = [&](double x) { return 0.5 * x * (1 + tanhOf(x)); };
  auto slope = [&](double x) {
    const double t = tanhOf(x);
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
  };
  expectMatrix(product, 4 * tolerance, 1e-2, [&](int64_t r, int64_t j) { return gelu(gate.get(r, j)) * up.get(r, j); });
  expectMatrix(dGate, 4 * tolerance, 1,
               [&](int64_t r, int64_t j) { return grad.get(r, j) * up.get(r, j) * slope(gate.get(r, j)); });
  expectMatrix(dUp, 4 * tolerance, 1e-2, [&](int64_t r, int64_t j) { return grad.get(r, j) * gelu(gate.get(r, j)); });
}

INSTANTIATE_TEST_SUITE_P(Heads, HeadPrograms,
                         testing::Values(Case{"f32", 4, 128, 128, 0, false}, Case{"bf16", 16, 128, 128, 1024, true},
                                         Case{"bf16", 4, 256, 256, 0, false}, Case{"f32", 3, 12, 12, 5, true},
                                         Case{"f32", 2, 128, 100, 0, true}, Case{"f64", 3, 20, 16, 4, false},
                                         Case{"f16", 4, 128, 128, 0, true}, Case{"f16", 3, 12, 12, 5, false}));

} // namespace
} // namespace ft
