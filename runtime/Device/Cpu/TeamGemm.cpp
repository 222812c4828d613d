// GEMM divided over the team by ourselves: members multiply blocks of D by one-thread calls of oneDNN's sgemm
// (bf16: its "gemm:jit"), which takes any pitch. A member that is done with its blocks takes those of another, so that
// one which the machine holds up does not hold up all. On Zen 4 its inner kernel reaches 98 % of the peak where B lies
// row by row, "brg" 95 %, and oneDNN's own division of it leaves members idle (a batch of 3 on 2 threads) or cuts
// columns too finely.
//
// Where B is transposed and D has many rows, a member transposes a panel of B into its share of the workspace first: 2
// to 3 % of the time, against 8 % for the form that reads B as it lies.
#include "runtime/Device/Cpu/Gemm.h"

#include <algorithm>
#include <immintrin.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
// D is cut in multiples of the inner kernel's tile.
constexpr int64_t tileRows = 8, tileColumns = 48;
// Below this many rows of D a transposed panel is not used often enough: read from memory, or (of a batch: small) from
// the cache.
constexpr int64_t panelMinRows = 256, batchPanelMinRows = 64;
// A quarter of a core's level-2 cache; what that is where the machine does not say.
constexpr int64_t usualPanelBytes = 256 << 10;
// A block without panels has at least so many rows: each call of the library packs all of B anew.
constexpr int64_t blockMinRows = 256, blocksEach = 2;

int64_t panelBytes() {
  const long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return cache > 0 ? cache / 4 : usualPanelBytes;
}

int64_t bytes(plan::DType type) { return type == plan::BF16 ? 2 : 4; }

/// Where run `index` of `count` things begins, cut into `runs` of multiples of `unit`.
int64_t beginOf(int64_t count, int64_t unit, int64_t runs, int64_t index) {
  const int64_t units = (count + unit - 1) / unit;
  return std::min(count, units * index / runs * unit);
}

/// target[c][r] = source[r][c] for 8 × 8.
__attribute__((target("avx2"))) void transposeTile(const float *source, int64_t pitch, float *target,
                                                   int64_t targetPitch) {
  __m256 rows[8], pairs[8];
  for (int i = 0; i < 8; ++i)
    rows[i] = _mm256_loadu_ps(source + i * pitch);
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; ++j) {
      rows[i + 2 * j] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], _MM_SHUFFLE(1, 0, 1, 0));
      rows[i + 2 * j + 1] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], _MM_SHUFFLE(3, 2, 3, 2));
    }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(target + i * targetPitch, _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x20));
    _mm256_storeu_ps(target + (i + 4) * targetPitch, _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x31));
  }
}

/// target [columns × rows], dense, = sourceᵀ. The next eight rows are fetched meanwhile: eight short streams at a time
/// teach the processor's own prefetcher nothing.
void transposePanel(const float *source, int64_t pitch, int64_t rows, int64_t columns, float *target) {
  const int64_t wholeRows = rows / 8 * 8, wholeColumns = columns / 8 * 8;
  for (int64_t r = 0; r < rows; r += 8) {
    const bool whole = r < wholeRows;
    for (int64_t c = 0; whole && c < wholeColumns; c += 8) {
      for (int64_t i = 0; c % 16 == 0 && i < 8; ++i)
        __builtin_prefetch(source + (r + 8 + i) * pitch + c);
      transposeTile(source + r * pitch + c, pitch, target + c * rows + r, rows);
    }
    for (int64_t i = r; i < std::min(rows, r + 8); ++i)
      for (int64_t c = whole ? wholeColumns : 0; c < columns; ++c)
        target[c * rows + i] = source[i * pitch + c];
  }
}

class TeamGemm final : public PreparedGemm {
public:
  TeamGemm(const plan::Gemm &gemm, const Team &team) : gemm(gemm), team(team) {}

