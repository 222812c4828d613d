// GEMM of bf16 as f32 products of our own panels, for processors with AVX-512 whose vectors multiply bf16 more slowly
// than f32 (WidePanels.h has the innermost loops). The team's members take blocks of D. For a block, and 640 of k at a
// time, B's columns are packed into strips once, A's rows in runs that stay in the level-2 cache; sums lie in
// registers, between two parts of k in the workspace. A value's terms are added in an order that depends on k alone, so
// its bits do not depend on pitch, team or where the block is cut.
#include "runtime/Device/Cpu/Gemm.h"
#include "runtime/Device/Cpu/WidePanels.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
using wide::mostDepth;
using wide::rowPitch;
using wide::tileColumns;
using wide::tileRows;

/// Rows of A that are packed at a time: 440 KB, of 1 or 2 MB.
constexpr int64_t packedRows = 12 * tileRows;
/// Below this a block's B is packed for too few rows.
constexpr int64_t leastBlockRows = 12 * tileRows, blocksEach = 2;
constexpr int64_t leastWork = 1 << 20; // operations that are worth another member

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

class WideGemm final : public PreparedGemm {
public:
  WideGemm(const plan::Gemm &gemm, const Team &team) : gemm(gemm), team(team) {}

  Status prepare();
  Status run(const void *a, const void *b, void *d, void *workspace) override;
  std::string description() const override { return "f32 panels by AVX-512"; }

private:
  struct Block {
    int64_t item, row, rows, column, columns;
  };
  /// The columns that a member has packed, in this call.
  struct alignas(64) Member {
    const uint16_t *b;
    int64_t column;
  };
  struct Call {
    const uint16_t *a, *b;
    char *d;
  };

  int64_t aFloats() const { return std::min(packedRows, ceilDivide(mostRows, tileRows) * tileRows) * rowPitch; }
  int64_t bFloats(int64_t columns) const {
    return ceilDivide(columns, tileColumns) * tileColumns * std::min<int64_t>(gemm.k(), mostDepth);
  }
  int64_t sumFloats(int64_t columns) const {
    return int64_t(gemm.k()) > mostDepth ? mostRows * ceilDivide(columns, tileColumns) * tileColumns : 0;
  }
  bool fits(int64_t columns) const { return 4 * (aFloats() + bFloats(columns) + sumFloats(columns)) <= partWorkspace; }
  void chooseBlocks();
  void runBlock(const Block &block, const Call &call, Member &member, float *workspace) const;
  void multiplyRows(const Block &block, int64_t row, int64_t rows, int64_t from, int64_t depth, const Call &call,
                    const float *b, float *workspace) const;

  const plan::Gemm gemm;
  const Team &team;
  int64_t partWorkspace = 0;             ///< bytes of each member
  int64_t mostRows = 0, mostColumns = 0; ///< of a block
  std::vector<Block> blocks;             ///< those of a member beside each other
  std::vector<Member> members;
};

/// Rows are cut before columns where there are many of both: a block of few rows packs B for little, one of few columns
/// A. What is small stays in one piece.
void WideGemm::chooseBlocks() {
  const int64_t items = std::max<int64_t>(1, gemm.batch()), m = gemm.m(), n = gemm.n();
  // Of several parts of k, B is packed for each block anew.
  const int64_t wanted = (int64_t(gemm.k()) > mostDepth ? 1 : blocksEach) * team.threads();
  int64_t across = 1, down = 1;
  while (across * down * items < wanted && 2 * m * n * int64_t(gemm.k()) / (across * down) > leastWork) {
    const int64_t rows = m / down, columns = n / across;
    if (rows >= 2 * leastBlockRows && rows >= columns)
      ++down;
    else if (columns >= 4 * tileColumns)
      ++across;
    else if (rows >= 4 * tileRows)
      ++down;
    else
      break;
  }
  mostRows = std::min(m, ceilDivide(ceilDivide(m, tileRows), down) * tileRows);
  while (!fits(tileColumns) && mostRows > tileRows)
    mostRows = std::max(tileRows, mostRows / 2);
  while (across * tileColumns < n && !fits(ceilDivide(ceilDivide(n, tileColumns), across) * tileColumns))
    ++across;
  mostColumns = std::min(n, ceilDivide(ceilDivide(n, tileColumns), across) * tileColumns);
  // Items of one B lie beside each other, so that a member packs its columns once.
  const int64_t outer = gemm.stride_b() ? items : 1, inner = items / outer;
  for (int64_t group = 0; group < outer; ++group)
    for (int64_t column = 0; column < n; column += mostColumns)
      for (int64_t item = group * inner; item < (group + 1) * inner; ++item)
        for (int64_t row = 0; row < m; row += mostRows)
          blocks.push_back({item, row, std::min(mostRows, m - row), column, std::min(mostColumns, n - column)});
  members.resize(team.threads());
}

