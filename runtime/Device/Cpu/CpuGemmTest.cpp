// What is particular to the cpu driver's GEMMs; that they are right is the conformance suite's part.
#include "runtime/Device/Device.h"
#include "runtime/Plan/Fp8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

using namespace ft;
using namespace ft::rt;

namespace {
plan::Gemm makeGemm(uint64_t m, uint64_t n, uint64_t k, plan::DType type) {
  plan::Gemm gemm;
  gemm.set_m(m), gemm.set_n(n), gemm.set_k(k);
  gemm.set_lda(k), gemm.set_ldb(n), gemm.set_ldd(n), gemm.set_alpha(1);
  gemm.set_a_type(type), gemm.set_b_type(type), gemm.set_d_type(type);
  return gemm;
}

std::vector<double> randomNumbers(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<double> numbers(count);
  for (double &number : numbers)
    number = double(random() >> 11) * 0x1p-52 - 1;
  return numbers;
}

uint64_t sizeOf(plan::DType type) { return type == plan::BF16 ? 2 : 4; }

/// The same numbers whatever `spare` columns lie behind each row; bf16 ones are the upper halves of f32's.
std::vector<char> matrix(plan::DType type, uint64_t rows, uint64_t columns, uint64_t spare, uint64_t seed) {
  std::vector<char> bytes(rows * (columns + spare) * sizeOf(type));
  const std::vector<double> numbers = randomNumbers(rows * columns, seed);
  for (uint64_t i = 0; i < numbers.size(); ++i) {
    const float number = static_cast<float>(numbers[i]);
    const char *upper = reinterpret_cast<const char *>(&number) + sizeof(float) - sizeOf(type);
    std::memcpy(&bytes[(i / columns * (columns + spare) + i % columns) * sizeOf(type)], upper, sizeOf(type));
  }
  return bytes;
}

std::string refusal(Device &device, const plan::Gemm &gemm, Code code) {
  auto handle = device.prepareGemm(gemm);
  EXPECT_FALSE(handle.ok());
  EXPECT_EQ(handle.status().code(), code);
  return handle.status().message();
}

/// Sets an environment variable for the life of the object.
struct Environment {
  Environment(const char *name, const char *value) : name(name) {
    if (const char *old = std::getenv(name))
      before = old;
    setenv(name, value, 1);
  }
  ~Environment() {
    if (before.empty())
      unsetenv(name);
    else
      setenv(name, before.c_str(), 1);
  }
  const char *name;
  std::string before;
};
} // namespace

TEST(CpuGemm, F64HasTheSameBitsForEveryNumberOfThreads) {
  const uint64_t m = 131, n = 77, k = 203;
  const std::vector<double> a = randomNumbers(m * k, 1), b = randomNumbers(k * n, 2);
  std::vector<double> results[2];
  for (uint32_t threads : {1, 3}) {
    auto device = openCpuDevice(threads);
    ASSERT_TRUE(device.ok()) << device.status().message();
    auto handle = (*device)->prepareGemm(makeGemm(m, n, k, plan::F64));
    ASSERT_TRUE(handle.ok()) << handle.status().message();
    std::vector<double> &d = results[threads == 3];
    d.resize(m * n);
    ASSERT_TRUE((*device)->gemm(0, *handle, a.data(), b.data(), d.data(), nullptr).ok());
  }
  EXPECT_EQ(results[0], results[1]);
  // One element in the order that is promised: ascending k, one accumulator.
  double sum = 0;
  for (uint64_t i = 0; i < k; ++i)
    sum += a[5 * k + i] * b[i * n + 7];
  EXPECT_EQ(results[0][5 * n + 7], sum);
}

