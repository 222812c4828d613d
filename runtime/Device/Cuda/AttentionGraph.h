// plan::Attention as cuDNN graphs: causal attention with grouped heads, dense rows or packed documents.
#pragma once

#include "runtime/Device/Cuda/CudnnGraph.h"
#include "runtime/Plan/plan.pb.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ft::rt {

/// Names of the graph's pointers. The first twelve stand in the order of plan::Attention's operands.
enum class AttentionTensor : int64_t {
  Q = 1,
  K,
  V,
  O,
  Lse,
  DO,
  DQ,
  DK,
  DV,
  DocumentOffsets, ///< not a tensor of the graph: the source of the three scaled ones below
  DocumentLens,
  Workspace,
  QkvOffsets, ///< i32 [max_documents + 1] element offsets: token offset · pitch
  OOffsets,
  LseOffsets,
  KeyLens,
  Scale, ///< host scalars
  MinusInfinity,
  One,
  SoftmaxSum, ///< pieces of the workspace that the graph writes itself
  QueryAccumulator,
  KeyFullHeads,
  ValueFullHeads,
};

/// A part of the workspace operand besides cuDNN's own.
struct WorkspacePiece {
  AttentionTensor tensor;
  uint64_t bytes;
};

/// The graph, the ids that its execution binds, and its own pieces of workspace.
struct AttentionGraph {
  std::unique_ptr<CudnnGraph> graph;
  std::vector<AttentionTensor> bound;
  std::vector<WorkspacePiece> pieces;
};

/// Checks a plan's attention: shapes, pitches, types, and what cuDNN takes at all. BadInput or CannotRun naming the
/// value and what is allowed. `computeCapability` is major · 10 + minor.
Status checkAttention(const plan::Attention &attention, int computeCapability);

/// The graphs. Following cudnn-frontend 1.32's scaled_dot_product_flash_attention.h, whose order of operations
/// cuDNN's pattern matcher expects. Failures are in the graph's status().
AttentionGraph buildAttention(const CudnnApi &api, const plan::Attention &attention, int computeCapability);

/// "attention backward ragged, 32/4 heads of 64, 64 documents of up to 2048 in 8 × 2048 tokens" for messages.
std::string describeAttention(const plan::Attention &attention);

} // namespace ft::rt
