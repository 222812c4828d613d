// Row programs of fused kernels against double precision: storage types, awkward lengths, pitches, results in the
// memory of operands. Inputs are rounded to their storage type before the reference sees them.
#include "compiler/Fusion/ProgramTesting.h"
#include "compiler/Fusion/Rows/Rows.h"
#include "runtime/Support/Philox.h"

#include "llvm/Support/FormatVariadic.h"
#include <gmock/gmock.h>

using namespace mlir;

namespace ft {
namespace {

struct Case {
  std::string type;
  int64_t length;
  int64_t padding;
  bool inPlace;
  int64_t rows = 5;
};

std::string nameOf(const testing::TestParamInfo<Case> &info) {
  const Case &c = info.param;
  return c.type + "_" + std::to_string(c.length) + "_" + std::to_string(c.padding) + (c.inPlace ? "_in_place" : "") +
         "_" + std::to_string(c.rows) + "_rows";
}

class RowPrograms : public ProgramTest, public testing::WithParamInterface<Case> {
protected:
  Case c = GetParam();
  const int64_t rows = c.rows;
  Type storage = type(c.type);
  std::string statistic = c.type == "f64" ? "f64" : "f32";
  double tolerance = toleranceOf(storage);

  std::string matrixType(int64_t r, int64_t d) { return llvm::formatv("tensor<{0}x{1}x{2}>", r, d, c.type); }
  std::string perRow(const std::string &element) { return llvm::formatv("tensor<{0}x{1}>", rows, element); }
  std::string matrixType() { return matrixType(rows, c.length); }
  FloatMatrix matrix(unsigned seed) {
    return std::move(FloatMatrix(storage, rows, c.length, c.padding).randomize(seed));
  }
  FloatMatrix vector(unsigned seed) { return std::move(FloatMatrix(storage, 1, c.length).randomize(seed)); }
  FloatMatrix statistics() { return FloatMatrix(type(statistic), 1, rows); }