TEST(CpuGemm, F32IsDividedOverAnyTeam) {
  struct Case {
    uint64_t m, n, k, batch;
    bool transB;
  };
  // A grid by rows and by columns, a batch that cuts through its items, transposed panels with tails, fewer columns
  // than the members could share.
  for (Case c : {Case{301, 97, 33, 1, false},
                 {40, 900, 33, 1, false},
                 {70, 60, 24, 3, false},
                 {270, 1013, 45, 1, true},
                 {270, 100, 45, 1, true}})
    for (uint32_t threads : {1, 2, 3, 4, 7}) {
      plan::Gemm gemm = makeGemm(c.m, c.n, c.k, plan::F32);
      gemm.set_batch(c.batch);
      gemm.set_stride_a(c.m * c.k), gemm.set_stride_b(c.k * c.n), gemm.set_stride_d(c.m * c.n);
      gemm.set_trans_b(c.transB);
      if (c.transB)
        gemm.set_ldb(c.k);
      gemm.mutable_workspace()->set_row_bytes(1 << 20);
      const std::vector<double> exactA = randomNumbers(c.batch * c.m * c.k, 1);
      const std::vector<double> exactB = randomNumbers(c.batch * c.k * c.n, 2);
      const std::vector<float> a(exactA.begin(), exactA.end()), b(exactB.begin(), exactB.end());
      std::vector<float> d(c.batch * c.m * c.n), workspace((1 << 20) / 4);
      auto device = openCpuDevice(threads);
      ASSERT_TRUE(device.ok()) << device.status().message();
      auto handle = (*device)->prepareGemm(gemm);
      ASSERT_TRUE(handle.ok()) << handle.status().message();
      ASSERT_TRUE((*device)->gemm(0, *handle, a.data(), b.data(), d.data(), workspace.data()).ok());
      for (uint64_t i = 0; i < d.size(); ++i) {
        const uint64_t item = i / (c.m * c.n), row = i / c.n % c.m, column = i % c.n;
        double sum = 0, size = 0;
        for (uint64_t k = 0; k < c.k; ++k) {
          const double x = a[(item * c.m + row) * c.k + k];
          const double y = b[item * c.k * c.n + (c.transB ? column * c.k + k : k * c.n + column)];
          sum += x * y, size += std::abs(x * y);
        }
        // k products and sums in any order: Higham, §3.1.
        ASSERT_NEAR(d[i], sum, (c.k + 1) * 0x1p-24 * size)
            << c.m << "x" << c.n << "x" << c.k << " on " << threads << " threads, element " << i;
      }
    }
}

// By rows and by columns, panels of several depths, and a workspace that leaves little to each member of a large team.
TEST(CpuGemm, CodesAreDividedOverAnyTeam) {
  struct Case {
    uint64_t m, n, k, workspace;
  };
  for (Case c : {Case{301, 96, 64, 1 << 20}, {40, 912, 1040, 1 << 20}, {130, 400, 320, 300 << 10}})
    for (uint32_t threads : {1, 2, 3, 7}) {
      plan::Gemm gemm = makeGemm(c.m, c.n, c.k, plan::F8E4M3);
      gemm.set_d_type(plan::F32), gemm.set_compute_type(plan::F32);
      gemm.set_trans_b(true), gemm.set_ldb(c.k);
      gemm.mutable_workspace()->set_row_bytes(c.workspace);
      std::mt19937 random(5);
      auto codes = [&](size_t count) {
        std::vector<uint8_t> made(count);
        for (uint8_t &code : made)
          code = static_cast<uint8_t>(random() % plan::e4m3NoNumber + (random() & 0x80));
        return made;
      };
      const std::vector<uint8_t> a = codes(c.m * c.k), b = codes(c.n * c.k);
      std::vector<float> scaleA, scaleB, d(c.m * c.n), workspace(c.workspace / 4 + 16);
      for (double number : randomNumbers(c.m, 1))
        scaleA.push_back(float(number));
      for (double number : randomNumbers(c.n, 2))
        scaleB.push_back(float(number));
      auto device = openCpuDevice(threads);
      ASSERT_TRUE(device.ok()) << device.status().message();
      auto handle = (*device)->prepareGemm(gemm);
      ASSERT_TRUE(handle.ok()) << handle.status().message();
      const GemmAddresses at{a.data(), b.data(), d.data(), workspace.data(), scaleA.data(), scaleB.data()};
      const Status status = (*device)->scaledGemm(0, *handle, at);
      ASSERT_TRUE(status.ok()) << status.message();
      for (uint64_t i = 0; i < d.size(); ++i) {
        double sum = 0, size = 0;
        for (uint64_t k = 0; k < c.k; ++k) {
          const double term =
              double(plan::e4m3Value(a[i / c.n * c.k + k])) * double(plan::e4m3Value(b[i % c.n * c.k + k]));
          sum += term, size += std::abs(term);
        }
        const double scale = double(scaleA[i / c.n]) * scaleB[i % c.n];
        // k products and sums in any order, and two roundings of the scales.
        ASSERT_NEAR(d[i], scale * sum, std::abs(scale) * ((c.k + 1) * 0x1p-24 * size + 0x1p-22 * std::abs(sum)))
            << c.m << "x" << c.n << "x" << c.k << " on " << threads << " threads, element " << i;
      }
    }
}

