// Kernels against double precision, at lengths that do and do not fill tiles, on every architecture that this processor
// runs, or on the GPU; a processor's architectures must agree in every bit.
#include "compiler/Codegen/KernelHarness.h"
#include "runtime/Support/Philox.h"

#include <regex>

namespace ft {
namespace {

constexpr int64_t rows = 3;

/// Runs items [0, items) of the kernel under test.
using Runner = std::function<void(const std::vector<void *> &args, int64_t items)>;

class RowLength : public KernelTest, public testing::WithParamInterface<int64_t> {
protected:
  int64_t length = GetParam(), pitch = length + 5;

  /// Compiles for each architecture and calls `test` on each; `test` sets the bytes that must not depend on them.
  void onEachArch(const std::string &text, const std::function<void(const Runner &, std::string &)> &test) {
    TestKernels compiled = compileText(instantiate(text, length, pitch), testTarget());
    std::string first;
    for (const KernelImage &image : compiled.images) {
      std::string bytes;
      test([&](const std::vector<void *> &args, int64_t items) { runKernel(compiled, image, 0, args, items); }, bytes);
      if (first.empty())
        first = bytes;
      EXPECT_EQ(bytes == first, true) << image.arch << " differs from " << compiled.images[0].arch;
    }
    ASSERT_FALSE(compiled.images.empty());
  }
};

template <typename T> std::string bytesOf(Guarded<T> &buffer) {
  return std::string(reinterpret_cast<const char *>(buffer.data()), buffer.values().size_bytes());
}

const char *addRmsNorm = R"(
kernel.func @add_rms_norm(%a: memref<3x$Nxf32, strided<[$P, 1]>>, %b: memref<3x$Nxf32, strided<[$P, 1]>>,
    %w: memref<$Nxf32>, %x: memref<3x$Nxf32, strided<[$P, 1]>>, %y: memref<3x$Nxf32, strided<[$P, 1]>>,
    %rstd: memref<3xf32>) attributes {inplace = [[0, 3]]} item %i {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = arith.constant $N.0 : f32
  %eps = arith.constant 1.0e-5 : f32
  %ra = vector.load %a[%i, %c0] : memref<3x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
  %rb = vector.load %b[%i, %c0] : memref<3x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
  %sum = arith.addf %ra, %rb : vector<$Nxf32>
  vector.store %sum, %x[%i, %c0] : memref<3x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
  %square = arith.mulf %sum, %sum : vector<$Nxf32>
  %s = vector.reduction <add>, %square, %zero : vector<$Nxf32> into f32
  %mean = arith.divf %s, %n : f32
  %shifted = arith.addf %mean, %eps : f32
  %r = math.rsqrt %shifted : f32
  %rr = vector.broadcast %r : f32 to vector<$Nxf32>
  %scaled = arith.mulf %sum, %rr : vector<$Nxf32>
  %rw = vector.load %w[%c0] : memref<$Nxf32>, vector<$Nxf32>
  %out = arith.mulf %scaled, %rw : vector<$Nxf32>
  vector.store %out, %y[%i, %c0] : memref<3x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
  memref.store %r, %rstd[%i] : memref<3xf32>
  kernel.return
})";

// The residual is added in place: the store must wait until the row has been read for the last time.
TEST_P(RowLength, AddRmsNormInPlace) {
  onEachArch(addRmsNorm, [&](const Runner &run, std::string &bytes) {
    Guarded<float> x(rows * pitch), b(rows * pitch), w(length), y(rows * pitch), rstd(rows);
    randomize(x.values(), 1), randomize(b.values(), 2), randomize(w.values(), 3);
    std::vector<float> a(x.values().begin(), x.values().end());
    run({x.data(), b.data(), w.data(), x.data(), y.data(), rstd.data()}, rows);
    for (int64_t i = 0; i < rows; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < length; ++j)
        sum += std::pow(double(a[i * pitch + j] + b[i * pitch + j]), 2);
      double r = 1 / std::sqrt(sum / length + 1e-5);
      EXPECT_NEAR(rstd[i], r, 2e-6 * r);
      for (int64_t j = 0; j < length; ++j) {
        int64_t at = i * pitch + j;
        ASSERT_EQ(x[at], a[at] + b[at]) << i << "," << j;
        ASSERT_NEAR(y[at], x[at] * r * w[j], 4e-6 * std::fabs(x[at] * r * w[j])) << i << "," << j;
      }
      for (int64_t j = length; j < pitch; ++j)
        ASSERT_EQ(x[i * pitch + j], a[i * pitch + j]) << "wrote past the row";
    }
    EXPECT_TRUE(x.intact() && y.intact() && rstd.intact());
    bytes = bytesOf(x) + bytesOf(y) + bytesOf(rstd);
  });
}

