// The sharding algebra: how a value lies on a mesh, how operations carry that along, and what it costs to change it.
//
// States. Over one mesh axis a value is, after OneFlow's SBP (https://arxiv.org/abs/2110.15032),
//   S(d)  split: rank i holds part i of dimension d, all parts of one size;
//   B     broadcast: every rank holds the same whole value;
//   P     partial: every rank holds a value of the whole shape, and the value is their reduction (sum; norm2, the root
//         of the sum of squares, for norms).
// Over several axes it has one state per axis. #dist.sharding writes them per dimension, axes major to minor. A fourth
// state is not of the algebra but of the input: "own", tables that the host makes for the share of the batch that a
// rank holds (document offsets, positions sorted by token id). They are no slice of a global table, so nothing below
// applies to them: an operation reads them as they are, beside tokens that are split over the same axes.
//
// Carrying along (dist-propagate, forward, one pass). An operation's rule (FactorRule.h) gives each dimension a letter.
// Over one axis at most one letter is split: the first, in the rule's order, that an operand has split over it. Then
//   an operand with that letter must be S of its dimension, one without it B;
//   a result with it is S, a result without it is P if the letter is summed, else B.
// So the gradient of a weight, dW[n, k] = the sum over t of dY[t, n] X[t, k], is P where tokens are split. P stays
// until a user needs otherwise: only sums of values (ft.add, the `accumulate` operand of a gradient) take P for P,
// since reducing a sum is summing reductions; products, norms and casts get their operands reduced first. An operation
// that makes a P and should add it to a value that is not P is split into itself and an ft.add behind the reduction.
//
// Changing (boxing; bytes per rank for a value of b bytes on n ranks, ring algorithms):
//   from    to      how                                                bytes moved
//   P       B       all_reduce                                         2 b (n - 1) / n
//   P       S(d)    reduce_scatter along d                             b (n - 1) / n
//   S(d)    B       all_gather along d                                 b (n - 1) / n
//   B       S(d)    slice                                              0
//   S(d)    S(e)    all_gather along d, slice of e                     b (n - 1) / n   (an all_to_all would move b / n)
//   B, S    P       refused: no operation asks for it
//   own     other   refused: there is no global table
// Over several axes: reductions first (they shrink what follows), then gathers, then slices. Of the axes on one
// dimension only the last can be gathered, so all behind the first difference are. P over a norm2 is all-reduced.
//
// Over an axis of one rank all states are the same value. Collectives over such axes are made like all others, and
// dist-remove-trivial deletes them: one rank goes through the same passes.
//
// The loss. N, the targets of a step, counts those of all micro-batches and all ranks; the host knows it before the
// first micro-batch and sends 1/N as scalars[INVERSE_TARGETS], the same on every rank. Each row's weight is 1/N, so a
// rank's loss is a part of the whole and not a mean: loss and gradients are P(sum), never averaged. All scalars are B
// but FIRST_POSITION, which the host sets to the first token of the rank's rows: dropout then draws the mask that one
// rank would have drawn for them.
#pragma once

#include "dialects/Dist/Dist.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// One collective on the way from one sharding to another.
struct BoxingStep {
  enum class Kind { AllReduce, ReduceScatter, AllGather, Slice } kind;
  int64_t dim;                              ///< of all but AllReduce
  llvm::SmallVector<mlir::StringAttr> axes; ///< major to minor
  dist::Reduction reduction = dist::Reduction::Sum;
};

/// The steps from `from` to `to` by the table above; an error at `loc` where it refuses. Steps over axes of one rank
/// are among them, but such an axis is never refused.
mlir::FailureOr<llvm::SmallVector<BoxingStep>> box(mlir::Location loc, dist::ShardingAttr from, dist::ShardingAttr to,
                                                   dist::MeshOp mesh);

/// One rank's part of `type`, whose split dimensions the axes must divide.
mlir::RankedTensorType localType(mlir::RankedTensorType type, dist::ShardingAttr sharding, dist::MeshOp mesh);

/// The module's mesh, or null.
dist::MeshOp findMesh(mlir::ModuleOp module);

} // namespace ft
