// Row programs of composite operations, which Planning instantiates between GEMMs and at the ends of a step. Each
// function builds one kernel.func at the builder's insertion point; arguments in the order of its comment. `statistic`
// of a type is its compute type: f64 for f64, else f32. Descriptions compare equal by all of their fields: with its
// arguments a program is known (compiler/Planning/KernelPool.h).
#pragma once

#include "compiler/Fusion/RowProgram.h"

namespace ft {

//===-- loss -----------------------------------------------------------------------------------------------------===//

/// One chunk of the head's logits. Arguments: logits (in place dlogits if `gradient`, else only read), labels
/// i32[rows], scalars f64[8], nll statistic[rows] (written: −log p of the label, unweighted, 0 where the label is
/// −100), and where `scaled`, loss_scale f64[5]. dlogits = (p − onehot) · scalars[INVERSE_TARGETS] (· the scale), rows
/// without a label exactly zero. One item a row.
RowProgram buildHeadLoss(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &logits, bool gradient,
                         bool scaled = false);

/// loss f64[1] = sum(nll) · scalars[INVERSE_TARGETS], one item, summed in f64 in a fixed order. Arguments: nll
/// statistic[tokens], scalars f64[8], loss f64[1].
RowProgram buildLossSum(mlir::OpBuilder &builder, mlir::StringRef name, int64_t tokens, mlir::Type statistic);

//===-- tiled attention ------------------------------------------------------------------------------------------===//

/// A tile of scores: `heads` matrices of rows × keys elements. Row r of the tile is the query at index
/// base[0] + r of its sequence; column c is the key at index c of the same sequence.
struct AttentionTile {
  mlir::Type type;   ///< of scores and of dP
  int64_t heads = 0; ///< matrices in the tile, heads h0 .. h0 + heads − 1 of the model
  int64_t rows = 0;
  int64_t keys = 0;
  int64_t pitch = 0;          ///< elements between rows
  int64_t headPitch = 0;      ///< elements between matrices
  int64_t statisticPitch = 0; ///< elements between tokens in lse and delta: the model's heads
  int64_t window = 0;         ///< keys that a query sees, itself among them; 0: all of its document
  mlir::Type resultType = {}; ///< of matrices of their own for what the programs compute, rounded; null: in place
  int64_t resultPitch = 0, resultHeadPitch = 0;