const char *softmax = R"(
kernel.func @softmax(%l: memref<3x$Nxbf16, strided<[$P, 1]>>, %label: memref<3xi32>,
    %d: memref<3x$Nxbf16, strided<[$P, 1]>>, %loss: memref<3xf32>) attributes {inplace = [[0, 2]]} item %i {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %xb = vector.load %l[%i, %c0] : memref<3x$Nxbf16, strided<[$P, 1]>>, vector<$Nxbf16>
  %x = arith.extf %xb : vector<$Nxbf16> to vector<$Nxf32>
  %m = vector.reduction <maximumf>, %x : vector<$Nxf32> into f32
  %mm = vector.broadcast %m : f32 to vector<$Nxf32>
  %shifted = arith.subf %x, %mm : vector<$Nxf32>
  %e = math.exp %shifted : vector<$Nxf32>
  %sum = vector.reduction <add>, %e, %zero : vector<$Nxf32> into f32
  %ss = vector.broadcast %sum : f32 to vector<$Nxf32>
  %p = arith.divf %e, %ss : vector<$Nxf32>
  %t = memref.load %label[%i] : memref<3xi32>
  %tt = vector.broadcast %t : i32 to vector<$Nxi32>
  %step = vector.step : vector<$Nxindex>
  %ids = arith.index_cast %step : vector<$Nxindex> to vector<$Nxi32>
  %hit = arith.cmpi eq, %ids, %tt : vector<$Nxi32>
  %one = arith.constant dense<1.0> : vector<$Nxf32>
  %none = arith.constant dense<0.0> : vector<$Nxf32>
  %hot = arith.select %hit, %one, %none : vector<$Nxi1>, vector<$Nxf32>
  %g = arith.subf %p, %hot : vector<$Nxf32>
  %gb = arith.truncf %g : vector<$Nxf32> to vector<$Nxbf16>
  vector.store %gb, %d[%i, %c0] : memref<3x$Nxbf16, strided<[$P, 1]>>, vector<$Nxbf16>
  %picked = arith.mulf %hot, %shifted : vector<$Nxf32>
  %xt = vector.reduction <add>, %picked, %zero : vector<$Nxf32> into f32
  %log = math.log %sum : f32
  %nll = arith.subf %log, %xt : f32
  memref.store %nll, %loss[%i] : memref<3xf32>
  kernel.return
})";

TEST_P(RowLength, SoftmaxBf16InPlace) {
  onEachArch(softmax, [&](const Runner &run, std::string &bytes) {
    Guarded<Bf16> l(rows * pitch);
    Guarded<float> loss(rows);
    Guarded<int32_t> label(rows);
    randomize(l.values(), 4);
    for (int64_t i = 0; i < rows; ++i)
      label[i] = int32_t((length - 1) * i / (rows - 1));
    std::vector<Bf16> x(l.values().begin(), l.values().end());
    run({l.data(), label.data(), l.data(), loss.data()}, rows);
    for (int64_t i = 0; i < rows; ++i) {
      double sum = 0, max = -INFINITY;
      for (int64_t j = 0; j < length; ++j)
        max = std::max(max, double(bf16ToFloat(x[i * pitch + j])));
      for (int64_t j = 0; j < length; ++j)
        sum += std::exp(bf16ToFloat(x[i * pitch + j]) - max);
      double nll = std::log(sum) + max - bf16ToFloat(x[i * pitch + label[i]]);
      EXPECT_NEAR(loss[i], nll, 3e-6 * (1 + std::fabs(nll)));
      for (int64_t j = 0; j < length; ++j) {
        double p = std::exp(bf16ToFloat(x[i * pitch + j]) - max) / sum - (j == label[i]);
        ASSERT_NEAR(bf16ToFloat(l[i * pitch + j]), p, 0.004 * std::fabs(p) + 1e-6) << i << "," << j;
      }
      for (int64_t j = length; j < pitch; ++j)
        ASSERT_EQ(l[i * pitch + j], x[i * pitch + j]) << "wrote past the row";
    }
    EXPECT_TRUE(l.intact() && loss.intact());
    bytes = bytesOf(l) + bytesOf(loss);
  });
}

