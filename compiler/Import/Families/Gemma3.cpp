#include "compiler/Import/Families/Families.h"

// Norms stand on both sides of attention and of the MLP, and what a Llama calls post_attention_layernorm is behind it.
const ft::Family ft::gemma3{
    .behindAttention = {"post_attention_layernorm", "post_attention_norm"},
    .beforeMlp = {"pre_feedforward_layernorm", "ffn_norm"},
    .behindMlp = {"post_feedforward_layernorm", "post_ffw_norm"},
    .queryNorm = true,
    .normOffset = 1,
    .activation = ft::model::Activation::GeluTanh,
    .scalesEmbedding = true,
    .ggufInterleaves = false,
};
