// Operations that become several steps: attention by tiles, head and loss by chunks, the optimizer by buckets.
#pragma once

#include "compiler/Planning/SegmentEmitter.h"

namespace ft {

mlir::LogicalResult emitAttention(StepEmitter &out, SegmentLayout &values, model::AttentionOp attention);
mlir::LogicalResult emitAttentionBackward(StepEmitter &out, SegmentLayout &values, model::AttentionBwdOp attention);
mlir::LogicalResult emitHeadLoss(StepEmitter &out, SegmentLayout &values, model::HeadLossOp head);
mlir::LogicalResult emitHeadLossGrad(StepEmitter &out, SegmentLayout &values, model::HeadLossGradOp head);
mlir::LogicalResult emitEmbeddingGrad(StepEmitter &out, SegmentLayout &values, model::EmbeddingGradOp grad);
/// All gradients of a segment's grad_norm must be whole buckets.
mlir::LogicalResult emitGradNorm(StepEmitter &out, SegmentLayout &values, const VariableLayout &variables,
                                 model::GradNormOp norm);

/// The per-parameter updates of a segment as one launch per bucket: the first member's operation emits it, the others
/// are covered by it. A cast that refreshes a working copy belongs to its parameter's bucket; the copies at one place
/// of equal borders are one launch behind the last of them.
class UpdateEmitter {
public:
  mlir::LogicalResult emit(StepEmitter &out, SegmentLayout &values, const VariableLayout &variables,
                           mlir::Operation *op);
  /// `copies`: VariableLayout::borderedWith of a variable that the segment writes here.
  void refreshBorder(StepEmitter &out, const VariableLayout &variables, mlir::ArrayRef<model::VariableOp> copies);

private:
  llvm::DenseSet<mlir::Attribute> done;                        ///< parameter buffers that were emitted
  llvm::DenseMap<const model::VariableOp *, size_t> refreshed; ///< by list of copies: how many were written
};

/// The constant table i32[tiles] that tiled attention reads its tile bases from, and its version.
constexpr llvm::StringLiteral tileBases = "attention.tile_bases";

} // namespace ft