Status WideGemm::prepare() {
  partWorkspace = int64_t(workspaceBytes(gemm) / team.threads()) / 64 * 64;
  chooseBlocks();
  if (!fits(mostColumns))
    return cannotRun(fmt::format("{}: panels need {} bytes of workspace for each of {} threads, the plan reserves {} "
                                 "for all; run with fewer --threads or compile for a target file with a larger CPU "
                                 "workspace",
                                 gemmName(gemm), 4 * (aFloats() + bFloats(mostColumns) + sumFloats(mostColumns)),
                                 team.threads(), workspaceBytes(gemm)));
  return {};
}

/// Rows [row, row + rows) of a block, at most packedRows, for a part of k.
void WideGemm::multiplyRows(const Block &block, int64_t row, int64_t rows, int64_t from, int64_t depth,
                            const Call &call, const float *b, float *workspace) const {
  const wide::Operand a{call.a, int64_t(gemm.lda()), !gemm.trans_a()};
  float *panel = workspace, *sums = workspace + aFloats() + bFloats(mostColumns);
  wide::packRows(a, block.row + row, rows, from, depth, panel);
  const bool bf16 = gemm.d_type() == plan::BF16;
  const int64_t tiles = ceilDivide(rows, tileRows), sumsPitch = ceilDivide(mostColumns, tileColumns) * tileColumns;
  for (int64_t c = 0; c < block.columns; c += tileColumns)
    for (int64_t tile = 0; tile < tiles; ++tile) {
      // Tiles of equal heights, as nearly as may be.
      const int64_t begin = rows * tile / tiles, end = rows * (tile + 1) / tiles;
      const int64_t index = (block.row + row + begin) * int64_t(gemm.ldd()) + block.column + c;
      wide::multiplyTile(panel + begin * rowPitch, b + c * depth, end - begin, depth,
                         {sums + (row + begin) * sumsPitch + c, sumsPitch, from == 0, from + depth == int64_t(gemm.k()),
                          call.d + index * (bf16 ? 2 : 4), int64_t(gemm.ldd()), bf16, gemm.beta() == 1,
                          static_cast<float>(gemm.alpha()), std::min(tileColumns, block.columns - c)});
    }
}

void WideGemm::runBlock(const Block &block, const Call &call, Member &member, float *workspace) const {
  const wide::Operand b{call.b, int64_t(gemm.ldb()), gemm.trans_b()};
  float *panel = workspace + aFloats();
  for (int64_t from = 0; from < int64_t(gemm.k()); from += mostDepth) {
    const int64_t depth = std::min<int64_t>(mostDepth, gemm.k() - from);
    if (depth < int64_t(gemm.k()) || member.b != call.b || member.column != block.column)
      wide::packColumns(b, block.column, block.columns, from, depth, panel);
    member = {call.b, block.column};
    for (int64_t row = 0; row < block.rows; row += packedRows)
      multiplyRows(block, row, std::min(packedRows, block.rows - row), from, depth, call, panel, workspace);
  }
}

Status WideGemm::run(const void *a, const void *b, void *d, void *workspace) {
  std::fill(members.begin(), members.end(), Member{nullptr, 0});
  team.runAs(static_cast<int64_t>(blocks.size()), [&](uint32_t self, int64_t begin, int64_t end) {
    auto *own = reinterpret_cast<float *>(static_cast<char *>(workspace) + self * partWorkspace);
    for (int64_t i = begin; i < end; ++i) {
      const Block &block = blocks[static_cast<size_t>(i)];
      const uint64_t item = static_cast<uint64_t>(block.item);
      runBlock(block,
               {static_cast<const uint16_t *>(a) + item * gemm.stride_a(),
                static_cast<const uint16_t *>(b) + item * gemm.stride_b(),
                static_cast<char *>(d) + item * gemm.stride_d() * (gemm.d_type() == plan::BF16 ? 2 : 4)},
               members[self], own);
    }
  });
  return {};
}
} // namespace

Expected<std::unique_ptr<PreparedGemm>> ft::rt::makeWideGemm(const plan::Gemm &gemm, const Team &team) {
  auto made = std::make_unique<WideGemm>(gemm, team);
  FT_RETURN_IF_ERROR(made->prepare());
  return std::unique_ptr<PreparedGemm>(std::move(made));
}