const char *segmentSum = R"(
kernel.func @segment_sum(%dy: memref<9x$Nxf64, strided<[$P, 1]>>, %start: memref<4xi32>, %order: memref<9xi32>,
    %dw: memref<3x$Nxf64>) item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %next = arith.addi %i, %c1 : index
  %b32 = memref.load %start[%i] : memref<4xi32>
  %e32 = memref.load %start[%next] : memref<4xi32>
  %b = arith.index_cast %b32 : i32 to index
  %e = arith.index_cast %e32 : i32 to index
  %old = vector.load %dw[%i, %c0] : memref<3x$Nxf64>, vector<$Nxf64>
  %sum = scf.for %k = %b to %e step %c1 iter_args(%acc = %old) -> (vector<$Nxf64>) {
    %row32 = memref.load %order[%k] : memref<9xi32>
    %row = arith.index_cast %row32 : i32 to index
    %x = vector.load %dy[%row, %c0] : memref<9x$Nxf64, strided<[$P, 1]>>, vector<$Nxf64>
    %s = arith.addf %acc, %x : vector<$Nxf64>
    scf.yield %s : vector<$Nxf64>
  }
  vector.store %sum, %dw[%i, %c0] : memref<3x$Nxf64>, vector<$Nxf64>
  kernel.return
})";

// Gathered rows, a loop that carries a row, accumulation into memory.
TEST_P(RowLength, SegmentSumF64) {
  onEachArch(segmentSum, [&](const Runner &run, std::string &bytes) {
    Guarded<double> dy(9 * pitch), dw(rows * length);
    randomize(dy.values(), 5), randomize(dw.values(), 6);
    std::vector<double> expected(dw.values().begin(), dw.values().end());
    std::vector<int32_t> start{0, 4, 4, 9}, order{8, 1, 5, 3, 0, 2, 4, 6, 7};
    for (int64_t i = 0; i < rows; ++i)
      for (int32_t k = start[i]; k < start[i + 1]; ++k)
        for (int64_t j = 0; j < length; ++j)
          expected[i * length + j] += dy[order[k] * pitch + j];
    run({dy.data(), start.data(), order.data(), dw.data()}, rows);
    for (size_t j = 0; j < expected.size(); ++j)
      EXPECT_EQ(dw[j], expected[j]) << j;
    EXPECT_TRUE(dw.intact());
    bytes = bytesOf(dw);
  });
}

const char *loopOfRows = R"(
kernel.func @norms(%x: memref<9x$Nxf32, strided<[$P, 1]>>, %y: memref<9x$Nxf32, strided<[$P, 1]>>,
    %total: memref<3xf32>) item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %first = arith.muli %i, %c3 : index
  %last = arith.addi %first, %c3 : index
  %sum = scf.for %k = %first to %last step %c1 iter_args(%acc = %zero) -> (f32) {
    %row = vector.load %x[%k, %c0] : memref<9x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
    %a = math.absf %row : vector<$Nxf32>
    %m = vector.reduction <maxnumf>, %a : vector<$Nxf32> into f32
    %positive = arith.cmpf ogt, %m, %zero : f32
    %inverse = scf.if %positive -> (f32) {
      %one = arith.constant 1.0 : f32
      %q = arith.divf %one, %m : f32
      scf.yield %q : f32
    } else {
      scf.yield %zero : f32
    }
    %qq = vector.broadcast %inverse : f32 to vector<$Nxf32>
    %scaled = arith.mulf %row, %qq : vector<$Nxf32>
    vector.store %scaled, %y[%k, %c0] : memref<9x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
    %low = vector.reduction <minnumf>, %scaled : vector<$Nxf32> into f32
    %next = arith.addf %acc, %low : f32
    scf.yield %next : f32
  }
  memref.store %sum, %total[%i] : memref<3xf32>
  kernel.return
})";

