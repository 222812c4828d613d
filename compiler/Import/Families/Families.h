// What a block of each family is made of. runtime/Config/Families reads the sizes, this says the form; nothing else in
// the compiler knows a family.
#pragma once

#include "compiler/Import/ModelConfig.h"

#include "dialects/Ft/Ft.h"

namespace ft {

/// A norm's key behind "model.layers.N." and "blk.N.", without ".weight". Empty: there is no such norm.
struct NormKeys {
  llvm::StringLiteral key = "", ggufKey = "";
  explicit operator bool() const { return !key.empty(); }
};

/// A Llama, where nothing else is said.
struct Family {
  NormKeys beforeAttention{"input_layernorm", "attn_norm"}, behindAttention = {};
  NormKeys beforeMlp{"post_attention_layernorm", "ffn_norm"}, behindMlp = {};
  bool queryBias = false; ///< q, k and v have biases
  bool queryNorm = false; ///< each head of q and of k is normalised before it is rotated
  double normOffset = 0;  ///< norms multiply by so much more than their weight
  model::Activation activation = model::Activation::Silu;
  bool scalesEmbedding = false; ///< embeddings are multiplied by the root of hidden_size
  bool ggufInterleaves = true;  ///< GGUF files have the halves of heads of q and k interleaved
};

extern const Family gemma3, llama, qwen2, qwen3;

/// The family of a configuration that was read.
const Family &familyOf(const ModelConfig &config);

} // namespace ft