  Status prepare(const DnnlContext &context);
  Status run(const void *a, const void *b, void *d, void *workspace) override;
  std::string description() const override { return members.front().products.front()->description(); }

private:
  struct Shape {
    int64_t rows, columns;
    bool operator==(const Shape &) const = default;
  };
  struct Block {
    size_t shape;    ///< its index
    int64_t a, b, d; ///< bytes from the operands' first
  };
  struct Member {
    std::vector<std::unique_ptr<PreparedGemm>> products; ///< by shape: each holds the addresses of a call
    Status status;
  };

  bool isF32() const { return gemm.a_type() == plan::F32; }
  void choosePanels();
  void chooseGrid();
  void addBlocks(int64_t row, int64_t rowEnd, int64_t column, int64_t columnEnd);
  size_t shapeOf(Shape shape);
  Expected<std::unique_ptr<PreparedGemm>> productOf(Shape shape, const DnnlContext &context) const;
  Status runBlock(Member &member, const Block &block, const char *a, const char *b, char *d, char *workspace) const;

  const plan::Gemm gemm;
  const Team &team;
  int64_t gridRows = 1, gridColumns = 1;
  int64_t panelColumns = 0;  ///< 0: B is read where it lies
  int64_t partWorkspace = 0; ///< bytes of each member
  std::vector<Shape> shapes;
  std::vector<Block> blocks; ///< those of a member beside each other
  std::vector<Member> members;
};

void TeamGemm::choosePanels() {
  const bool batched = gemm.batch() > 1;
  const int64_t m = gemm.m(), n = gemm.n(), columnBytes = 4 * int64_t(gemm.k());
  if (!isF32() || !gemm.trans_b() || m < (batched ? batchPanelMinRows : panelMinRows))
    return;
  if (!batched && n < 2 * tileColumns * int64_t(team.threads()))
    return;
  const int64_t columns = std::max<int64_t>(1, panelBytes() / columnBytes / tileColumns) * tileColumns;
  if (columns * columnBytes <= partWorkspace)
    panelColumns = std::min(columns, n);
}

/// The division under which the members read the fewest rows of A and columns of B; but of one product, no two members
/// transpose the same panel.
void TeamGemm::chooseGrid() {
  const int64_t threads = team.threads(), rows = std::max<int64_t>(1, gemm.batch()) * int64_t(gemm.m());
  auto cost = [&](int64_t across) { return rows / (threads / across) + int64_t(gemm.n()) / across; };
  gridColumns = panelColumns && gemm.batch() <= 1 ? threads : 1;
  for (int64_t across = 2; !panelColumns && across <= threads; ++across)
    if (threads % across == 0 && across * tileColumns <= int64_t(gemm.n()) && cost(across) < cost(gridColumns))
      gridColumns = across;
  gridRows = threads / gridColumns;
}

size_t TeamGemm::shapeOf(Shape shape) {
  const auto found = std::find(shapes.begin(), shapes.end(), shape);
  if (found != shapes.end())
    return static_cast<size_t>(found - shapes.begin());
  shapes.push_back(shape);
  return shapes.size() - 1;
}

Expected<std::unique_ptr<PreparedGemm>> TeamGemm::productOf(Shape shape, const DnnlContext &context) const {
  plan::Gemm block = gemm;
  block.set_m(shape.rows), block.set_n(shape.columns), block.set_batch(0);
  if (panelColumns)
    block.set_trans_b(false), block.set_ldb(shape.columns);
  block.mutable_workspace()->Clear();
  block.mutable_workspace()->set_row_bytes(partWorkspace);
  return isF32() ? makeDnnlSgemm(block, context) : makeDnnlGemm(block, context, "gemm");
}

