// Updates that round stochastically, against the same updates in f32, whose results are rounded here with bits that
// runtime/Support/Philox.h draws: the same bits.
#include "compiler/Fusion/ProgramTesting.h"
#include "runtime/Support/Philox.h"

#include <bit>
#include <limits>

using namespace mlir;

namespace ft {
namespace {

constexpr int64_t length = 1024;
constexpr int64_t key = 0x0123456789abcdef;
constexpr AdamwOptions adamw{0.9, 0.999, 1e-8, 0.1, 1.0};

/// As docs/numerics.md has it: what of the element is rounded is 0 for exp_avg, 1 for exp_avg_sq, 2 for the parameter.
uint32_t bitsOf(uint32_t step, uint32_t row, uint32_t lane, int what) {
  const rt::PhiloxBlock words = rt::philox4x32({step, row, lane % 256, 0}, rt::splitKey(key));
  const uint32_t word = words[lane / 256];
  return what == 1 ? word >> 16 : what == 2 ? word >> 8 & 0xffff : word & 0xffff;
}

double rounded(double x, uint32_t bits) {
  const uint32_t sum = std::bit_cast<uint32_t>(float(x)) + bits;
  return std::bit_cast<float>(sum & 0xffff0000u);
}

class RoundedUpdates : public ProgramTest {
protected:
  /// Types and numbers of a bucket; f32 ones have the values of the bf16 ones.
  struct State {
    FloatMatrix param, grad, first, second;
  };

  State state(const std::string &stored, int64_t rows) {
    FloatMatrix p(type(stored), rows, length), m = p, v = p, g(type("f32"), rows, length);
    FloatMatrix source(type("bf16"), rows, length);
    auto fill = [&](FloatMatrix &to, unsigned seed, double scale, bool positive) {
      source.randomize(seed, scale);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < length; ++j)
          to.set(r, j, positive ? std::fabs(source.get(r, j)) : source.get(r, j));
    };
    fill(p, 1, 1, false), fill(m, 2, 0.1, false), fill(v, 3, 0.01, true), fill(g, 4, 1, false);
    return {p, g, m, v};
  }

  void update(State &s, bool rounds, bool sgd, int64_t firstRow = 0, int32_t status = 0) {
    BucketLayout layout{s.param.layout.rows,
                        length,
                        s.param.layout.type,
                        s.grad.layout.type,
                        s.first.layout.type,
                        sgd ? Type() : s.second.layout.type,
                        Type()};
    layout.rounds = rounds;
    std::vector<double> scalars{0, 1e-3, 1 - std::pow(0.9, 3), 1 - std::pow(0.999, 3), 3, 0, 0, 0};
    std::vector<int32_t> flags{status, 0, 0, 0};
    double norm = 2.5;
    std::vector<void *> args{s.param.data(), s.grad.data(), s.first.data()};
    if (!sgd)
      args.push_back(s.second.data());
    args.insert(args.end(), {&norm, flags.data(), scalars.data()});
    int64_t keys = key;
    if (rounds)
      args.insert(args.end(), {&keys, &firstRow});
    run(
        [&](OpBuilder &b) {
          return sgd ? buildSgd(b, "sgd", layout, {0.9, 0.1, 1.0}) : buildAdamw(b, "adamw", layout, adamw);
        },
        args);
  }

  static void expectRounded(const FloatMatrix &actual, const FloatMatrix &exact, int what, int64_t firstRow) {
    int64_t moved = 0;
    for (int64_t r = 0; r < actual.layout.rows; ++r)
      for (int64_t j = 0; j < length; ++j) {
        const double want = rounded(exact.get(r, j), bitsOf(3, uint32_t(firstRow + r), uint32_t(j), what));
        ASSERT_EQ(actual.get(r, j), want) << "at " << r << ", " << j;
        moved += want != bf16ToFloat(floatToBf16(float(exact.get(r, j))));
      }
    EXPECT_GT(moved, length / 8) << "is as if it were rounded to nearest";
  }
};

TEST_F(RoundedUpdates, AreThoseInF32WithBitsOfPhiloxOnTop) {
  constexpr int64_t firstRow = 70000;
  for (bool sgd : {false, true}) {
    State bf16 = state("bf16", 3), f32 = state("f32", 3);
    update(bf16, true, sgd, firstRow);
    update(f32, false, sgd);
    expectRounded(bf16.param, f32.param, 2, firstRow);
    expectRounded(bf16.first, f32.first, 0, firstRow);
    if (!sgd)
      expectRounded(bf16.second, f32.second, 1, firstRow);
  }
}

TEST_F(RoundedUpdates, DrawByTheRowsNumberWhereverItLies) {
  State whole = state("bf16", 5), part = state("bf16", 5);
  update(whole, true, false, 40);
  for (FloatMatrix *m : {&part.param, &part.grad, &part.first, &part.second}) {
    FloatMatrix tail(m->layout.type, 2, length);
    for (int64_t r = 0; r < 2; ++r)
      for (int64_t j = 0; j < length; ++j)
        tail.set(r, j, m->get(r + 3, j));
    *m = tail;
  }
  update(part, true, false, 43);
  for (auto [p, w] : {std::pair(&part.param, &whole.param), {&part.first, &whole.first}, {&part.second, &whole.second}})
    expectMatrix(*p, 0, 1, [&, w = w](int64_t r, int64_t j) { return w->get(r + 3, j); });
}

TEST_F(RoundedUpdates, MoveMomentsByWhatBf16CannotHold) {
  State s = state("bf16", 300);
  for (int64_t r = 0; r < 300; ++r)
    for (int64_t j = 0; j < length; ++j)
      s.grad.set(r, j, 0), s.second.set(r, j, 1);
  update(s, true, false);
  double sum = 0;
  for (int64_t r = 0; r < 300; ++r)
    for (int64_t j = 0; j < length; ++j)
      sum += s.second.get(r, j);
  // Neighbours are 0.996 and 1, so the mean of 307 200 is within 3e-6 (one sigma); to nearest all would be 1.
  EXPECT_NEAR(sum / (300 * length), 0.999, 1.5e-5);
}

TEST_F(RoundedUpdates, KeepWhatIsNoNumberAndWhatIsZero) {
  State s = state("bf16", 1);
  const double infinity = std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < length; ++j) {
    s.param.set(0, j, 0), s.grad.set(0, j, 0), s.first.set(0, j, 0), s.second.set(0, j, 0);
    if (j % 3 == 1)
      s.second.set(0, j, infinity);
    if (j % 3 == 2)
      s.param.set(0, j, std::nan(""));
  }
  update(s, true, false);
  for (int64_t j = 0; j < length; ++j) {
    EXPECT_EQ(s.first.get(0, j), 0);
    EXPECT_EQ(s.second.get(0, j), j % 3 == 1 ? infinity : 0);
    EXPECT_EQ(std::isnan(s.param.get(0, j)), j % 3 == 2) << j;
  }
}