// Reductions inside a loop that carries a scalar, and a condition between phases.
TEST_P(RowLength, LoopOfReductions) {
  onEachArch(loopOfRows, [&](const Runner &run, std::string &bytes) {
    Guarded<float> x(9 * pitch), y(9 * pitch), total(rows);
    randomize(x.values(), 7);
    std::fill_n(x.data() + 4 * pitch, length, 0.0f);
    run({x.data(), y.data(), total.data()}, rows);
    for (int64_t i = 0; i < rows; ++i) {
      float sum = 0;
      for (int64_t k = 3 * i; k < 3 * i + 3; ++k) {
        float max = 0, low = INFINITY;
        for (int64_t j = 0; j < length; ++j)
          max = std::max(max, std::fabs(x[k * pitch + j]));
        float inverse = max > 0 ? 1 / max : 0;
        for (int64_t j = 0; j < length; ++j) {
          ASSERT_EQ(y[k * pitch + j], x[k * pitch + j] * inverse);
          low = std::min(low, y[k * pitch + j]);
        }
        sum += low;
      }
      EXPECT_EQ(total[i], sum);
    }
    EXPECT_TRUE(y.intact() && total.intact());
    bytes = bytesOf(total);
  });
}

const char *dropout = R"(
kernel.func @words(%key: memref<2xi32>, %out: memref<3x4x$Nxi32>) item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %k0 = memref.load %key[%c0] : memref<2xi32>
  %k1 = memref.load %key[%c1] : memref<2xi32>
  %step = vector.step : vector<$Nxindex>
  %n = arith.index_cast %step : vector<$Nxindex> to vector<$Nxi32>
  %i32 = arith.index_cast %i : index to i32
  %row = vector.broadcast %i32 : i32 to vector<$Nxi32>
  %a = arith.constant dense<-5> : vector<$Nxi32>
  %b = arith.constant dense<77> : vector<$Nxi32>
  %w:4 = kernel.philox counter(%a, %row, %b, %n) key(%k0, %k1) : vector<$Nxi32>
  vector.store %w#0, %out[%i, %c0, %c0] : memref<3x4x$Nxi32>, vector<$Nxi32>
  vector.store %w#1, %out[%i, %c1, %c0] : memref<3x4x$Nxi32>, vector<$Nxi32>
  vector.store %w#2, %out[%i, %c2, %c0] : memref<3x4x$Nxi32>, vector<$Nxi32>
  vector.store %w#3, %out[%i, %c3, %c0] : memref<3x4x$Nxi32>, vector<$Nxi32>
  kernel.return
})";

TEST_P(RowLength, PhiloxHasTheRuntimesBits) {
  onEachArch(dropout, [&](const Runner &run, std::string &bytes) {
    Guarded<uint32_t> out(rows * 4 * length);
    std::vector<uint32_t> key{0xdeadbeef, 0x12345678};
    run({key.data(), out.data()}, rows);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < length; ++j) {
        auto words = rt::philox4x32({uint32_t(-5), uint32_t(i), 77, uint32_t(j)}, {key[0], key[1]});
        for (int w = 0; w < 4; ++w)
          EXPECT_EQ(out[(i * 4 + w) * length + j], words[w]);
      }
    EXPECT_TRUE(out.intact());
    bytes = bytesOf(out);
  });
}

const char *codes = R"(
kernel.func @codes(%bytes: memref<3x$Nxi8>, %y: memref<3x$Mxi32, strided<[$P, 1]>>) item %i {
  %c0 = arith.constant 0 : index
  %codes = kernel.load_codes %bytes[%i, %c0] : memref<3x$Nxi8>, vector<$Mxi32>
  vector.store %codes, %y[%i, %c0] : memref<3x$Mxi32, strided<[$P, 1]>>, vector<$Mxi32>
  kernel.return
})";