/// Rows count through the batch: those of item 0, then those of item 1 …
void TeamGemm::addBlocks(int64_t row, int64_t rowEnd, int64_t column, int64_t columnEnd) {
  const int64_t m = gemm.m(), share = team.threads() > 1 ? (rowEnd - row + blocksEach - 1) / blocksEach : rowEnd - row;
  // A panel is transposed once for all rows of a member.
  const int64_t mostRows = panelColumns ? m : std::max(blockMinRows, (share + tileRows - 1) / tileRows * tileRows);
  for (int64_t end; row < rowEnd; row = end) {
    const int64_t item = row / m, first = row % m;
    end = std::min({rowEnd, (item + 1) * m, row + mostRows});
    for (int64_t c = column, columns; c < columnEnd; c += columns) {
      columns = panelColumns ? std::min(panelColumns, columnEnd - c) : columnEnd - c;
      const int64_t a = item * int64_t(gemm.stride_a()) + first * (gemm.trans_a() ? 1 : int64_t(gemm.lda()));
      const int64_t b = item * int64_t(gemm.stride_b()) + c * (gemm.trans_b() ? int64_t(gemm.ldb()) : 1);
      const int64_t d = item * int64_t(gemm.stride_d()) + first * int64_t(gemm.ldd()) + c;
      blocks.push_back({shapeOf({end - row, columns}), a * bytes(gemm.a_type()), b * bytes(gemm.b_type()),
                        d * bytes(gemm.d_type())});
    }
  }
}

Status TeamGemm::prepare(const DnnlContext &context) {
  partWorkspace = int64_t(workspaceBytes(gemm) / team.threads()) / 64 * 64;
  choosePanels();
  chooseGrid();
  const int64_t rows = std::max<int64_t>(1, gemm.batch()) * int64_t(gemm.m()), columns = gemm.n();
  for (int64_t r = 0; r < gridRows; ++r)
    for (int64_t c = 0; c < gridColumns; ++c)
      addBlocks(beginOf(rows, tileRows, gridRows, r), beginOf(rows, tileRows, gridRows, r + 1),
                beginOf(columns, tileColumns, gridColumns, c), beginOf(columns, tileColumns, gridColumns, c + 1));
  members.resize(std::min<size_t>(team.threads(), blocks.size()));
  for (Member &member : members)
    for (const Shape &shape : shapes) {
      FT_ASSIGN_OR_RETURN(std::unique_ptr<PreparedGemm> product, productOf(shape, context));
      member.products.push_back(std::move(product));
    }
  return {};
}

Status TeamGemm::runBlock(Member &member, const Block &block, const char *a, const char *b, char *d,
                          char *workspace) const {
  const char *columns = b + block.b;
  if (panelColumns) {
    transposePanel(reinterpret_cast<const float *>(columns), gemm.ldb(), shapes[block.shape].columns, gemm.k(),
                   reinterpret_cast<float *>(workspace));
    columns = workspace;
  }
  return member.products[block.shape]->run(a + block.a, columns, d + block.d, workspace);
}

Status TeamGemm::run(const void *a, const void *b, void *d, void *workspace) {
  team.runAs(static_cast<int64_t>(blocks.size()), [&](uint32_t self, int64_t begin, int64_t end) {
    Member &member = members[self];
    char *own = workspace ? static_cast<char *>(workspace) + self * partWorkspace : nullptr;
    for (int64_t i = begin; i < end && member.status.ok(); ++i)
      member.status = runBlock(member, blocks[static_cast<size_t>(i)], static_cast<const char *>(a),
                               static_cast<const char *>(b), static_cast<char *>(d), own);
  });
  for (Member &member : members)
    FT_RETURN_IF_ERROR(std::exchange(member.status, Status()));
  return {};
}
} // namespace

Expected<std::unique_ptr<PreparedGemm>> ft::rt::makeTeamGemm(const plan::Gemm &gemm, const DnnlContext &context,
                                                             const Team &team) {
  auto made = std::make_unique<TeamGemm>(gemm, team);
  FT_RETURN_IF_ERROR(made->prepare(context));
  return std::unique_ptr<PreparedGemm>(std::move(made));
}
