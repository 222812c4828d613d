// cuBLASLt against double precision: every transpose, pitch, batch form and type, and what TF32 may do.
#include "runtime/Device/Cuda/GpuTest/GpuFixture.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace ft::rt {
namespace {

struct Types {
  plan::DType in, out;
  const char *name;
};
const Types types[] = {
    {plan::F32, plan::F32, "f32 f32"}, {plan::BF16, plan::BF16, "bf16 bf16"}, {plan::BF16, plan::F32, "bf16 f32"}};

enum class Batches { One, Behind, Interleaved };

/// Values as their type holds them, and the bytes for the device.
struct Matrix {
  plan::DType type;
  std::vector<uint8_t> bytes;
  double at(size_t i) const {
    if (type == plan::BF16)
      return fromBf16(reinterpret_cast<const uint16_t *>(bytes.data())[i]);
    return reinterpret_cast<const float *>(bytes.data())[i];
  }
};

Matrix randomMatrix(plan::DType type, size_t count, Noise &noise) {
  Matrix matrix{type, std::vector<uint8_t>(count * (type == plan::BF16 ? 2 : 4))};
  for (size_t i = 0; i < count; ++i)
    if (type == plan::BF16)
      reinterpret_cast<uint16_t *>(matrix.bytes.data())[i] = toBf16(noise.next());
    else
      reinterpret_cast<float *>(matrix.bytes.data())[i] = noise.next();
  return matrix;
}

class GemmGpuTest : public GpuTest {
protected:
  static plan::Gemm makeGemm(uint64_t m, uint64_t n, uint64_t k, int form, const Types &type, uint64_t padding) {
    plan::Gemm gemm;
    gemm.set_m(m), gemm.set_n(n), gemm.set_k(k);
    gemm.set_trans_a(form & 1), gemm.set_trans_b(form & 2);
    gemm.set_lda((form & 1 ? m : k) + padding), gemm.set_ldb((form & 2 ? k : n) + padding), gemm.set_ldd(n + padding);
    gemm.set_a_type(type.in), gemm.set_b_type(type.in), gemm.set_d_type(type.out);
    gemm.set_compute_type(plan::F32);
    gemm.set_alpha(1);
    gemm.mutable_workspace()->set_rows(1);
    gemm.mutable_workspace()->set_row_bytes(32 << 20);
    return gemm;
  }
  static void setBatches(plan::Gemm &gemm, Batches batches) {
    if (batches == Batches::One)
      return;
    constexpr uint64_t Count = 3;
    gemm.set_batch(Count);
    const uint64_t rowA = gemm.lda(), rowB = gemm.ldb(), rowD = gemm.ldd();
    if (batches == Batches::Interleaved) {
      gemm.set_stride_a(rowA), gemm.set_stride_b(rowB), gemm.set_stride_d(rowD);
      gemm.set_lda(Count * rowA), gemm.set_ldb(Count * rowB), gemm.set_ldd(Count * rowD);
    } else {
      gemm.set_stride_a(rowA * (gemm.trans_a() ? gemm.k() : gemm.m()));
      gemm.set_stride_b(rowB * (gemm.trans_b() ? gemm.n() : gemm.k()));
      gemm.set_stride_d(rowD * gemm.m());
    }
  }
  /// Runs it and returns the largest error of sampled elements as a part of its bound; elements between rows must not
  /// change. `offset` elements are skipped before each operand.
  double worstError(const plan::Gemm &gemm, Noise &noise, uint64_t offset = 0);
};

double GemmGpuTest::worstError(const plan::Gemm &gemm, Noise &noise, uint64_t offset) {
  const uint64_t batch = std::max<uint64_t>(gemm.batch(), 1);
  auto count = [&](uint64_t rows, uint64_t pitch, uint64_t stride) {
    return offset + (batch - 1) * stride + rows * pitch;
  };
  const uint64_t aRows = gemm.trans_a() ? gemm.k() : gemm.m(), bRows = gemm.trans_b() ? gemm.n() : gemm.k();
  const Matrix a = randomMatrix(gemm.a_type(), count(aRows, gemm.lda(), gemm.stride_a()), noise);
  const Matrix b = randomMatrix(gemm.b_type(), count(bRows, gemm.ldb(), gemm.stride_b()), noise);
  const Matrix before = randomMatrix(gemm.d_type(), count(gemm.m(), gemm.ldd(), gemm.stride_d()), noise);
  const uint64_t inBytes = gemm.a_type() == plan::BF16 ? 2 : 4, outBytes = gemm.d_type() == plan::BF16 ? 2 : 4;
  reuseScratch();
  uint8_t *d = upload(before.bytes);
  auto handle = device().prepareGemm(gemm);
  require(handle.status());
  if (!handle.ok())
    return INFINITY;
  require(device().gemm(0, *handle, upload(a.bytes) + offset * inBytes, upload(b.bytes) + offset * inBytes,
                        d + offset * outBytes, scratch(32 << 20)));
  const Matrix after{gemm.d_type(), download(d, before.bytes.size())};
  // Any order of k products and sums in f32: k · u · Σ|a·b| (Higham, Accuracy and Stability, §3.1), then D's rounding.
  // With beta, cuBLASLt may round the product to D's type before it adds D and rounds again: seen in bf16 on an H200.
  const double unit = 0x1p-24, outUnit = gemm.d_type() == plan::BF16 ? 0x1p-8 : 0x1p-24;
  double worst = 0;
  for (int sample = 0; sample < 1500; ++sample) {
    const uint64_t i = noise.below(batch), row = noise.below(gemm.m()), column = noise.below(gemm.n());
    double sum = 0, size = 0;
    for (uint64_t k = 0; k < gemm.k(); ++k) {
      const double x =
          a.at(offset + i * gemm.stride_a() + (gemm.trans_a() ? k * gemm.lda() + row : row * gemm.lda() + k));
      const double y =
          b.at(offset + i * gemm.stride_b() + (gemm.trans_b() ? column * gemm.ldb() + k : k * gemm.ldb() + column));
      sum += x * y, size += std::abs(x * y);
    }
    const size_t at = offset + i * gemm.stride_d() + row * gemm.ldd() + column;
    const double exact = gemm.alpha() * sum + gemm.beta() * before.at(at);
    const double rounded = std::abs(exact) + (gemm.beta() != 0 ? std::abs(gemm.alpha() * sum) : 0);
    const double bound =
        (gemm.k() + 3) * unit * (std::abs(gemm.alpha()) * size + std::abs(before.at(at))) + outUnit * rounded * 1.01;
    const double error = std::abs(after.at(at) - exact) / bound;
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  if (batch == 1)
    for (uint64_t row = 0; row < gemm.m(); ++row)
      for (uint64_t column = gemm.n(); column < gemm.ldd(); ++column)
        if (const size_t at = offset + row * gemm.ldd() + column; after.at(at) != before.at(at))
          return INFINITY;
  return worst;
}

TEST_F(GemmGpuTest, EveryForm) {
  Noise noise(1);
  for (const Types &type : types) {
    double worst = 0;
    int count = 0;
    for (int form = 0; form < 4; ++form)
      for (uint64_t padding : {0, 8, 24})
        for (Batches batches : {Batches::One, Batches::Behind, Batches::Interleaved})
          for (double beta : {0.0, 1.0}) {
            auto size = [&] { return 8 * (1 + noise.below(64)); };
            plan::Gemm gemm = makeGemm(size(), size(), size(), form, type, padding);
            setBatches(gemm, batches);
            gemm.set_alpha(0.75);
            gemm.set_beta(beta);
            const double error = worstError(gemm, noise);
            EXPECT_LE(error, 1.0) << type.name << " form " << form << " padding " << padding << " batches "
                                  << int(batches) << " beta " << beta;
            worst = std::max(worst, error);
            ++count;
          }
    addRow(fmt::format("gemm {}: {} forms of transposes, pitches, batches, beta", type.name, count),
           fmt::format("worst error {:.3f} of its bound", worst));
  }
}

TEST_F(GemmGpuTest, OddSizesAndSlices) {
  Noise noise(2);
  double worst = 0;
  for (uint64_t padding : {0, 3})
    for (int form = 0; form < 4; ++form)
      worst = std::max(worst, worstError(makeGemm(37, 53, 71, form, types[0], padding), noise));
  EXPECT_LE(worst, 1.0);
  addRow("gemm f32 37x53x71, pitches of odd length", fmt::format("worst error {:.3f} of its bound", worst));
  worst = 0;
  for (uint64_t offset : {1, 2, 4, 8}) {
    plan::Gemm gemm = makeGemm(64, 96, 128, 2, types[1], 16);
    for (plan::Operand *operand : {gemm.mutable_a(), gemm.mutable_b(), gemm.mutable_d()})
      operand->set_offset(offset * 2);
    worst = std::max(worst, worstError(gemm, noise, offset));
  }
  EXPECT_LE(worst, 1.0);
  addRow("gemm bf16 column slices 2, 4, 8, 16 bytes into a row", fmt::format("worst error {:.3f} of its bound", worst));
}

TEST_F(GemmGpuTest, Tf32OnlyWhereAllowed) {
  Noise noise(3);
  plan::Gemm gemm = makeGemm(512, 512, 512, 2, types[0], 0);
  const double exact = worstError(gemm, noise);
  gemm.set_allow_tf32(true);
  const double rounded = worstError(gemm, noise);
  EXPECT_LE(exact, 1.0);
  EXPECT_GT(rounded, 1.0) << "TF32 was allowed and not used";
  // TF32 rounds the factors to 11 bits: 2 · 2⁻¹¹ of each product, against k · 2⁻²⁴.
  EXPECT_LE(rounded, (0x1p-10 + 512 * 0x1p-24) / (512 * 0x1p-24));
  addRow("gemm f32 512: f32 and TF32", fmt::format("errors {:.3f} and {:.3f} of f32's bound", exact, rounded));
}

TEST_F(GemmGpuTest, WorksWithoutWorkspaceAndRepeatsItsBits) {
  Noise noise(4);
  plan::Gemm gemm = makeGemm(64, 256, 8192, 2, types[2], 0); // short and deep: where parts of k are split
  for (uint64_t workspace : {uint64_t(0), uint64_t(32) << 20}) {
    gemm.mutable_workspace()->set_row_bytes(workspace);
    EXPECT_LE(worstError(gemm, noise), 1.0);
    const Matrix a = randomMatrix(plan::BF16, 64 * 8192, noise), b = randomMatrix(plan::BF16, 256 * 8192, noise);
    reuseScratch();
    auto handle = device().prepareGemm(gemm);
    ASSERT_TRUE(handle.ok()) << handle.status().message();
    uint8_t *first = upload(a.bytes), *second = upload(b.bytes);
    auto *d = reinterpret_cast<uint32_t *>(scratch(64 * 256 * 4));
    void *space = workspace ? scratch(workspace) : nullptr;
    std::vector<uint32_t> bits;
    for (int run = 0; run < 20; ++run) {
      require(device().gemm(0, *handle, first, second, d, space));
      std::vector<uint32_t> again = download(d, 64 * 256);
      EXPECT_TRUE(bits.empty() || bits == again) << "run " << run << " with workspace " << workspace;
      bits = std::move(again);
    }
  }
  addRow("gemm bf16 f32 64x256x8192, no workspace and 32 MiB, 20 runs each", "bits repeat");
}

TEST_F(GemmGpuTest, Speed) {
  for (const Types &type : types) {
    plan::Gemm gemm = makeGemm(16384, 4096, 4096, 2, type, 0);
    auto handle = device().prepareGemm(gemm);
    ASSERT_TRUE(handle.ok()) << handle.status().message();
    std::byte *a = scratch(16384ull * 4096 * 4), *b = scratch(4096ull * 4096 * 4), *d = scratch(16384ull * 4096 * 4);
    require(device().fill(0, {a, 1, 16384ull * 4096 * 4}, 0x3E)); // numbers, not NaN
    require(device().fill(0, {b, 1, 4096ull * 4096 * 4}, 0x3E));
    void *workspace = scratch(32 << 20);
    require(device().gemm(0, *handle, a, b, d, workspace));
    require(device().beginCapture());
    require(device().gemm(0, *handle, a, b, d, workspace));
    auto graph = device().endCapture();
    ASSERT_TRUE(graph.ok()) << graph.status().message();
    const double milliseconds = timeGraph(*graph);
    addRow(fmt::format("gemm {} 16384x4096x4096 in a graph (constant operands)", type.name),
           fmt::format("{:.3f} ms, {:.0f} TFLOP/s", milliseconds, 2 * 16384e0 * 4096 * 4096 / milliseconds * 1e-9));
    reuseScratch();
  }
}

/// Whatever the library offers computes the same product, and what was taken is taken again where it is asked for.
TEST_F(GemmGpuTest, EveryWay) {
  Noise noise(7);
  plan::Gemm gemm = makeGemm(1024, 512, 2048, 2, types[1], 8);
  auto handle = device().prepareGemm(gemm);
  require(handle.status());
  auto ways = device().waysOf(*handle);
  require(ways.status());
  ASSERT_GT(*ways, 1u);
  std::set<std::string> described;
  for (uint32_t way = 0; way < *ways; ++way) {
    require(device().takeWay(*handle, way));
    EXPECT_LE(worstError(gemm, noise), 1.0) << device().products()[*handle];
    described.insert(device().products()[*handle]);
  }
  EXPECT_EQ(described.size(), *ways);
  EXPECT_FALSE(device().takeWay(*handle, *ways).ok());

  const std::vector<std::string> taken = device().products();
  auto again = openCudaDevice(0);
  require(again.status());
  (*again)->preferProducts(taken);
  require((*again)->prepareGemm(gemm).status());
  EXPECT_EQ((*again)->products().front(), taken[*handle]);
}

} // namespace
} // namespace ft::rt
