// Double-precision GEMM with one fixed order of summation, for plans that prove gradients.
//
// Row blocks of D go to the team. In a block, a tile of accumulators stays on the stack while k runs upwards through
// packed panels of op(B); every element has one accumulator, so that its sum is a0·b0 + a1·b1 + … in that order
// whatever the tiling and the number of threads.
#include "runtime/Device/Cpu/Gemm.h"
#include "runtime/Support/Clones.h"

#include <algorithm>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr int64_t tileRows = 16, tileColumns = 64, panelDepth = 64; // 8 KiB of sums, 32 KiB of panel

struct Matrix {
  const double *data;
  int64_t rowStride, columnStride;
  double at(int64_t row, int64_t column) const { return data[row * rowStride + column * columnStride]; }
};

/// sums[r][c] += Σ over `depth` of a(row + r, k + i) · panel[i][c]. The same bits on every clone: no contraction, and
/// vector lanes are different c.
FT_CLONES("avx512f", "avx2", "default")
void multiplyPanel(double (*sums)[tileColumns], const Matrix &a, int64_t row, int64_t rows, int64_t k, int64_t depth,
                   const double (*panel)[tileColumns]) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < depth; ++i) {
      const double factor = a.at(row + r, k + i);
      for (int64_t c = 0; c < tileColumns; ++c)
        sums[r][c] += factor * panel[i][c];
    }
}

class PlainGemm final : public PreparedGemm {
public:
  PlainGemm(const plan::Gemm &gemm, const Team &team) : gemm(gemm), team(team) {}

  Status run(const void *a, const void *b, void *d, void *) override {
    const int64_t rowBlocks = (int64_t(gemm.m()) + tileRows - 1) / tileRows;
    const int64_t batch = std::max<int64_t>(1, gemm.batch());
    team.run(batch * rowBlocks, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) {
        const int64_t index = block / rowBlocks;
        multiplyRows(static_cast<const double *>(a) + index * int64_t(gemm.stride_a()),
                     static_cast<const double *>(b) + index * int64_t(gemm.stride_b()),
                     static_cast<double *>(d) + index * int64_t(gemm.stride_d()), block % rowBlocks * tileRows);
      }
    });
    return {};
  }

  std::string description() const override { return "plain f64"; }

private:
  void multiplyRows(const double *aData, const double *bData, double *d, int64_t row) const {
    const int64_t lda = gemm.lda(), ldb = gemm.ldb(), m = gemm.m(), n = gemm.n(), k = gemm.k();
    const Matrix a = gemm.trans_a() ? Matrix{aData, 1, lda} : Matrix{aData, lda, 1};
    const Matrix b = gemm.trans_b() ? Matrix{bData, 1, ldb} : Matrix{bData, ldb, 1};
    const int64_t rows = std::min(tileRows, m - row);
    for (int64_t column = 0; column < n; column += tileColumns) {
      double sums[tileRows][tileColumns] = {};
      double panel[panelDepth][tileColumns];
      const int64_t columns = std::min(tileColumns, n - column);
      for (int64_t depth = 0; depth < k; depth += panelDepth) {
        const int64_t steps = std::min(panelDepth, k - depth);
        for (int64_t i = 0; i < steps; ++i)
          for (int64_t c = 0; c < tileColumns; ++c)
            panel[i][c] = c < columns ? b.at(depth + i, column + c) : 0.0;
        multiplyPanel(sums, a, row, rows, depth, steps, panel);
      }
      for (int64_t r = 0; r < rows; ++r) {
        double *out = d + (row + r) * int64_t(gemm.ldd()) + column;
        for (int64_t c = 0; c < columns; ++c)
          out[c] = gemm.beta() == 0 ? gemm.alpha() * sums[r][c] : gemm.alpha() * sums[r][c] + out[c];
      }
    }
  }

  const plan::Gemm gemm;
  const Team &team;
};
} // namespace

std::unique_ptr<PreparedGemm> ft::rt::makePlainGemm(const plan::Gemm &gemm, const Team &team) {
  return std::make_unique<PlainGemm>(gemm, team);
}
