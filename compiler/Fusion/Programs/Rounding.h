// Stochastic rounding of what an update stores in bf16: up with the probability of what is cut off, so that a moment or
// a weight moves on the average by what it should, however little that is.
#pragma once

#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include <array>

namespace ft {

/// `row`, f32, in bf16: to nearest, ties away from zero, NaN quiet.
mlir::Value roundTiesAway(RowBuilder &b, mlir::Value row);
/// An f32 in two halves: the bf16 that roundTiesAway makes, and the i16 that its bits are more than that one's.
struct Halves {
  mlir::Value rounded, remainder;
};
Halves splitInHalves(RowBuilder &b, mlir::Value row);
mlir::Value joinHalves(RowBuilder &b, const Halves &halves);

/// Lanes of a row of a bucket (bucketRow) at this distance share a draw of Philox.
constexpr int64_t roundingPieces = 2, roundingPiece = bucketRow / roundingPieces;

/// What of an element is rounded: each takes bits of its own.
enum class Rounded { ExpAvg, ExpAvgSq, Param };

/// The random bits of one row: of the element in lane l of the row number r among all rows of trained parameters, at
/// step t, those of Philox with the key of stream "rounding" and the counter (t, r, l mod 512, 0). Of word l / 512 the
/// low half is for exp_avg and the high one for exp_avg_sq; of word 2 half l / 512, counted from the low one, is for
/// the parameter. More lanes to a draw would be more words than a thread of a GPU has registers for.
class RoundingBits {
public:
  /// `key`: i64[1]. `firstRow`: i64[1], the number of item 0's row. `scalars`: plan.proto, Scalar.
  /// An item is a row, or `length` lanes of one, where that divides roundingPiece.
  RoundingBits(ProgramBuilder &p, mlir::Value key, mlir::Value firstRow, mlir::Value scalars, int64_t length);

  /// `row`, f32, of lanes [piece · 512, (piece + 1) · 512) of a whole row, as bf16; of a part of one, which has its
  /// lanes, the parameter alone is rounded. NaN stays NaN, infinity infinite.
  mlir::Value round(mlir::Value row, Rounded what, int64_t piece);

private:
  mlir::Value bits(Rounded what, int64_t piece);

  RowBuilder &b;
  std::array<mlir::Value, 3> words; ///< of lanes [0, 512), or of those of a part of a row
  mlir::Value half;                 ///< of a part: which half of word 2 is its, 0 or 1
};

} // namespace ft