TEST_F(RoundedUpdates, WriteNothingOnceStatusIsSet) {
  State s = state("bf16", 2), before = s;
  update(s, true, false, 0, 1);
  for (auto [now, old] : {std::pair(&s.param, &before.param), {&s.first, &before.first}, {&s.second, &before.second}})
    expectMatrix(*now, 0, 1, [old = old](int64_t r, int64_t j) { return old->get(r, j); });
}

/// The bits of a master in halves, of its f32, and of the copy of that.
class MastersInHalves : public ProgramTest {
protected:
  void update(const BucketLayout &layout, std::vector<void *> args, FloatMatrix &grad, FloatMatrix &first,
              FloatMatrix &second, int step) {
    std::vector<double> scalars{0, 1e-2, 1 - std::pow(0.9, step), 1 - std::pow(0.999, step), double(step), 0, 0, 0};
    std::vector<int32_t> status{0, 0, 0, 0};
    double norm = 0.5;
    args.insert(args.begin() + 1, {grad.data(), first.data(), second.data()});
    args.insert(args.end(), {&norm, status.data(), scalars.data()});
    run([&](OpBuilder &b) { return buildAdamw(b, "adamw", layout, adamw); }, args);
  }
};

TEST_F(MastersInHalves, HaveTheBitsOfWholeOnesAndOfTheirCopies) {
  constexpr int64_t rows = 2;
  const Type f32 = type("f32"), bf16 = type("bf16");
  FloatMatrix master(f32, rows, length), copy(bf16, rows, length), grad = master, first = master, second = master;
  FloatMatrix half(bf16, rows, length);
  std::vector<int16_t> remainder(rows * length);
  master.randomize(1);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < length; ++j) {
      // Between two neighbours in bf16, at exactly half of the way, and a quarter beside it.
      const uint32_t upper = std::bit_cast<uint32_t>(float(master.get(r, j))) & 0xffff0000u;
      if (j % 4)
        master.set(r, j, std::bit_cast<float>(upper + 0x4000u * uint32_t(j % 4)));
      first.set(r, j, 0), second.set(r, j, 0);
    }
  auto split = [&](int64_t r, int64_t j) {
    const uint32_t bits = std::bit_cast<uint32_t>(float(master.get(r, j)));
    half.set(r, j, std::bit_cast<float>((bits + 0x8000u) & 0xffff0000u));
    remainder[r * length + j] = int16_t(bits);
  };
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < length; ++j)
      split(r, j);
  FloatMatrix first2 = first, second2 = second;
  for (int step = 1; step <= 3; ++step) {
    grad.randomize(10 + step);
    BucketLayout whole{rows, length, f32, f32, f32, f32, bf16}, halves{rows, length, bf16, f32, f32, f32};
    whole.copyTiesAway = true;
    halves.remainder = IntegerType::get(&context, 16);
    update(whole, {master.data(), copy.data()}, grad, first, second, step);
    update(halves, {half.data(), remainder.data()}, grad, first2, second2, step);
    expectMatrix(half, 0, 1, [&](int64_t r, int64_t j) { return copy.get(r, j); });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t j = 0; j < length; ++j) {
        const uint32_t upper = std::bit_cast<uint32_t>(float(half.get(r, j)));
        const float joined = std::bit_cast<float>(upper + uint32_t(int32_t(remainder[r * length + j])));
        ASSERT_EQ(joined, float(master.get(r, j))) << "step " << step << " at " << r << ", " << j;
      }
  }
}

} // namespace
} // namespace ft
