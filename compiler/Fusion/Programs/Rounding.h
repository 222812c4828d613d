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
constexpr int64_t roundingPieces = 4, roundingPiece = bucketRow / roundingPieces;

/// What of an element is rounded: each takes bits of its own, or nearly so.
enum class Rounded { ExpAvg, ExpAvgSq, Param };

/// The random bits of one row: of the element in lane l of the row number r among all rows of trained parameters, at
/// step t, those of Philox with the key of stream "rounding" and the counter (t, r, l mod 256, 0). Of word l / 256 the
/// low half is for exp_avg, the high one for exp_avg_sq, and the 16 bits in the middle for the parameter: its upper
/// byte, which nearly always decides, is the one that decides least for exp_avg_sq.
class RoundingBits {
public:
  /// `key`: i64[1]. `firstRow`: i64[1], the number of item 0's row. `scalars`: plan.proto, Scalar.
  /// An item is `length` lanes: a row, or a piece of one.
  RoundingBits(ProgramBuilder &p, mlir::Value key, mlir::Value firstRow, mlir::Value scalars, int64_t length);

  /// `row`, f32, of lanes [piece · 256, (piece + 1) · 256) of an item, as bf16. NaN stays NaN, infinity infinite.
  mlir::Value round(mlir::Value row, Rounded what, int64_t piece);

private:
  mlir::Value bits(Rounded what, int64_t piece);

  RowBuilder &b;
  std::array<mlir::Value, roundingPieces> words; ///< of lanes [0, 256); the item's own first where it is one piece
};

} // namespace ft