// What backward makes again, or packing elsewhere, gives an operand another pitch; the numbers must stay. A micro-batch
// has eight tokens at least; generation, whose products have fewer rows, promises nothing.
TEST(CpuGemm, ThePitchDoesNotChangeTheBits) {
  struct Types {
    plan::DType in, out;
  };
  auto device = openCpuDevice(1);
  ASSERT_TRUE(device.ok()) << device.status().message();
  std::vector<char> workspace(16 << 20);
  for (const Types types : {Types{plan::F32, plan::F32}, {plan::BF16, plan::F32}, {plan::BF16, plan::BF16}})
    for (const uint64_t m : {8, 16, 56, 168, 333})
      for (const uint64_t n : {1, 2, 3, 4, 8, 16, 31, 47, 48, 96})
        for (const uint64_t k : {1, 4, 30, 64, 168})
          for (const int form : {0, 1, 2}) { // NN, NT, TN
            std::vector<std::vector<char>> results;
            for (const uint64_t spare : {0, 8, 64}) {
              plan::Gemm gemm = makeGemm(m, n, k, types.in);
              gemm.set_d_type(types.out), gemm.set_compute_type(plan::F32);
              gemm.set_trans_a(form == 2), gemm.set_trans_b(form == 1);
              const uint64_t rowsA = form == 2 ? k : m, rowsB = form == 1 ? n : k;
              const uint64_t columnsA = form == 2 ? m : k, columnsB = form == 1 ? k : n;
              gemm.set_lda(columnsA + spare), gemm.set_ldb(columnsB + spare), gemm.set_ldd(n + spare);
              gemm.mutable_workspace()->set_row_bytes(workspace.size());
              auto handle = (*device)->prepareGemm(gemm);
              ASSERT_TRUE(handle.ok()) << handle.status().message();
              const std::vector<char> a = matrix(types.in, rowsA, columnsA, spare, 1);
              const std::vector<char> b = matrix(types.in, rowsB, columnsB, spare, 2);
              std::vector<char> d = matrix(types.out, m, n, spare, 3);
              ASSERT_TRUE((*device)->gemm(0, *handle, a.data(), b.data(), d.data(), workspace.data()).ok());
              const uint64_t width = n * sizeOf(types.out), pitch = (n + spare) * sizeOf(types.out);
              std::vector<char> &dense = results.emplace_back();
              for (uint64_t row = 0; row < m; ++row)
                dense.insert(dense.end(), d.begin() + long(row * pitch), d.begin() + long(row * pitch + width));
            }
            for (const std::vector<char> &other : results)
              EXPECT_EQ(other == results.front(), true)
                  << m << "x" << n << "x" << k << " of " << plan::DType_Name(types.in) << " to "
                  << plan::DType_Name(types.out)
                  << (form == 0   ? " NN"
                      : form == 1 ? " NT"
                                  : " TN");
          }
}