// Rows of 2N codes in N bytes, stored at a pitch that lets vectors be whole, and at one that does not.
TEST_P(RowLength, CodesAreHalvesOfBytes) {
  const std::string text = std::regex_replace(codes, std::regex(R"(\$M)"), std::to_string(2 * length));
  for (int64_t padding : {16, 1}) {
    pitch = 2 * length + padding;
    onEachArch(text.c_str(), [&](const Runner &run, std::string &bytes) {
      Guarded<uint8_t> packed(rows * length);
      Guarded<int32_t> out(rows * pitch);
      for (size_t i = 0; i < packed.values().size(); ++i)
        packed[i] = uint8_t(167 * i + 41 * (i >> 8));
      run({packed.data(), out.data()}, rows);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < 2 * length; ++j) {
          const uint8_t byte = packed[i * length + j / 2];
          ASSERT_EQ(out[i * pitch + j], j % 2 ? byte & 15 : byte >> 4) << i << ", " << j;
        }
      EXPECT_TRUE(packed.intact() && out.intact());
      bytes = bytesOf(out);
    });
  }
}

const char *halves = R"(
kernel.func @rotate(%q: memref<3x2x$Nxf32, strided<[$P, $N, 1]>>, %c: memref<3x$Nxf32>, %o: memref<3x2x$Nxf32, strided<[$P, $N, 1]>>)
    attributes {inplace = [[0, 2]]} item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %cos = vector.load %c[%i, %c0] : memref<3x$Nxf32>, vector<$Nxf32>
  %a = vector.load %q[%i, %c0, %c0] : memref<3x2x$Nxf32, strided<[$P, $N, 1]>>, vector<$Nxf32>
  %b = vector.load %q[%i, %c1, %c0] : memref<3x2x$Nxf32, strided<[$P, $N, 1]>>, vector<$Nxf32>
  %t = arith.mulf %b, %cos : vector<$Nxf32>
  %x = math.fma %a, %cos, %t : vector<$Nxf32>
  %y = arith.subf %b, %a : vector<$Nxf32>
  vector.store %x, %o[%i, %c0, %c0] : memref<3x2x$Nxf32, strided<[$P, $N, 1]>>, vector<$Nxf32>
  vector.store %y, %o[%i, %c1, %c0] : memref<3x2x$Nxf32, strided<[$P, $N, 1]>>, vector<$Nxf32>
  kernel.return
})";

// Two rows of one memory, rotated into each other in place, as rope does.
TEST_P(RowLength, RotateHalvesInPlace) {
  pitch = 2 * length + 3;
  onEachArch(halves, [&](const Runner &run, std::string &bytes) {
    Guarded<float> q(rows * pitch), c(rows * length);
    randomize(q.values(), 8), randomize(c.values(), 9);
    std::vector<float> old(q.values().begin(), q.values().end());
    run({q.data(), c.data(), q.data()}, 2);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < length; ++j) {
        float a = old[i * pitch + j], b = old[i * pitch + length + j], cos = c[i * length + j];
        bool done = i < 2; // items [0, 2) only
        ASSERT_EQ(q[i * pitch + j], done ? std::fma(a, cos, b * cos) : a);
        ASSERT_EQ(q[i * pitch + length + j], done ? b - a : b);
      }
    EXPECT_TRUE(q.intact());
    bytes = bytesOf(q);
  });
}

