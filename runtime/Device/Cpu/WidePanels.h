// Panels of operands in bf16, widened to f32, and their product by AVX-512: the innermost loops of WideGemm.
#pragma once

#include <cstdint>

namespace ft::rt::wide {

/// A tile of D that lives in registers: rows at most, and columns.
constexpr int64_t tileRows = 14, tileColumns = 32;
/// Elements of k that a panel holds at most, and floats from one row of an A panel to the next: rows begin in other
/// sets of the cache.
constexpr int64_t mostDepth = 640, rowPitch = mostDepth + 16;

/// An operand as it lies: element (i, k) at data[i · pitch + k], or at data[k · pitch + i] where i runs fastest.
struct Operand {
  const uint16_t *data;
  int64_t pitch; ///< elements
  bool depthFastest;
};

/// panel[r · rowPitch + k] = element (first + r, from + k), for `rows` rows and `depth` at most mostDepth.
void packRows(const Operand &a, int64_t first, int64_t rows, int64_t from, int64_t depth, float *panel);

/// Strips of tileColumns columns, each [depth][tileColumns]; columns behind the last are zeros.
void packColumns(const Operand &b, int64_t first, int64_t columns, int64_t from, int64_t depth, float *panel);

/// Where a tile's sums come from and go to.
struct Target {
  float *sums;       ///< not read where `first`, not written where `last`; tileColumns of each row
  int64_t sumsPitch; ///< floats
  bool first, last;  ///< part of k
  void *d;           ///< written where `last`
  int64_t pitch;     ///< elements of d
  bool bf16, add;    ///< the type of d; whether to add to it
  float alpha;       ///< before the addition
  int64_t columns;   ///< of this tile, at most tileColumns
};

/// One tile: `rows` rows (1 to tileRows) of an A panel times a strip of a B panel.
void multiplyTile(const float *a, const float *b, int64_t rows, int64_t depth, const Target &target);

} // namespace ft::rt::wide