TEST(CpuGemm, RefusesCodesWithoutScalesAndAWorkspaceForNoPanel) {
  auto device = openCpuDevice(2);
  ASSERT_TRUE(device.ok()) << device.status().message();
  plan::Gemm gemm = makeGemm(64, 64, 64, plan::F8E4M3);
  gemm.set_d_type(plan::F32), gemm.set_trans_b(true);
  gemm.mutable_workspace()->set_row_bytes(1000);
  const std::string message = refusal(**device, gemm, Code::CannotRun);
  EXPECT_NE(message.find("GEMM 64x64x64 e4m3·e4m3→f32: panels of codes need"), std::string::npos) << message;
  gemm.mutable_workspace()->set_row_bytes(1 << 20);
  auto handle = (*device)->prepareGemm(gemm);
  ASSERT_TRUE(handle.ok()) << handle.status().message();
  EXPECT_NE((*device)->gemm(0, *handle, nullptr, nullptr, nullptr, nullptr).message().find("without its scales"),
            std::string::npos);
}

TEST(CpuGemm, WorksWithinThePlansWorkspaceOrNamesBothSizes) {
  auto device = openCpuDevice(2);
  ASSERT_TRUE(device.ok()) << device.status().message();
  // f32: without a workspace oneDNN has a slower form that needs none.
  EXPECT_TRUE((*device)->prepareGemm(makeGemm(64, 64, 64, plan::F32)).ok());
  plan::Gemm gemm = makeGemm(1024, 576, 576, plan::BF16);
  gemm.set_trans_b(true);
  gemm.mutable_workspace()->set_row_bytes(100);
  const std::string message = refusal(**device, gemm, Code::CannotRun);
  EXPECT_NE(message.find("GEMM 1024x576x576 bf16·bf16→bf16"), std::string::npos) << message;
  EXPECT_NE(message.find("12288 bytes"), std::string::npos) << message;
  EXPECT_NE(message.find("reserves 100"), std::string::npos) << message;
}

TEST(CpuGemm, RefusesABetaThatIsNeither0Nor1) {
  auto device = openCpuDevice(1);
  ASSERT_TRUE(device.ok());
  plan::Gemm gemm = makeGemm(4, 4, 4, plan::F32);
  gemm.set_beta(0.5);
  EXPECT_NE(refusal(**device, gemm, Code::BadInput).find("beta is 0.5; must be 0 or 1"), std::string::npos);
}

TEST(CpuGemm, WithoutOneDnnOnlyF64Works) {
  Environment nowhere("FTC_DNNL_DIR", "/nonexistent");
  auto device = openCpuDevice(1);
  ASSERT_TRUE(device.ok()) << device.status().message();
  EXPECT_TRUE((*device)->info().libraries.empty());
  EXPECT_TRUE((*device)->prepareGemm(makeGemm(4, 4, 4, plan::F64)).ok());
  const std::string message = refusal(**device, makeGemm(4, 4, 4, plan::F32), Code::CannotRun);
  for (const char *part : {"GEMM 4x4x4", "libdnnl.so.2", "/nonexistent", "libdnnl2", "FTC_DNNL_DIR"})
    EXPECT_NE(message.find(part), std::string::npos) << part << " is not in: " << message;
}

TEST(CpuDevice, RefusesAttentionOfALibrary) {
  auto device = openCpuDevice(1);
  ASSERT_TRUE(device.ok());
  auto handle = (*device)->prepareAttention(plan::Attention());
  ASSERT_FALSE(handle.ok());
  EXPECT_EQ(handle.status().code(), Code::CannotRun);
  EXPECT_NE(handle.status().message().find("tiled"), std::string::npos);
}

TEST(CpuDevice, ForcedLevelIsChecked) {
  {
    Environment level("FTC_CPU_ISA", "avx2");
    auto device = openCpuDevice(1);
    ASSERT_FALSE(device.ok());
    EXPECT_EQ(device.status().message(), "FTC_CPU_ISA is \"avx2\"; must be x86-64-v3 or x86-64-v4");
  }
  Environment level("FTC_CPU_ISA", "x86-64-v3");
  auto device = openCpuDevice(1);
  ASSERT_TRUE(device.ok()) << device.status().message();
  EXPECT_EQ((*device)->info().arch, "x86-64-v3");
}