const char *mixed = R"(
kernel.func @mean(%x: memref<9x$Nxf32, strided<[$P, 1]>>, %start: memref<4xi32>, %z: memref<3x40xbf16>,
    %y: memref<3x$Nxf32, strided<[$P, 1]>>, %count: memref<3xi64>, %flag: memref<3xi8>) item %i {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n0 = arith.constant 0 : i64
  %n1 = arith.constant 1 : i64
  %zero = arith.constant dense<0.0> : vector<$Nxf32>
  %next = arith.addi %i, %c1 : index
  %b32 = memref.load %start[%i] : memref<4xi32>
  %e32 = memref.load %start[%next] : memref<4xi32>
  %b = arith.index_cast %b32 : i32 to index
  %e = arith.index_cast %e32 : i32 to index
  %sum:2 = scf.for %k = %b to %e step %c1 iter_args(%acc = %zero, %n = %n0) -> (vector<$Nxf32>, i64) {
    %row = vector.load %x[%k, %c0] : memref<9x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
    %odd = arith.andi %n, %n1 : i64
    %isodd = arith.cmpi eq, %odd, %n1 : i64
    %twice = arith.addf %row, %row : vector<$Nxf32>
    %term = arith.select %isodd, %twice, %row : vector<$Nxf32>
    %s = arith.addf %acc, %term : vector<$Nxf32>
    %m = arith.addi %n, %n1 : i64
    scf.yield %s, %m : vector<$Nxf32>, i64
  }
  %any = arith.cmpi sgt, %sum#1, %n0 : i64
  %mean = scf.if %any -> (vector<$Nxf32>) {
    %nf = arith.sitofp %sum#1 : i64 to f32
    %nn = vector.broadcast %nf : f32 to vector<$Nxf32>
    %q = arith.divf %sum#0, %nn : vector<$Nxf32>
    scf.yield %q : vector<$Nxf32>
  } else {
    %minus = arith.constant dense<-1.0> : vector<$Nxf32>
    scf.yield %minus : vector<$Nxf32>
  }
  %zb = vector.load %z[%i, %c0] : memref<3x40xbf16>, vector<40xbf16>
  %zf = arith.extf %zb : vector<40xbf16> to vector<40xf32>
  %total = vector.reduction <add>, %zf : vector<40xf32> into f32
  %tt = vector.broadcast %total : f32 to vector<$Nxf32>
  %out = arith.addf %mean, %tt : vector<$Nxf32>
  vector.store %out, %y[%i, %c0] : memref<3x$Nxf32, strided<[$P, 1]>>, vector<$Nxf32>
  memref.store %sum#1, %count[%i] : memref<3xi64>
  %anyByte = arith.extui %any : i1 to i8
  memref.store %anyByte, %flag[%i] : memref<3xi8>
  kernel.return
})";

// A loop that carries a row and a scalar, a condition that yields a row, rows of two lengths.
TEST_P(RowLength, MixedLoopAndCondition) {
  onEachArch(mixed, [&](const Runner &run, std::string &bytes) {
    Guarded<float> x(9 * pitch), y(rows * pitch);
    Guarded<Bf16> z(rows * 40);
    Guarded<int64_t> count(rows);
    Guarded<int8_t> flag(rows);
    randomize(x.values(), 12), randomize(z.values(), 13);
    std::vector<int32_t> start{0, 5, 5, 9};
    run({x.data(), start.data(), z.data(), y.data(), count.data(), flag.data()}, rows);
    for (int64_t i = 0; i < rows; ++i) {
      int64_t n = start[i + 1] - start[i];
      double total = 0;
      for (int64_t j = 0; j < 40; ++j)
        total += bf16ToFloat(z[i * 40 + j]);
      for (int64_t j = 0; j < length; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < n; ++k)
          sum += (1 + k % 2) * double(x[(start[i] + k) * pitch + j]);
        // At most nine sums of numbers below 8, then 40 below 5: 2^-24 of the largest partial sum for each.
        ASSERT_NEAR(y[i * pitch + j], (n ? sum / n : -1) + total, 2e-5) << i << "," << j;
      }
      EXPECT_EQ(count[i], n);
      EXPECT_EQ(flag[i], n > 0);
    }
    EXPECT_TRUE(y.intact() && count.intact() && flag.intact());
    bytes = bytesOf(y) + bytesOf(count) + bytesOf(flag);
  });
}

INSTANTIATE_TEST_SUITE_P(Lengths, RowLength, testing::Values(1, 7, 16, 17, 50, 100, 576, 1536, 11008, 32000));

} // namespace
} // namespace ft
