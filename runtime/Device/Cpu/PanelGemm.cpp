// GEMM over mixtures of f32 with bf16 or f16 by f32 products of widened panels.
#include "runtime/Device/Cpu/Gemm.h"
#include "runtime/Support/Bfloat16.h"
#include "runtime/Support/Float16.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

namespace {
float widen(uint16_t bits, plan::DType type) { return type == plan::BF16 ? bf16ToF32(bits) : f16ToF32(bits); }
uint16_t narrow(float value, plan::DType type) { return type == plan::BF16 ? f32ToBf16(value) : f32ToF16(value); }

struct Matrix {
  const char *data;
  plan::DType type;
  int64_t rowStride, columnStride;
  float at(int64_t row, int64_t column) const {
    const int64_t index = row * rowStride + column * columnStride;
    return type == plan::F32 ? reinterpret_cast<const float *>(data)[index]
                             : widen(reinterpret_cast<const uint16_t *>(data)[index], type);
  }
};

class PanelGemm final : public PreparedGemm {
public:
  PanelGemm(const plan::Gemm &gemm, const Team &team) : gemm(gemm), team(team) {}

  Status prepare(const DnnlContext &context);
  Status run(const void *a, const void *b, void *d, void *workspace) override;
  std::string description() const override {
    return fmt::format("f32 panels of {}x{}x{} by {}", rows, columns, depth, products.front()->description());
  }

private:
  uint64_t panelBytes() const { return 4 * uint64_t(rows * depth + depth * columns + rows * columns); }
  Status prepareProducts(const DnnlContext &context, uint64_t workspaceLeft);
  /// Index of the product for a block that starts here: bit 0 a short tail in m, 1 in n, 2 in k, 3 adds to the sums.
  size_t productIndex(int64_t m, int64_t n, int64_t k) const {
    return (m + rows > int64_t(gemm.m())) | (n + columns > int64_t(gemm.n())) << 1 |
           (k + depth > int64_t(gemm.k())) << 2 | (k > 0) << 3;
  }
  void widenPanel(float *panel, const Matrix &matrix, int64_t row, int64_t rowCount, int64_t column,
                  int64_t columnCount) const;
  Status sumBlock(const Matrix &a, const Matrix &b, int64_t m, int64_t n, float *panels, float *sums, void *scratchpad);
  void store(void *d, int64_t m, int64_t n, const float *sums) const;

  const plan::Gemm gemm;
  const Team &team;
  int64_t rows = 0, columns = 0, depth = 0; // of a panel
  std::vector<std::unique_ptr<PreparedGemm>> products;
};

Status PanelGemm::prepare(const DnnlContext &context) {
  const uint64_t reserved = workspaceBytes(gemm);
  rows = std::min<int64_t>(gemm.m(), 256);
  columns = std::min<int64_t>(gemm.n(), 256);
  depth = std::min<int64_t>(gemm.k(), 1024);
  while (panelBytes() > reserved && std::max({rows, columns, depth}) > 32) {
    int64_t &largest = depth >= std::max(rows, columns) ? depth : rows >= columns ? rows : columns;
    largest = std::max<int64_t>(32, largest / 2);
  }
  if (panelBytes() > reserved)
    return cannotRun(
        fmt::format("{}: this processor multiplies 16 bits by widened panels, which need {} bytes of "
                    "workspace; the plan reserves {}: compile for a target file with a larger CPU workspace",
                    gemmName(gemm), panelBytes(), reserved));
  return prepareProducts(context, reserved - panelBytes());
}

Status PanelGemm::prepareProducts(const DnnlContext &context, uint64_t workspaceLeft) {
  products.resize(16);
  for (int64_t m : {int64_t(0), int64_t(gemm.m()) / rows * rows})
    for (int64_t n : {int64_t(0), int64_t(gemm.n()) / columns * columns})
      for (int64_t k : {int64_t(0), depth, int64_t(gemm.k()) / depth * depth}) {
        const int64_t blockRows = std::min<int64_t>(rows, gemm.m() - m);
        const int64_t blockColumns = std::min<int64_t>(columns, gemm.n() - n);
        const int64_t blockDepth = std::min<int64_t>(depth, int64_t(gemm.k()) - k);
        if (blockRows <= 0 || blockColumns <= 0 || blockDepth <= 0 || products[productIndex(m, n, k)])
          continue;
        plan::Gemm block;
        block.set_m(blockRows), block.set_n(blockColumns), block.set_k(blockDepth);
        block.set_lda(blockDepth), block.set_ldb(blockColumns), block.set_ldd(blockColumns);
        block.set_a_type(plan::F32), block.set_b_type(plan::F32), block.set_d_type(plan::F32);
        block.set_alpha(1), block.set_beta(k > 0 ? 1 : 0);
        block.mutable_workspace()->set_row_bytes(workspaceLeft);
        FT_ASSIGN_OR_RETURN(products[productIndex(m, n, k)], makeDnnlGemm(block, context));
      }
  return {};
}

void PanelGemm::widenPanel(float *panel, const Matrix &matrix, int64_t row, int64_t rowCount, int64_t column,
                           int64_t columnCount) const {
  team.run(rowCount, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t c = 0; c < columnCount; ++c)
        panel[r * columnCount + c] = matrix.at(row + r, column + c);
  });
}

