// Products of E4M3 codes. A member of the team has a part of D's rows or columns for itself and widens what it reads:
// of B a panel of columns at a time, once where all of k fits beside it, of A a panel of rows for each of these. A code
// is one access to a table of 512 bytes; with 192 columns a panel that is some percent of the multiplying.
#include "runtime/Device/Cpu/Gemm.h"
#include "runtime/Plan/Fp8.h"

#include <algorithm>
#include <array>
#include <bit>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr int64_t mostRows = 128, mostColumns = 192, leastDepth = 64, leastSide = 24, lineBytes = 64;

uint16_t upperHalf(float value) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16); }

/// Round to nearest, ties to even; a NaN stays one.
uint16_t narrow(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u)
    return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// The values of all codes: 4 bits of significand fit bf16 as well.
template <typename Element> std::array<Element, 256> tableOf() {
  std::array<Element, 256> table;
  for (int code = 0; code < 256; ++code)
    if constexpr (sizeof(Element) == 4)
      table[code] = plan::e4m3Value(static_cast<uint8_t>(code));
    else
      table[code] = upperHalf(plan::e4m3Value(static_cast<uint8_t>(code)));
  return table;
}

template <typename Element>
void widenPanel(const uint8_t *codes, int64_t pitch, int64_t rows, int64_t columns, Element *panel) {
  static const std::array<Element, 256> table = tableOf<Element>();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      panel[r * columns + c] = table[codes[r * pitch + c]];
}

class CodeGemm final : public PreparedGemm {
public:
  CodeGemm(const plan::Gemm &gemm, const Team &team, bool bf16) : gemm(gemm), team(team), width(bf16 ? 2 : 4) {}

  Status prepare(const DnnlContext &context);
  Status run(const void *, const void *, void *, void *) override {
    return failed(gemmName(gemm) + " was enqueued without its scales");
  }
  Status runScaled(const GemmAddresses &addresses) override;
  std::string description() const override {
    return fmt::format("codes in {} panels of {}x{}x{} by {}", width == 2 ? "bf16" : "f32", rows, columns, depth,
                       parts.front().products.front().gemm->description());
  }

private:
  /// A product of panels of these sizes, for one member: it holds the addresses of the call.
  struct Product {
    int64_t rows, columns, depth;
    bool adds;
    std::unique_ptr<PreparedGemm> gemm;
  };
  struct Part {
    int64_t row, rowEnd, column, columnEnd; ///< of D
    std::vector<Product> products;
    Status status;
  };

  int64_t panelBytes() const { return width * depth * (rows + columns) + 4 * rows * columns + 3 * lineBytes; }
  Status chooseSizes();
  void divide();
  Status addProducts(Part &part, const DnnlContext &context);
  Status runPart(Part &part, const GemmAddresses &addresses, char *workspace) const;
  void widen(const void *codes, int64_t pitch, int64_t row, int64_t rowCount, int64_t k, int64_t kCount,
             char *panel) const;
  void store(const GemmAddresses &addresses, int64_t row, int64_t rowCount, int64_t column, int64_t columnCount,
             const float *sums) const;

  const plan::Gemm gemm;
  const Team &team;
  const int64_t width; ///< bytes of an element of a panel
  int64_t rows = 0, columns = 0, depth = 0, partWorkspace = 0;
  std::vector<Part> parts;
};

Status CodeGemm::chooseSizes() {
  partWorkspace = int64_t(workspaceBytes(gemm) / team.threads()) / lineBytes * lineBytes;
  rows = std::min<int64_t>(gemm.m(), mostRows);
  columns = std::min<int64_t>(gemm.n(), mostColumns);
  depth = gemm.k();
  // Half is left to the library, which copies what it multiplies.
  while (panelBytes() > partWorkspace / 2 && (depth > leastDepth || std::max(rows, columns) > leastSide)) {
    if (depth > leastDepth)
      depth = std::max<int64_t>(leastDepth, (depth / 2 + 15) / 16 * 16);
    else
      (columns >= rows ? columns : rows) /= 2;
  }
  if (panelBytes() <= partWorkspace / 2)
    return {};
  return cannotRun(
      fmt::format("{}: panels of codes need {} bytes of workspace for each of {} threads, the plan reserves "
                  "{} for all; run with fewer --threads or compile for a target file with a larger CPU "
                  "workspace",
                  gemmName(gemm), 2 * panelBytes(), team.threads(), workspaceBytes(gemm)));
}

void CodeGemm::divide() {
  const int64_t threads = team.threads(), m = gemm.m(), n = gemm.n();
  const bool byColumns = n >= 48 * threads;
  auto bound = [&](int64_t size, int64_t index, int64_t unit) {
    const int64_t units = (size + unit - 1) / unit;
    return std::min(size, units * index / threads * unit);
  };
  for (int64_t i = 0; i < threads; ++i) {
    Part part{0, m, 0, n, {}, {}};
    if (byColumns)
      part.column = bound(n, i, 16), part.columnEnd = bound(n, i + 1, 16);
    else
      part.row = bound(m, i, 8), part.rowEnd = bound(m, i + 1, 8);
    if (part.row < part.rowEnd && part.column < part.columnEnd)
      parts.push_back(std::move(part));
  }
}

