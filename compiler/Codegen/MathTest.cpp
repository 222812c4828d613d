// exp, log and rsqrt of kernels against C's functions in double precision (long double for f64).
#include "compiler/Codegen/KernelHarness.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <regex>
#include <string>
#include <vector>

namespace ft {
namespace {

const char *functions = R"(
kernel.func @f32(%x: memref<1x$Nxf32>, %e: memref<1x$Nxf32>, %l: memref<1x$Nxf32>, %r: memref<1x$Nxf32>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  %a = math.exp %v : vector<$Nxf32>
  %b = math.log %v : vector<$Nxf32>
  %c = math.rsqrt %v : vector<$Nxf32>
  vector.store %a, %e[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  vector.store %b, %l[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  vector.store %c, %r[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  kernel.return
}
kernel.func @f64(%x: memref<1x$Nxf64>, %e: memref<1x$Nxf64>, %l: memref<1x$Nxf64>, %r: memref<1x$Nxf64>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<1x$Nxf64>, vector<$Nxf64>
  %a = math.exp %v : vector<$Nxf64>
  %b = math.log %v : vector<$Nxf64>
  %c = math.rsqrt %v : vector<$Nxf64>
  vector.store %a, %e[%i, %c0] : memref<1x$Nxf64>, vector<$Nxf64>
  vector.store %b, %l[%i, %c0] : memref<1x$Nxf64>, vector<$Nxf64>
  vector.store %c, %r[%i, %c0] : memref<1x$Nxf64>, vector<$Nxf64>
  kernel.return
})";

/// Distance of `value` from `exact` in units of the last place of T at `exact`.
template <typename T> double ulps(T value, long double exact) {
  if (std::isnan(exact) || std::isnan(value))
    return std::isnan(exact) == std::isnan(value) ? 0 : INFINITY;
  T rounded = T(exact);
  if (std::isinf(rounded) || std::isinf(value))
    return rounded == value ? 0 : INFINITY;
  long double unit = std::max<long double>(std::fabs(exact) * std::numeric_limits<T>::epsilon() / 2,
                                           std::numeric_limits<T>::denorm_min());
  int exponent;
  std::frexp(std::fabs(exact), &exponent);
  unit = std::max<long double>(std::ldexp(1.0L, exponent - std::numeric_limits<T>::digits),
                               std::numeric_limits<T>::denorm_min());
  return double(std::fabs(value - exact) / unit);
}

/// Bit patterns of every magnitude, ranges where exp is finite, and the special values.
template <typename T> std::vector<T> samples() {
  const T infinity = std::numeric_limits<T>::infinity(), tiny = std::numeric_limits<T>::denorm_min();
  std::vector<T> values{0,
                        -T(0),
                        1,
                        -1,
                        infinity,
                        -infinity,
                        std::numeric_limits<T>::quiet_NaN(),
                        tiny,
                        -tiny,
                        std::numeric_limits<T>::max(),
                        std::numeric_limits<T>::min(),
                        std::numeric_limits<T>::min() / 2,
                        T(88.72),
                        T(88.73),
                        T(-87.4),
                        T(-103.9),
                        T(-104.1),
                        T(709.78),
                        T(709.79),
                        T(-708.5),
                        T(-745.1),
                        T(-745.2),
                        1e4,
                        -1e4};
  std::mt19937_64 engine(11);
  while (values.size() < 20000) {
    uint64_t bits = engine();
    T value;
    std::memcpy(&value, &bits, sizeof value);
    values.push_back(value);
    values.push_back(
        std::uniform_real_distribution<T>(sizeof(T) == 4 ? -105 : -750, sizeof(T) == 4 ? 90 : 715)(engine));
    values.push_back(std::uniform_real_distribution<T>(-1, 2)(engine));
    values.push_back(1 + std::uniform_real_distribution<T>(-1, 1)(engine) / 4096);
  }
  return values;
}

template <typename T> void check(unsigned kernel, double bound) {
  std::vector<T> x = samples<T>(), e(x.size()), l(x.size()), r(x.size());
  TestKernels compiled = compileText(instantiate(functions, x.size(), 0), testTarget());
  ASSERT_FALSE(compiled.images.empty());
  runKernel(compiled, compiled.images.back(), kernel, {x.data(), e.data(), l.data(), r.data()}, 1);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(ulps(e[i], std::exp((long double)(x[i]))), bound) << "exp(" << x[i] << ") = " << e[i];
    EXPECT_LE(ulps(l[i], std::log((long double)(x[i]))), bound) << "log(" << x[i] << ") = " << l[i];
    EXPECT_LE(ulps(r[i], 1 / std::sqrt((long double)(x[i]))), 1.5) << "rsqrt(" << x[i] << ") = " << r[i];
  }
}

using KernelMath = KernelTest;
TEST_F(KernelMath, F32WithinTwoUlp) { check<float>(0, 2); }
// 1e-15 relative is 4.5 ulp.
TEST_F(KernelMath, F64WithinTwoUlp) { check<double>(1, 2); }

// Forms with steps of their own, and beside each the same from parts that pass through memory.
const char *forms = R"(
kernel.func @forms(%x: memref<1x$Nx$T>, %negated: memref<1x$Nx$T>, %plain: memref<1x$Nx$T>, %softmax: memref<1x$Nx$T>,
    %e: memref<1x$Nx$T>, %f: memref<1x$Nx$T>, %d: memref<1x$Nx$T>) item %i {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : vector<$Nx$T>
  %v = vector.load %x[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %n = arith.negf %v : vector<$Nx$T>
  %en = math.exp %n : vector<$Nx$T>
  %sn = arith.addf %one, %en : vector<$Nx$T>
  %rn = arith.divf %one, %sn : vector<$Nx$T>
  %ep = math.exp %v : vector<$Nx$T>
  %sp = arith.addf %ep, %one : vector<$Nx$T>
  %rp = arith.divf %one, %sp : vector<$Nx$T>
  %m = vector.reduction <maxnumf>, %v : vector<$Nx$T> into $T
  %mm = vector.broadcast %m : $T to vector<$Nx$T>
  %under = arith.subf %v, %mm : vector<$Nx$T>
  %es = math.exp %under : vector<$Nx$T>
  vector.store %rn, %negated[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  vector.store %rp, %plain[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  vector.store %es, %softmax[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  vector.store %en, %e[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  vector.store %ep, %f[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  vector.store %under, %d[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  kernel.return
}
kernel.func @parts(%e: memref<1x$Nx$T>, %f: memref<1x$Nx$T>, %d: memref<1x$Nx$T>, %negated: memref<1x$Nx$T>,
    %plain: memref<1x$Nx$T>, %softmax: memref<1x$Nx$T>) item %i {
  %c0 = arith.constant 0 : index
  %one = arith.constant dense<1.0> : vector<$Nx$T>
  %en = vector.load %e[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %sn = arith.addf %one, %en : vector<$Nx$T>
  %rn = arith.divf %one, %sn : vector<$Nx$T>
  %ep = vector.load %f[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %sp = arith.addf %ep, %one : vector<$Nx$T>
  %rp = arith.divf %one, %sp : vector<$Nx$T>
  %under = vector.load %d[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  %es = math.exp %under : vector<$Nx$T>
  vector.store %rn, %negated[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  vector.store %rp, %plain[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  vector.store %es, %softmax[%i, %c0] : memref<1x$Nx$T>, vector<$Nx$T>
  kernel.return
})";

template <typename T> void checkForms(const std::string &type) {
  std::vector<T> x = samples<T>();
  std::string text = std::regex_replace(instantiate(forms, x.size(), 0), std::regex(R"(\$T)"), type);
  TestKernels compiled = compileText(text, testTarget());
  ASSERT_FALSE(compiled.images.empty());
  // A maximum that is finite leaves differences of every size; beside an infinity there are only two.
  for (T most : {T(1), std::numeric_limits<T>::infinity()}) {
    std::vector<T> values = x;
    for (T &value : values)
      value = value > most ? most : value;
    std::vector<std::vector<T>> form(6, x), part(3, x);
    runKernel(
        compiled, compiled.images.back(), 0,
        {values.data(), form[0].data(), form[1].data(), form[2].data(), form[3].data(), form[4].data(), form[5].data()},
        1);
    runKernel(compiled, compiled.images.back(), 1,
              {form[3].data(), form[4].data(), form[5].data(), part[0].data(), part[1].data(), part[2].data()}, 1);
    for (size_t kind = 0; kind < part.size(); ++kind)
      for (size_t i = 0; i < x.size(); ++i)
        EXPECT_TRUE(std::memcmp(&form[kind][i], &part[kind][i], sizeof(T)) == 0 ||
                    (std::isnan(form[kind][i]) && std::isnan(part[kind][i])))
            << "form " << kind << " of " << values[i] << " is " << form[kind][i] << ", its parts " << part[kind][i];
  }
}

TEST_F(KernelMath, FormsHaveTheBitsOfTheirParts) {
  checkForms<float>("f32");
  checkForms<double>("f64");
}

// Quotients and roots of rows are IEEE's, ordinary or not.
const char *quotients = R"(
kernel.func @quotients(%x: memref<1x$Nxf32>, %y: memref<1x$Nxf32>, %c: memref<1xf32>, %q: memref<1x$Nxf32>,
    %byScalar: memref<1x$Nxf32>, %root: memref<1x$Nxf32>, %both: memref<1x$Nxf32>) item %i {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  %w = vector.load %y[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  %k = memref.load %c[%c0] : memref<1xf32>
  %kk = vector.broadcast %k : f32 to vector<$Nxf32>
  %a = arith.divf %v, %w : vector<$Nxf32>
  %b = arith.divf %v, %kk : vector<$Nxf32>
  %r = math.sqrt %v : vector<$Nxf32>
  %d = arith.divf %r, %kk : vector<$Nxf32>
  vector.store %a, %q[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  vector.store %b, %byScalar[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  vector.store %r, %root[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  vector.store %d, %both[%i, %c0] : memref<1x$Nxf32>, vector<$Nxf32>
  kernel.return
})";

TEST_F(KernelMath, QuotientsAndRootsAreRoundedAsIeeeSays) {
  std::vector<float> x, y;
  // Neighbours in a vector are alike, so that some vectors are ordinary throughout: magnitudes around 1, from 2^-100
  // on, and of every size, among them zeros of both signs.
  std::mt19937_64 engine(12);
  auto between = [&](int low, int high, bool sign) {
    const int exponent = low + int(engine() % uint64_t(high - low + 1));
    const float value = std::ldexp(1 + float(engine() >> 40) / float(1 << 24), exponent);
    return sign && engine() % 2 ? -value : value;
  };
  for (int block = 0; block < 600; ++block)
    for (int lane = 0; lane < 16; ++lane) {
      const int kind = block % 4;
      x.push_back(kind == 0   ? between(-4, 4, true)
                  : kind == 1 ? between(-102, -95, true)
                              : between(-140, 120, kind == 2));
      y.push_back(kind == 0 ? between(-4, 4, false) : kind == 1 ? between(-30, 26, false) : between(-60, 20, false));
      if (kind > 0 && engine() % 5 == 0)
        x.back() = engine() % 2 ? 0.0f : -0.0f;
    }
  const std::vector<float> any = samples<float>();
  for (size_t i = 0; i < 3200; ++i) {
    x.push_back(any[i]);
    y.push_back(any[i * 7919 % any.size()]);
  }
  std::vector<float> a = x, b = x, r = x, d = x;
  TestKernels compiled = compileText(instantiate(quotients, x.size(), 0), testTarget());
  ASSERT_FALSE(compiled.images.empty());
  for (float c : {0.0316f, 0.99999994f, 3e-20f, 1e30f}) {
    runKernel(compiled, compiled.images.back(), 0, {x.data(), y.data(), &c, a.data(), b.data(), r.data(), d.data()}, 1);
    auto expectBits = [](float actual, float want, const char *what, float of, float by) {
      EXPECT_TRUE(std::memcmp(&actual, &want, sizeof want) == 0 || (std::isnan(actual) && std::isnan(want)))
          << what << " of " << of << " and " << by << " is " << actual << ", IEEE's " << want;
    };
    for (size_t i = 0; i < x.size(); ++i) {
      expectBits(a[i], x[i] / y[i], "quotient", x[i], y[i]);
      expectBits(b[i], x[i] / c, "quotient by a scalar", x[i], c);
      expectBits(r[i], std::sqrt(x[i]), "root", x[i], 0);
      expectBits(d[i], std::sqrt(x[i]) / c, "root by a scalar", x[i], c);
    }
  }
}

// What cannot be compiled says why, on the operation.
struct Refusal {
  const char *text, *message;
};
const Refusal refusals[] = {
    {R"(kernel.func @k(%x: memref<4x8xf32>) item %i {
      %c0 = arith.constant 0 : index
      %v = vector.load %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
      %t = math.tanh %v : vector<8xf32>
      vector.store %t, %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
      kernel.return })",
     "'math.tanh' op has no expansion; kernels take math.absf"},
    {R"(kernel.func @k(%x: memref<4x8xbf16>) item %i {
      %c0 = arith.constant 0 : index
      %v = vector.load %x[%i, %c0] : memref<4x8xbf16>, vector<8xbf16>
      %t = arith.addf %v, %v : vector<8xbf16>
      vector.store %t, %x[%i, %c0] : memref<4x8xbf16>, vector<8xbf16>
      kernel.return })",
     "'arith.addf' op computes in 'bf16'; extend to f32 first"},
    {R"(kernel.func @k(%x: memref<4x8xf32>, %s: memref<4xf32>) item %i {
      %c0 = arith.constant 0 : index
      %v = vector.load %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
      %d = arith.addf %v, %v : vector<8xf32>
      %n = arith.addi %i, %i : index
      vector.store %d, %x[%n, %c0] : memref<4x8xf32>, vector<8xf32>
      %w = vector.load %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
      %e = arith.addf %v, %w : vector<8xf32>
      %r = vector.reduction <add>, %e : vector<8xf32> into f32
      memref.store %r, %s[%i] : memref<4xf32>
      kernel.return })",
     "'vector.load' op would be read again after its memory was overwritten"},
    {R"(kernel.func @k(%x: memref<4x8xf32>) item %i {
      %c0 = arith.constant 0 : index
      %v = vector.load %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
      %c = arith.constant dense<[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]> : vector<8xf32>
      %t = arith.addf %v, %c : vector<8xf32>
      vector.store %t, %x[%i, %c0] : memref<4x8xf32>, vector<8xf32>
      kernel.return })",
     "row constants must be splats"},
};

TEST(KernelRefusals, NameTheOperation) {
  for (const Refusal &refusal : refusals)
    EXPECT_NE(compileError(refusal.text, {CodegenTarget::Driver::Cpu, {"x86-64-v3"}}).find(refusal.message),
              std::string::npos)
        << refusal.message << "\n got: " << compileError(refusal.text, {CodegenTarget::Driver::Cpu, {"x86-64-v3"}});
}

TEST(KernelRefusals, UnknownArch) {
  const char *text = "kernel.func @k() item %i { kernel.return }";
  EXPECT_NE(compileError(text, {CodegenTarget::Driver::Cpu, {"sm_90"}}).find("not a CPU architecture"),
            std::string::npos);
  EXPECT_NE(compileError(text, {CodegenTarget::Driver::Cuda, {"sm_75"}}).find("no code generation for 'sm_75'"),
            std::string::npos);
}

} // namespace
} // namespace ft
