// Causal attention over documents, forward and backward, in double precision on the host.
#pragma once

#include <cstdint>
#include <vector>

namespace ft::rt {

struct Document {
  uint64_t start = 0, length = 0; ///< tokens
};

/// Tensors are [tokens, heads, headDim] without gaps; `k`, `v`, `dK`, `dV` have kvHeads. `lse` is [tokens, heads].
struct AttentionProblem {
  uint64_t tokens = 0, heads = 0, kvHeads = 0, headDim = 0;
  double scale = 1;
  std::vector<Document> documents;
  std::vector<float> q, k, v, dO;
};

/// Zero outside the documents.
struct AttentionSolution {
  std::vector<double> o, lse, dQ, dK, dV;
};

/// O(Σ length² · heads · headDim), spread over the machine's threads.
AttentionSolution solveAttention(const AttentionProblem &problem);

} // namespace ft::rt