Status PanelGemm::sumBlock(const Matrix &a, const Matrix &b, int64_t m, int64_t n, float *panels, float *sums,
                           void *scratchpad) {
  const int64_t blockRows = std::min<int64_t>(rows, gemm.m() - m);
  const int64_t blockColumns = std::min<int64_t>(columns, gemm.n() - n);
  for (int64_t k = 0; k < int64_t(gemm.k()); k += depth) {
    const int64_t blockDepth = std::min<int64_t>(depth, gemm.k() - k);
    float *aPanel = panels, *bPanel = panels + rows * depth;
    widenPanel(aPanel, a, m, blockRows, k, blockDepth);
    widenPanel(bPanel, b, k, blockDepth, n, blockColumns);
    FT_RETURN_IF_ERROR(products[productIndex(m, n, k)]->run(aPanel, bPanel, sums, scratchpad));
  }
  return {};
}

void PanelGemm::store(void *d, int64_t m, int64_t n, const float *sums) const {
  const int64_t blockRows = std::min<int64_t>(rows, gemm.m() - m);
  const int64_t blockColumns = std::min<int64_t>(columns, gemm.n() - n);
  const float alpha = static_cast<float>(gemm.alpha());
  const bool add = gemm.beta() == 1;
  team.run(blockRows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t c = 0; c < blockColumns; ++c) {
        const int64_t index = (m + r) * int64_t(gemm.ldd()) + n + c;
        const float sum = alpha * sums[r * blockColumns + c];
        if (gemm.d_type() == plan::F32) {
          float &out = static_cast<float *>(d)[index];
          out = add ? sum + out : sum;
        } else {
          uint16_t &out = static_cast<uint16_t *>(d)[index];
          out = narrow(add ? sum + widen(out, gemm.d_type()) : sum, gemm.d_type());
        }
      }
  });
}

Status PanelGemm::run(const void *a, const void *b, void *d, void *workspace) {
  float *panels = static_cast<float *>(workspace), *sums = panels + rows * depth + depth * columns;
  void *scratchpad = sums + rows * columns;
  auto width = [](plan::DType type) { return type == plan::F32 ? 4 : 2; };
  auto matrix = [&](const void *data, plan::DType type, bool transposed, int64_t pitch, uint64_t element) {
    return Matrix{static_cast<const char *>(data) + element * width(type), type, transposed ? 1 : pitch,
                  transposed ? pitch : 1};
  };
  for (uint64_t index = 0; index < std::max<uint64_t>(1, gemm.batch()); ++index) {
    const Matrix aMatrix = matrix(a, gemm.a_type(), gemm.trans_a(), gemm.lda(), index * gemm.stride_a());
    const Matrix bMatrix = matrix(b, gemm.b_type(), gemm.trans_b(), gemm.ldb(), index * gemm.stride_b());
    char *out = static_cast<char *>(d) + index * gemm.stride_d() * width(gemm.d_type());
    for (int64_t n = 0; n < int64_t(gemm.n()); n += columns)
      for (int64_t m = 0; m < int64_t(gemm.m()); m += rows) {
        FT_RETURN_IF_ERROR(sumBlock(aMatrix, bMatrix, m, n, panels, sums, scratchpad));
        store(out, m, n, sums);
      }
  }
  return {};
}
} // namespace

Expected<std::unique_ptr<PreparedGemm>> ft::rt::makePanelGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                              const Team &team) {
  auto made = std::make_unique<PanelGemm>(gemm, team);
  FT_RETURN_IF_ERROR(made->prepare(context));
  return std::unique_ptr<PreparedGemm>(std::move(made));
}