/// Of whole panels and of what is left at each end, the first of k and those behind it.
Status CodeGemm::addProducts(Part &part, const DnnlContext &context) {
  for (int64_t c = part.column; c < part.columnEnd; c += columns)
    for (int64_t r = part.row; r < part.rowEnd; r += rows)
      for (int64_t k = 0; k < int64_t(gemm.k()); k += depth) {
        Product product{std::min(rows, part.rowEnd - r), std::min(columns, part.columnEnd - c),
                        std::min<int64_t>(depth, gemm.k() - k), k > 0, nullptr};
        if (std::any_of(part.products.begin(), part.products.end(), [&](const Product &p) {
              return p.rows == product.rows && p.columns == product.columns && p.depth == product.depth &&
                     p.adds == product.adds;
            }))
          continue;
        plan::Gemm block;
        block.set_m(product.rows), block.set_n(product.columns), block.set_k(product.depth);
        block.set_lda(product.depth), block.set_ldb(product.depth), block.set_ldd(product.columns);
        block.set_trans_b(true);
        const plan::DType type = width == 2 ? plan::BF16 : plan::F32;
        block.set_a_type(type), block.set_b_type(type), block.set_d_type(plan::F32), block.set_compute_type(plan::F32);
        block.set_alpha(1), block.set_beta(product.adds ? 1 : 0);
        block.mutable_workspace()->set_row_bytes(partWorkspace - panelBytes());
        if (width == 2) {
          FT_ASSIGN_OR_RETURN(product.gemm, makeDnnlGemm(block, context, "gemm"));
        } else {
          product.gemm = makeDnnlSgemm(block, context);
        }
        part.products.push_back(std::move(product));
      }
  return {};
}

Status CodeGemm::prepare(const DnnlContext &context) {
  FT_RETURN_IF_ERROR(chooseSizes());
  divide();
  for (Part &part : parts)
    FT_RETURN_IF_ERROR(addProducts(part, context));
  return {};
}

void CodeGemm::widen(const void *codes, int64_t pitch, int64_t row, int64_t rowCount, int64_t k, int64_t kCount,
                     char *panel) const {
  const uint8_t *from = static_cast<const uint8_t *>(codes) + row * pitch + k;
  if (width == 2)
    widenPanel(from, pitch, rowCount, kCount, reinterpret_cast<uint16_t *>(panel));
  else
    widenPanel(from, pitch, rowCount, kCount, reinterpret_cast<float *>(panel));
}

void CodeGemm::store(const GemmAddresses &addresses, int64_t row, int64_t rowCount, int64_t column, int64_t columnCount,
                     const float *sums) const {
  const float *ofRow = static_cast<const float *>(addresses.scaleA) + row;
  const float *ofColumn = static_cast<const float *>(addresses.scaleB) + column;
  for (int64_t r = 0; r < rowCount; ++r)
    for (int64_t c = 0; c < columnCount; ++c) {
      const int64_t index = (row + r) * int64_t(gemm.ldd()) + column + c;
      const float sum = ofRow[r] * (ofColumn[c] * sums[r * columnCount + c]);
      if (gemm.d_type() == plan::F32)
        static_cast<float *>(addresses.d)[index] = sum;
      else
        static_cast<uint16_t *>(addresses.d)[index] = narrow(sum);
    }
}

Status CodeGemm::runPart(Part &part, const GemmAddresses &addresses, char *workspace) const {
  auto aligned = [](int64_t bytes) { return (bytes + lineBytes - 1) / lineBytes * lineBytes; };
  char *aPanel = workspace, *bPanel = aPanel + aligned(width * rows * depth);
  auto *sums = reinterpret_cast<float *>(bPanel + aligned(width * columns * depth));
  char *scratch = reinterpret_cast<char *>(sums) + aligned(4 * rows * columns);
  const int64_t k = gemm.k();
  for (int64_t c = part.column; c < part.columnEnd; c += columns)
    for (int64_t r = part.row; r < part.rowEnd; r += rows) {
      const int64_t rowCount = std::min(rows, part.rowEnd - r), columnCount = std::min(columns, part.columnEnd - c);
      for (int64_t from = 0; from < k; from += depth) {
        const int64_t depthCount = std::min(depth, k - from);
        if (depth < k || r == part.row)
          widen(addresses.b, gemm.ldb(), c, columnCount, from, depthCount, bPanel);
        widen(addresses.a, gemm.lda(), r, rowCount, from, depthCount, aPanel);
        for (const Product &product : part.products)
          if (product.rows == rowCount && product.columns == columnCount && product.depth == depthCount &&
              product.adds == (from > 0)) {
            FT_RETURN_IF_ERROR(product.gemm->run(aPanel, bPanel, sums, scratch));
            break;
          }
      }
      store(addresses, r, rowCount, c, columnCount, sums);
    }
  return {};
}

Status CodeGemm::runScaled(const GemmAddresses &addresses) {
  team.run(static_cast<int64_t>(parts.size()), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      parts[i].status = runPart(parts[i], addresses, static_cast<char *>(addresses.workspace) + i * partWorkspace);
  });
  for (Part &part : parts)
    FT_RETURN_IF_ERROR(std::move(part.status));
  return {};
}
} // namespace

Expected<std::unique_ptr<PreparedGemm>> ft::rt::makeCodeGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                             const Team &team, bool bf16) {
  if (bf16) {
    auto made = std::make_unique<CodeGemm>(gemm, team, true);
    if (made->prepare(context).ok())
      return std::unique_ptr<PreparedGemm>(std::move(made));
  }
  auto made = std::make_unique<CodeGemm>(gemm, team, false);
  FT_RETURN_IF_ERROR(made->prepare(context));
  return std::unique_ptr<PreparedGemm>(std::move(made));
}