  bool operator==(const AttentionTile &) const = default;
};

/// Scores (already scaled) to probabilities, under the causal mask and inside the query's document; masked columns
/// become exactly zero. Arguments: scores [heads, rows, keys], document_start i32[rows] from the tile's first token on,
/// base i32[1], lse statistic[rows, heads] from (first token, h0) on (written), and where not in place the
/// probabilities. One item a row.
RowProgram buildAttentionSoftmax(mlir::OpBuilder &builder, mlir::StringRef name, const AttentionTile &tile);

/// Recomputed scores and dP = dO · Vᵀ to P and dS = P ∘ (dP − delta) · scale; masked columns exactly zero. Arguments:
/// scores, dP, document_start, base, lse (read), delta statistic[rows, heads], laid out as lse, and where not in place
/// P and dS.
RowProgram buildAttentionSoftmaxBackward(mlir::OpBuilder &builder, mlir::StringRef name, const AttentionTile &tile,
                                         double scale);

/// delta[token, head] = Σ dO · O over the head's columns. `gradient` and `output` describe [tokens, heads · headDim].
/// Arguments: dO, O, delta statistic[tokens, heads] (dense). One item a token and head.
RowProgram buildAttentionDelta(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &gradient,
                               const MatrixLayout &output, int64_t headDim);

//===-- embedding ------------------------------------------------------------------------------------------------===//

/// Row ids[s] of `table` becomes (accumulate: gains) the sum of rows positions[starts[s]] .. positions[starts[s + 1] −
/// 1] of `gradient`, in that order. Empty segments write nothing, so without `accumulate` the table is cleared first.
/// Arguments: gradient, positions i32[tokens], starts i32[segments + 1], ids i32[segments], table (ReadWrite).
RowProgram buildEmbeddingGrad(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &gradient,
                              const MatrixLayout &table, int64_t segments, bool accumulate);

/// One row of `matrix`, converted to `resultType`. Arguments: matrix, index i32[1], result [columns].
RowProgram buildGatherRow(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &matrix,
                          mlir::Type resultType);

//===-- update ---------------------------------------------------------------------------------------------------===//

/// Length of a row of a flat bucket in the programs below, where Planning has no reason for another.
constexpr int64_t bucketRow = 1024;
/// Partial sums of a bucket's norm: enough items for every target, few enough for one item to add them up.
constexpr int64_t bucketPartials = 1024;

/// Sums of squares of a flat bucket of rows × length elements (padding zero): item i sums a run of rows, in order.
/// At most `maxItems` items; `items` of the result is the number of partials. Arguments: gradient [rows, length],
/// partials statistic[items].
RowProgram buildSumOfSquares(mlir::OpBuilder &builder, mlir::StringRef name, mlir::Type gradient, int64_t rows,
                             int64_t length, int64_t maxItems = bucketPartials);

/// norm f64[1] = sqrt of the sum of all partials, in f64 and in a fixed order. Arguments: partials statistic[count],
/// norm f64[1].
RowProgram buildNorm(mlir::OpBuilder &builder, mlir::StringRef name, mlir::Type statistic, int64_t count);

/// A flat bucket and the types of what lies in it; `copy` null: no working copy. `remainder` not null: the parameter is
/// an f32 in two halves, the bf16 `param` and that. `copyTiesAway`: as buildTiesAway. `rounds`: what is stored as bf16
/// is rounded stochastically (Rounding.h). `scaled`: gradients are multiplied by the inverse of their scale first.
struct BucketLayout {
  int64_t rows = 0;
  int64_t length = bucketRow;
  mlir::Type param, grad, expAvg, expAvgSq, copy, remainder;
  bool rounds = false, scaled = false, copyTiesAway = false;

  bool operator==(const BucketLayout &) const = default;
};

/// PyTorch's AdamW with clipping (maxNorm 0: none); once status[0] != 0 writes nothing, if scaled the unchanged copy.
/// Moments of i8 are codes; `length` is then momentBlock, and each has a scale for each row.
/// Arguments: param, grad, exp_avg, exp_avg_sq, remainder i16, scales f32[rows] of exp_avg and of exp_avg_sq, copy
/// (each if any), norm f64[1], status i32[4], scalars f64[8], inverse scale f64[1] (if scaled); if it rounds, key
/// i64[1] and first row i64[1].
struct AdamwOptions {
  double beta1, beta2, epsilon, weightDecay, maxNorm;

  bool operator==(const AdamwOptions &) const = default;
};
RowProgram buildAdamw(mlir::OpBuilder &builder, mlir::StringRef name, const BucketLayout &bucket,
                      const AdamwOptions &options);

/// Lion, as its authors compute it: param · (1 − lr · weightDecay) − lr · sign(c), where c is β1 · exp_avg + (1 − β1) ·
/// g. Arguments: as buildAdamw's, without what is of exp_avg_sq, whose type in the bucket is null.
struct LionOptions {
  double beta1, beta2, weightDecay, maxNorm;

  bool operator==(const LionOptions &) const = default;
};
RowProgram buildLion(mlir::OpBuilder &builder, mlir::StringRef name, const BucketLayout &bucket,
                     const LionOptions &options);

/// PyTorch's SGD; `expAvg` of the bucket is the type of the momentum buffer, null without one (it starts at zero, so
/// that the first step makes it the first gradient). Arguments: param, grad, buffer (if any), copy (if any), norm and
/// on as buildAdamw's.
struct SgdOptions {
  double momentum, weightDecay, maxNorm;