  /// Builds the kernel.fused of `text`; every matrix has the case's padding. `aliases`: (operand, result).
  void runFused(const std::string &text, ArrayRef<std::pair<int64_t, int64_t>> aliases,
                const std::vector<void *> &args) {
    kernel::FusedOp fused = parseFused(text);
    ASSERT_TRUE(fused) << text;
    SmallVector<RowOperand> layouts;
    auto add = [&](Type t) {
      auto tensor = cast<RankedTensorType>(t);
      const int64_t padding = tensor.getRank() == 2 ? c.padding : 0;
      layouts.push_back(
          {tensor.getElementType(), SmallVector<int64_t>(tensor.getShape()), tensor.getShape().back() + padding});
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

TEST_P(RowPrograms, AddRmsNorm) {
  FloatMatrix x = matrix(1), y = matrix(2), w = vector(3), sum(storage, rows, c.length, c.padding), normed = sum;
  FloatMatrix rstd = statistics(), before = x;
  std::string text = llvm::formatv(R"(
    func.func @f(%x: {0}, %y: {0}, %w: tensor<{1}x{2}>) {{
      %r:3 = kernel.fused "f" (%x, %y, %w) : ({0}, {0}, tensor<{1}x{2}>) -> ({0}, {0}, {3}) {{
      ^bb0(%a: {0}, %b: {0}, %c: tensor<{1}x{2}>):
        %s = ft.add %a, %b : ({0}, {0}) -> {0}
        %n, %r = ft.rms_norm %s, %c {{eps = 1.0e-5} : ({0}, tensor<{1}x{2}>) -> ({0}, {3})
        kernel.yield %s, %n, %r : {0}, {0}, {3}
      }
      return
    })",
                                   matrixType(), c.length, c.type, perRow(statistic));
  std::vector<void *> args{x.data(), y.data(), w.data()};
  if (!c.inPlace)
    args.push_back(sum.data());
  args.insert(args.end(), {normed.data(), rstd.data()});
  runFused(text, {{0, 0}}, args);
  const FloatMatrix &residual = c.inPlace ? x : sum;
  expectMatrix(residual, tolerance, 0, [&](int64_t r, int64_t j) { return before.get(r, j) + y.get(r, j); });
  for (int64_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (int64_t j = 0; j < c.length; ++j)
      squares += residual.get(r, j) * residual.get(r, j);
    EXPECT_NEAR(rstd.get(0, r) * std::sqrt(squares / c.length + 1e-5), 1, c.type == "f64" ? 1e-13 : 2e-6);
  }
  expectMatrix(normed, tolerance, 1e-3,
               [&](int64_t r, int64_t j) { return residual.get(r, j) * rstd.get(0, r) * w.get(0, j); });
}

TEST_P(RowPrograms, RmsNormBackwardAdd) {
  FloatMatrix dy = matrix(1), x = matrix(2), w = vector(3), residual = matrix(4), rstd = statistics();
  FloatMatrix out(storage, rows, c.length, c.padding), before = residual;
  for (int64_t r = 0; r < rows; ++r)
    rstd.set(0, r, 0.7 + 0.1 * (r % 5));
  std::string text = llvm::formatv(R"(
    func.func @f(%dy: {0}, %x: {0}, %w: tensor<{1}x{2}>, %r: {3}, %d: {0}) {{
      %r0 = kernel.fused "f" (%dy, %x, %w, %r, %d) : ({0}, {0}, tensor<{1}x{2}>, {3}, {0}) -> {0} {{
      ^bb0(%a: {0}, %b: {0}, %c: tensor<{1}x{2}>, %e: {3}, %g: {0}):
        %s = ft.rms_norm_bwd %a, %b, %c, %e : ({0}, {0}, tensor<{1}x{2}>, {3}) -> {0}
        %t = ft.add %s, %g : ({0}, {0}) -> {0}
        kernel.yield %t : {0}
      }
      return
    })",
                                   matrixType(), c.length, c.type, perRow(statistic));
  std::vector<void *> args{dy.data(), x.data(), w.data(), rstd.data(), residual.data()};
  if (!c.inPlace)
    args.push_back(out.data());
  runFused(text, {{4, 0}}, args);
  std::vector<double> mean(rows, 0);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < c.length; ++j)
      mean[r] += dy.get(r, j) * w.get(0, j) * x.get(r, j) * rstd.get(0, r) / c.length;
  expectMatrix(c.inPlace ? residual : out, 2 * tolerance, 4, [&](int64_t r, int64_t j) {
    const double n = x.get(r, j) * rstd.get(0, r);
    return rstd.get(0, r) * (dy.get(r, j) * w.get(0, j) - n * mean[r]) + before.get(r, j);
  });
}

static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST_P(RowPrograms, SwigluWithBackward) {
  FloatMatrix gate = matrix(1), up = matrix(2), grad = matrix(3), product(storage, rows, c.length, c.padding);
  FloatMatrix dGate = product, dUp = product, oldGate = gate, oldGrad = grad;
  gate.set(1, 0, -200), oldGate.set(1, 0, -200); // e^200 is beyond f32: the sigmoid must be 0, not NaN
  std::string text = llvm::formatv(R"(
    func.func @f(%gate: {0}, %up: {0}, %grad: {0}) {{
      %r:3 = kernel.fused "f" (%gate, %up, %grad) : ({0}, {0}, {0}) -> ({0}, {0}, {0}) {{
      ^bb0(%a: {0}, %b: {0}, %c: {0}):
        %p = ft.swiglu %a, %b : ({0}, {0}) -> {0}
        %g, %u = ft.swiglu_bwd %c, %a, %b : ({0}, {0}, {0}) -> ({0}, {0})
        kernel.yield %p, %g, %u : {0}, {0}, {0}
      }
      return
    })",
                                   matrixType());
  std::vector<void *> args{gate.data(), up.data(), grad.data(), product.data()};
  if (!c.inPlace)
    args.insert(args.end(), {dGate.data(), dUp.data()});
  runFused(text, {{0, 1}, {2, 2}}, args);
  expectMatrix(product, tolerance, 1e-2,
               [&](int64_t r, int64_t j) { return oldGate.get(r, j) * sigmoid(oldGate.get(r, j)) * up.get(r, j); });
  expectMatrix(c.inPlace ? gate : dGate, 2 * tolerance, 1, [&](int64_t r, int64_t j) {
    const double x = oldGate.get(r, j), s = sigmoid(x);
    return oldGrad.get(r, j) * up.get(r, j) * s * (1 + x * (1 - s));
  });
  expectMatrix(c.inPlace ? grad : dUp, tolerance, 1e-2, [&](int64_t r, int64_t j) {
    return oldGrad.get(r, j) * oldGate.get(r, j) * sigmoid(oldGate.get(r, j));
  });
}

// Where the length allows, half of each block of eight features is padding, which is not counted.
TEST_P(RowPrograms, DropoutDrawsPhilox) {
  FloatMatrix x = matrix(1), out(storage, rows, c.length, c.padding), before = x;
  const bool padded = c.length % 8 == 0;
  int64_t key = 0x1abcdef012345678;
  // A first position whose sum with the token carries into the high word.
  std::vector<double> scalars{1, 0, 0, 0, 42, 0, double(0xfffffffeu), 3};
  std::string text = llvm::formatv(R"(
    func.func @f(%x: {0}, %k: tensor<1xi64>, %s: tensor<8xf64>) {{
      %r = kernel.fused "f" (%x, %k, %s) : ({0}, tensor<1xi64>, tensor<8xf64>) -> {0} {{
      ^bb0(%a: {0}, %b: tensor<1xi64>, %c: tensor<8xf64>):
        %d = ft.dropout %a, %b, %c {{p = 2.5e-1{1}} : ({0}, tensor<1xi64>, tensor<8xf64>) -> {0}
        kernel.yield %d : {0}
      }
      return
    })",
                                   matrixType(), padded ? ", padding = #ft.padding<dim = 1, used = 4, block = 8>" : "");
  std::vector<void *> args{x.data(), &key, scalars.data()};
  if (!c.inPlace)
    args.push_back(out.data());
  runFused(text, {{0, 0}}, args);
  int64_t dropped = 0;
  expectMatrix(c.inPlace ? x : out, tolerance, 0, [&](int64_t r, int64_t j) {
    const uint64_t position = (uint64_t(3) << 32) + 0xfffffffeu + uint64_t(r);
    const int64_t feature = padded ? j / 8 * 4 + j % 8 : j;
    const auto block = rt::philox4x32({42, uint32_t(position), uint32_t(position >> 32), uint32_t(feature / 4)},
                                      rt::splitKey(uint64_t(key)));
    const bool drop = block[feature % 4] < 0x40000000u;
    dropped += drop;
    return drop ? 0.0 : before.get(r, j) / 0.75;
  });
  const double expected = 0.25 * rows * c.length;
  EXPECT_NEAR(dropped, expected, 5 * std::sqrt(expected));
}

TEST_P(RowPrograms, Embedding) {
  FloatMatrix table(storage, 7, c.length, c.padding), out(storage, rows, c.length, c.padding);
  table.randomize(9);
  std::vector<int32_t> ids;
  for (int64_t r = 0; r < rows; ++r)
    ids.push_back(int32_t(6 + 3 * r) % 7);
  std::string text = llvm::formatv(R"(
    func.func @f(%t: {1}, %i: {2}) {{
      %r = kernel.fused "f" (%t, %i) : ({1}, {2}) -> {0} {{
      ^bb0(%a: {1}, %b: {2}):
        %e = ft.embedding %a, %b : ({1}, {2}) -> {0}
        kernel.yield %e : {0}
      }
      return
    })",
                                   matrixType(), matrixType(7, c.length), perRow("i32"));
  runFused(text, {}, {table.data(), ids.data(), out.data()});
  expectMatrix(out, 0, 1, [&](int64_t r, int64_t j) { return table.get(ids[r], j); });
}

TEST_P(RowPrograms, GatherRowThenAdd) {
  FloatMatrix x = matrix(1), y(storage, 1, c.length, c.padding), out = y;
  y.randomize(2);
  int32_t index = 3;
  std::string text = llvm::formatv(R"(
    func.func @f(%x: {0}, %i: tensor<1xi32>, %y: {1}) {{
      %r = kernel.fused "f" (%x, %i, %y) : ({0}, tensor<1xi32>, {1}) -> {1} {{
      ^bb0(%a: {0}, %b: tensor<1xi32>, %c: {1}):
        %g = ft.gather_row %a, %b : ({0}, tensor<1xi32>) -> {1}
        %s = ft.add %g, %c : ({1}, {1}) -> {1}
        kernel.yield %s : {1}
      }
      return
    })",
                                   matrixType(), matrixType(1, c.length));
  runFused(text, {}, {x.data(), &index, y.data(), out.data()});
  expectMatrix(out, tolerance, 0, [&](int64_t, int64_t j) { return x.get(3, j) + y.get(0, j); });
}

// The mask is that of the tokens whose rows these are, the last of them twice.
TEST_P(RowPrograms, GatherRowsDropAndAdd) {
  constexpr int64_t few = 4;
  FloatMatrix x = matrix(1), y(storage, few, c.length, c.padding), out = y;
  y.randomize(2);
  std::vector<int32_t> index{3, 0, 4, 0};
  int64_t key = 0x1abcdef012345678;
  std::vector<double> scalars{1, 0, 0, 0, 42, 0, double(0xfffffffeu), 3};
  std::string text = llvm::formatv(R"(
    func.func @f(%x: {0}, %i: tensor<4xi32>, %k: tensor<1xi64>, %s: tensor<8xf64>, %y: {1}) {{
      %r = kernel.fused "f" (%x, %i, %k, %s, %y) : ({0}, tensor<4xi32>, tensor<1xi64>, tensor<8xf64>, {1}) -> {1} {{
      ^bb0(%a: {0}, %b: tensor<4xi32>, %c: tensor<1xi64>, %d: tensor<8xf64>, %e: {1}):
        %g = ft.gather_rows %a, %b : ({0}, tensor<4xi32>) -> {1}
        %h = ft.dropout %g, %c, %d rows %b {{p = 2.5e-1} : ({1}, tensor<1xi64>, tensor<8xf64>, tensor<4xi32>) -> {1}
        %t = ft.add %h, %e : ({1}, {1}) -> {1}
        kernel.yield %t : {1}
      }
      return
    })",
                                   matrixType(), matrixType(few, c.length));
  runFused(text, {}, {x.data(), index.data(), &key, scalars.data(), y.data(), out.data()});
  FloatMatrix dropped(storage, few, c.length); // rounded, as the operation's result is
  for (int64_t r = 0; r < few; ++r)
    for (int64_t j = 0; j < c.length; ++j) {
      const uint64_t position = (uint64_t(3) << 32) + 0xfffffffeu + uint64_t(index[size_t(r)]);
      const auto block = rt::philox4x32({42, uint32_t(position), uint32_t(position >> 32), uint32_t(j / 4)},
                                        rt::splitKey(uint64_t(key)));
      dropped.set(r, j, block[size_t(j % 4)] < 0x40000000u ? 0.0 : x.get(index[size_t(r)], j) / 0.75);
    }
  expectMatrix(out, tolerance, 1, [&](int64_t r, int64_t j) { return dropped.get(r, j) + y.get(r, j); });
}

TEST_P(RowPrograms, ScatterRowsThenAdd) {
  constexpr int64_t few = 4;
  FloatMatrix x(storage, few, c.length, c.padding), y = matrix(2), out(storage, rows, c.length, c.padding), before = y;
  x.randomize(1);
  std::vector<int32_t> slots; // of four rows; 4 and 5 are none of them
  for (int64_t r = 0; r < rows; ++r)
    slots.push_back(int32_t(3 + 5 * r) % 6);
  std::string text = llvm::formatv(R"(
    func.func @f(%x: {1}, %i: {2}, %y: {0}) {{
      %r = kernel.fused "f" (%x, %i, %y) : ({1}, {2}, {0}) -> {0} {{
      ^bb0(%a: {1}, %b: {2}, %c: {0}):
        %g = ft.scatter_rows %a, %b : ({1}, {2}) -> {0}
        %s = ft.add %g, %c : ({0}, {0}) -> {0}
        kernel.yield %s : {0}
      }
      return
    })",
                                   matrixType(), matrixType(few, c.length), perRow("i32"));
  std::vector<void *> args{x.data(), slots.data(), y.data()};
  if (!c.inPlace)
    args.push_back(out.data());
  runFused(text, {{2, 0}}, args);
  expectMatrix(c.inPlace ? y : out, tolerance, 1, [&](int64_t r, int64_t j) {
    const int32_t slot = slots[size_t(r)];
    return (slot < few ? x.get(slot, j) : 0.0) + before.get(r, j);
  });
}

TEST_P(RowPrograms, ColumnReduction) {
  FloatMatrix dy = matrix(1), x = matrix(2), rstd = statistics();
  const int64_t runs = rows / 16 + 3; // items of the first kernel: three, or about sixteen rows each
  FloatMatrix partials(type(statistic), runs, c.length, c.padding), sum(type(statistic), 1, c.length);
  FloatMatrix before = std::move(FloatMatrix(type(statistic), 1, c.length).randomize(5));
  for (int64_t r = 0; r < rows; ++r)
    rstd.set(0, r, 0.5 + 0.25 * (r % 5));
  std::string partialsType = llvm::formatv("tensor<{0}x{1}x{2}>", runs, c.length, statistic);
  std::string sumType = llvm::formatv("tensor<{0}x{1}>", c.length, statistic);
  runFused(llvm::formatv(R"(
    func.func @f(%a: {0}, %b: {0}, %r: {2}) {{
      %p = kernel.fused "f" (%a, %b, %r) : ({0}, {0}, {2}) -> {1} {{
      ^bb0(%x: {0}, %y: {0}, %z: {2}):
        %q = kernel.column_partials %x, %y, %z : ({0}, {0}, {2}) -> {1}
        kernel.yield %q : {1}
      }
      return
    })",
                         matrixType(), partialsType, perRow(statistic)),
           {}, {dy.data(), x.data(), rstd.data(), partials.data()});
  auto term = [&](int64_t r, int64_t j) { return dy.get(r, j) * x.get(r, j) * rstd.get(0, r); };
  const double small = c.type == "f64" ? 1e-13 : 2e-6;
  // Sums of n terms of about 1 are about √n on their way, and n roundings of that add up to about √n of them.
  expectMatrix(partials, small, 2 * std::sqrt(rows / runs), [&](int64_t p, int64_t j) {
    double sum = 0;
    for (int64_t r = p; r < rows; r += runs)
      sum += term(r, j);
    return sum;
  });
  std::vector<void *> args{partials.data(), before.data()};
  FloatMatrix old = before;
  if (!c.inPlace)
    args.push_back(sum.data());
  runFused(llvm::formatv(R"(
    func.func @f(%p: {0}, %b: {1}) {{
      %s = kernel.fused "f" (%p, %b) : ({0}, {1}) -> {1} {{
      ^bb0(%x: {0}, %y: {1}):
        %q = kernel.column_sum %x accumulate %y : ({0}, {1}) -> {1}
        kernel.yield %q : {1}
      }
      return
    })",
                         partialsType, sumType),
           {{1, 0}}, args);
  expectMatrix(c.inPlace ? before : sum, small, 2 * std::sqrt(rows), [&](int64_t, int64_t j) {
    double total = old.get(0, j);
    for (int64_t r = 0; r < rows; ++r)
      total += term(r, j);
    return total;
  });
}

INSTANTIATE_TEST_SUITE_P(
    Lengths, RowPrograms,
    testing::Values(Case{"f32", 100, 0, false}, Case{"f32", 576, 8, true}, Case{"f32", 17, 3, true},
                    Case{"bf16", 576, 0, true}, Case{"bf16", 11008, 64, false}, Case{"bf16", 100, 4, false},
                    Case{"f32", 1, 0, false}, Case{"bf16", 3, 0, true}, Case{"f32", 49152, 0, true},
                    Case{"bf16", 32000, 0, false}, Case{"f32", 100, 0, true, 1000}, Case{"bf16", 576, 0, false, 1000},
                    Case{"f64", 576, 0, false}, Case{"f64", 101, 5, true}, Case{"f16", 576, 0, true},
                    Case{"f16", 100, 4, false}, Case{"f16", 3, 0, true}, Case{"f16", 11008, 64, false}),
    nameOf);

/// Heads of q and k, head_dim.
struct RopeCase {
  std::string type;
  int64_t heads, groups, headDim;
  bool inverse;
  int64_t rows = 5;
};

class RopePrograms : public ProgramTest, public testing::WithParamInterface<RopeCase> {};

TEST_P(RopePrograms, RotatesInPlace) {
  const RopeCase c = GetParam();
  const int64_t half = c.headDim / 2, rows = c.rows;
  Type storage = type(c.type), statistic = type(c.type == "f64" ? "f64" : "f32");
  FloatMatrix q(storage, rows, c.heads * c.headDim, 16), k(storage, rows, c.groups * c.headDim, 32);
  FloatMatrix cos(statistic, 9, half), sin(statistic, 9, half);
  q.randomize(1), k.randomize(2);
  std::vector<int32_t> positions;
  for (int64_t r = 0; r < rows; ++r)
    positions.push_back(int32_t(8 * r * r) % 9);
  for (int64_t s = 0; s < 9; ++s)
    for (int64_t j = 0; j < half; ++j) {
      cos.set(s, j, std::cos(s * std::pow(10000, -double(j) / half)));
      sin.set(s, j, std::sin(s * std::pow(10000, -double(j) / half)));
    }
  std::string qType = llvm::formatv("tensor<{0}x{1}x{2}>", rows, c.heads * c.headDim, c.type);
  std::string kType = llvm::formatv("tensor<{0}x{1}x{2}>", rows, c.groups * c.headDim, c.type);
  std::string tableType = llvm::formatv("tensor<9x{0}x{1}>", half, c.type == "f64" ? "f64" : "f32");
  kernel::FusedOp fused = parseFused(llvm::formatv(R"(
    func.func @f(%q: {0}, %k: {1}, %p: {5}, %c: {2}, %s: {2}) {{
      %r:2 = kernel.fused "f" (%q, %k, %p, %c, %s) : ({0}, {1}, {5}, {2}, {2}) -> ({0}, {1}) {{
      ^bb0(%x: {0}, %y: {1}, %z: {5}, %u: {2}, %v: {2}):
        %a, %b = ft.rope %x, %y, %z, %u, %v {{head_dim = {3}{4}} : ({0}, {1}, {5}, {2}, {2}) -> ({0}, {1})
        kernel.yield %a, %b : {0}, {1}
      }
      return
    })",
                                                   qType, kType, tableType, c.headDim, c.inverse ? ", inverse" : "",
                                                   llvm::formatv("tensor<{0}xi32>", rows).str()));
  ASSERT_TRUE(fused);
  auto layout = [](const MatrixLayout &m, int64_t alias) {
    return RowOperand{m.type, {m.rows, m.columns}, m.pitch, alias};
  };
  SmallVector<RowOperand> layouts{
      layout(q.layout, -1),   layout(k.layout, -1),   {IntegerType::get(&context, 32), {rows}, 0},
      layout(cos.layout, -1), layout(sin.layout, -1), layout(q.layout, 0),
      layout(k.layout, 1)};
  FloatMatrix oldQ = q, oldK = k;
  run(
      [&](OpBuilder &b) -> RowProgram {
        auto program = buildRowProgram(b, "rope", fused, layouts);
        return succeeded(program) ? static_cast<RowProgram>(*program) : RowProgram();
      },
      {q.data(), k.data(), positions.data(), cos.data(), sin.data()});
  auto rotated = [&](const FloatMatrix &x, int64_t r, int64_t column) {
    const int64_t j = column % c.headDim % half, first = column - column % c.headDim;
    const double angleSin = sin.get(positions[r], j) * (c.inverse ? -1 : 1), angleCos = cos.get(positions[r], j);
    const double low = x.get(r, first + j), high = x.get(r, first + j + half);
    return column % c.headDim < half ? low * angleCos - high * angleSin : high * angleCos + low * angleSin;
  };
  expectMatrix(q, toleranceOf(storage), 1, [&](int64_t r, int64_t j) { return rotated(oldQ, r, j); });
  expectMatrix(k, toleranceOf(storage), 1, [&](int64_t r, int64_t j) { return rotated(oldK, r, j); });
}

INSTANTIATE_TEST_SUITE_P(Heads, RopePrograms,
                         testing::Values(RopeCase{"f32", 9, 3, 64, false}, RopeCase{"bf16", 8, 1, 128, false},
                                         RopeCase{"f32", 4, 4, 100, true}, RopeCase{"f64", 4, 2, 16, true},
                                         RopeCase{"bf16", 9, 3, 64, true, 1000}, RopeCase{"f16", 8, 1, 128, false}));

class RowProgramErrors : public ProgramTest {
protected:
  std::string errorOf(ArrayRef<RowOperand> layouts) {
    kernel::FusedOp fused = parseFused(R"(
      func.func @f(%x: tensor<4x8xf32>, %w: tensor<8xf32>) {
        %r:2 = kernel.fused "f" (%x, %w) : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>) {
        ^bb0(%a: tensor<4x8xf32>, %b: tensor<8xf32>):
          %n, %r = ft.rms_norm %a, %b {eps = 1.0e-5} : (tensor<4x8xf32>, tensor<8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>)
          kernel.yield %n, %r : tensor<4x8xf32>, tensor<4xf32>
        }
        return
      })");
    std::string error;
    ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
      error += diagnostic.str();
      return success();
    });
    OpBuilder builder(fused);
    EXPECT_TRUE(failed(buildRowProgram(builder, "f", fused, layouts)));
    return error;
  }
  Type f32 = type("f32");
  RowOperand x{f32, {4, 8}, 8}, w{f32, {8}, 8}, y{f32, {4, 8}, 8}, rstd{f32, {4}, 4};
};

TEST_F(RowProgramErrors, NameTheLayout) {
  EXPECT_THAT(errorOf({x, w, y}), testing::HasSubstr("is given 3 layouts for 2 operands and 2 results"));
  RowOperand narrow = x;
  narrow.pitch = 7;
  EXPECT_THAT(errorOf({narrow, w, y, rstd}), testing::HasSubstr("pitch of 7 elements; must be at least 8"));
  RowOperand other = w;
  other.elementType = type("bf16");
  EXPECT_THAT(errorOf({x, other, y, rstd}), testing::HasSubstr("layout 1 does not describe"));
  RowOperand overWeight = y;
  overWeight.alias = 1;
  EXPECT_THAT(errorOf({x, w, overWeight, rstd}), testing::HasSubstr("cannot share the memory of operand 1"));
  RowOperand wider = y;
  wider.pitch = 16, wider.alias = 0;
  EXPECT_THAT(errorOf({x, w, wider, rstd}), testing::HasSubstr("cannot share the memory of operand 0"));
}

} // namespace
} // namespace ft
