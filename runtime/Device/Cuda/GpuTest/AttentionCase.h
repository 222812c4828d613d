// One attention on the GPU with its buffers, as plans lay them out: q, k, v interleaved in one buffer, their gradients
// in another.
#pragma once

#include "runtime/Device/Cuda/GpuTest/AttentionReference.h"
#include "runtime/Device/Cuda/GpuTest/GpuFixture.h"

#include <map>
#include <string>

namespace ft::rt {

struct AttentionShape {
  uint64_t batch, sequenceLen, heads, kvHeads, headDim;
  uint64_t documents = 0, documentLen = 0; ///< 0: dense rows
  bool deterministic = false;
  uint64_t qkvPadding = 0, oPadding = 0, gradientPadding = 0; ///< elements behind each token's row

  uint64_t tokens() const { return batch * sequenceLen; }
  uint64_t qkvPitch() const { return (heads + 2 * kvHeads) * headDim + qkvPadding; }
  uint64_t oPitch() const { return heads * headDim + oPadding; }
  uint64_t gradientPitch() const { return (heads + 2 * kvHeads) * headDim + gradientPadding; }
  std::string name() const;
};

/// Reserves the workspace that the compiler reserves, less its margin.
plan::Attention makeAttention(const AttentionShape &shape, plan::Attention::Direction direction);

/// Documents of one batch by a seed; `gaps`: rows end in tokens of no document; `full`: every row is one.
std::vector<Document> makeDocuments(const AttentionShape &shape, uint64_t seed, bool gaps, bool full);

/// Norm-wise errors of one comparison, and whether bytes were written that must not be.
struct AttentionErrors {
  std::map<std::string, double> relative; ///< o, dQ, dK, dV: |got − reference| / |reference|
  double lse = 0;                         ///< largest absolute error
  bool stray = false;                     ///< written outside documents or between rows
  double worst() const;
};

class AttentionGpuTest : public GpuTest {
protected:
  /// The largest norm-wise error accepted: P and dS are rounded to bf16 (2⁻⁹ each, mean 0.17 %), as are the outputs;
  /// twice that with room for dQ's accumulation. A planted 1 % fault exceeds it.
  static constexpr double Tolerance = 0.008;
  static constexpr double LseTolerance = 1e-3;

  /// Allocates and fills the buffers, prepares both directions. False where the plan is refused (with a table row).
  bool open(const AttentionShape &shape, uint64_t seed);
  void setDocuments(const std::vector<Document> &documents);
  /// Poisons outputs and workspaces, so that nothing left over passes for a result.
  void clear();
  void enqueue();
  void enqueue(plan::Attention::Direction direction);
  uint32_t capture();
  AttentionErrors compare();
  std::vector<uint16_t> gradients() { return download(dQkv, shape.tokens() * shape.gradientPitch()); }
  /// True where the bytes behind a workspace are as they were.
  bool guardsHold();

  AttentionShape shape{};
  AttentionProblem problem;
  uint16_t *qkv = nullptr, *o = nullptr, *dO = nullptr, *dQkv = nullptr;
  float *lse = nullptr;
  int32_t *offsets = nullptr, *lens = nullptr;
  std::byte *workspace = nullptr; ///< of the larger direction, with a guard behind
  uint64_t reserves[2] = {};      ///< forward, backward
  uint32_t handles[2] = {};
};

} // namespace ft::rt