  bool operator==(const SgdOptions &) const = default;
};
RowProgram buildSgd(mlir::OpBuilder &builder, mlir::StringRef name, const BucketLayout &bucket,
                    const SgdOptions &options);

/// status = {1, step, micro-batch, cause} if the value is not finite and the flag is not yet set. Arguments: value
/// f64[1], status i32[4], scalars f64[8]. One item.
RowProgram buildCheckFinite(mlir::OpBuilder &builder, mlir::StringRef name, int32_t cause);

/// A step of dynamic loss scaling (ft.adjust_scale). Arguments: norm f64[1], loss_scale f64[5] (in place), status
/// i32[4], scalars f64[8]; written: true_norm f64[1], inverse f64[1], update_status i32[4], update_scalars f64[8]. One
/// item.
struct LossScaleOptions {
  double growth, backoff;
  int64_t interval;
  double beta1, beta2;

  bool operator==(const LossScaleOptions &) const = default;
};
RowProgram buildAdjustScale(mlir::OpBuilder &builder, mlir::StringRef name, const LossScaleOptions &options);

/// result = lhs + rhs, f64[1] each. Arguments: lhs, rhs, result; `inPlace`: lhs (ReadWrite), rhs.
RowProgram buildAddScalar(mlir::OpBuilder &builder, mlir::StringRef name, bool inPlace);

//===-- moving ---------------------------------------------------------------------------------------------------===//

/// Every element = value. Argument: matrix.
RowProgram buildFill(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &matrix, double value);

/// `count` equal matrices; the pitches are elements from one to the next.
struct MatrixBatch {
  int64_t count = 1, sourcePitch = 0, targetPitch = 0;

  bool operator==(const MatrixBatch &) const = default;
};

/// target = source, of f32, in bf16: to nearest, ties away from zero. Arguments: source, target. One item a row.
RowProgram buildTiesAway(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &source,
                         const MatrixLayout &target);

/// target = source, converted, round to nearest even. Arguments: source, target. One item a row of each matrix.
RowProgram buildCopy(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &source,
                     const MatrixLayout &target, const MatrixBatch &batch = {});

/// sum = lhs + rhs, rounded once. Arguments: lhs, rhs, sum; `inPlace` (then sum has lhs' layout): lhs (ReadWrite), rhs.
RowProgram buildAdd(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &lhs, const MatrixLayout &rhs,
                    const MatrixLayout &sum, bool inPlace);

/// A matrix in NF4: its elements in order, in blocks of 64 (plan.proto, Quantization).
struct QuantizedMatrix {
  int64_t elements = 0;
  bool doubleQuant = false;

  bool operator==(const QuantizedMatrix &) const = default;
};

/// target = value[code] · scale in f32, converted. The target's rows are whole blocks, and hold all of them in order.
/// Arguments: codes i8 [blocks, 32], scales f32 [blocks]; or, with `doubleQuant`, scales i8 [blocks], scales of scales
/// f32 [blocks / 256], values f32 [256], mean f32 [1]; then the target. One item a block.
RowProgram buildDequantize(mlir::OpBuilder &builder, mlir::StringRef name, const QuantizedMatrix &matrix,
                           const MatrixLayout &target);

/// target = code · scale of the row in f32, converted. Arguments: E4M3 codes, scales f32 [rows], target. One item a
/// row.
RowProgram buildDequantizeRows(mlir::OpBuilder &builder, mlir::StringRef name, const MatrixLayout &codes,
                               const MatrixLayout &target);

//===-- ranks ----------------------------------------------------------------------------------------------------===//

/// One member's share of a run that lies at the same place on `members` ranks: rows × length elements.
struct RankShare {
  static constexpr int64_t apart = -1;

  mlir::Type type;
  int64_t members = 0;
  int64_t own = 0; ///< the member whose share the reduction takes the place of, or `apart`
  int64_t rows = 0, length = 0;
  bool norm = false; ///< the root of the sum of squares, else the sum

  bool operator==(const RankShare &) const = default;
};

/// The reduction over ranks, in the order of members, rounded once. Arguments: the share on each member, by member
/// number; then, where that lies apart, what it is written to. One item a row.
RowProgram buildRankSum(mlir::OpBuilder &builder, mlir::StringRef name, const RankShare &share);

} // namespace ft
