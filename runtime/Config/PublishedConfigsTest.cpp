// config.json of the models that people start from, field by field as they are published: all are read, and what they
// say is what the family's model needs.
#include "runtime/Config/ModelConfig.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

struct Published {
  const char *name, *family;
  int64_t layers, heads, kvHeads, headDim, vocabulary;
  bool tied;
  double theta;
  int64_t windows; ///< layers that have one
  const char *text;
};

const Published All[] = {
    {"Llama-2-7b", "llama", 32, 32, 32, 128, 32000, false, 1e4, 0, R"({
  "_name_or_path": "meta-llama/Llama-2-7b-hf", "architectures": ["LlamaForCausalLM"], "bos_token_id": 1,
  "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 11008,
  "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 32,
  "num_key_value_heads": 32, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null,
  "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.31.0.dev0", "use_cache": true,
  "vocab_size": 32000})"},
    {"TinyLlama-1.1B-Chat-v1.0", "llama", 22, 32, 4, 64, 32000, false, 1e4, 0, R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "bos_token_id": 1, "eos_token_id": 2,
  "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5632,
  "max_position_embeddings": 2048, "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 22,
  "num_key_value_heads": 4, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": null, "rope_theta": 10000.0,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.35.0", "use_cache": true,
  "vocab_size": 32000})"},
    {"open_llama_3b_v2", "llama", 26, 32, 32, 100, 32000, false, 1e4, 0, R"({
  "architectures": ["LlamaForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
  "hidden_size": 3200, "initializer_range": 0.02, "intermediate_size": 8640, "max_position_embeddings": 2048,
  "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 26, "pad_token_id": 0, "rms_norm_eps": 1e-06,
  "tie_word_embeddings": false, "torch_dtype": "float16", "transformers_version": "4.31.0.dev0", "use_cache": true,
  "vocab_size": 32000})"},
    {"Llama-3.2-1B", "llama", 16, 32, 8, 64, 128256, true, 5e5, 0, R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
  "eos_token_id": [128001, 128008, 128009], "head_dim": 64, "hidden_act": "silu", "hidden_size": 2048,
  "initializer_range": 0.02, "intermediate_size": 8192, "max_position_embeddings": 131072, "mlp_bias": false,
  "model_type": "llama", "num_attention_heads": 32, "num_hidden_layers": 16, "num_key_value_heads": 8,
  "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
  "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "rope_theta": 500000.0,
  "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.45.0.dev0", "use_cache": true,
  "vocab_size": 128256})"},
    {"SmolLM2-135M-Instruct", "llama", 30, 9, 3, 64, 49152, true, 1e5, 0, R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 1,
  "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
  "intermediate_size": 1536, "is_llama_config": true, "max_position_embeddings": 8192, "mlp_bias": false,
  "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
  "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
  "rope_theta": 100000, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
  "transformers_version": "4.42.3", "use_cache": true, "vocab_size": 49152})"},
    {"SmolLM3-3B", "smollm3", 4, 16, 4, 128, 128256, true, 5e6, 0, R"({
  "architectures": ["SmolLM3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 128000,
  "eos_token_id": 128012, "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02,
  "intermediate_size": 11008, "layer_types": ["full_attention", "full_attention", "full_attention", "full_attention"],
  "max_position_embeddings": 65536, "max_window_layers": 28, "mlp_bias": false, "model_type": "smollm3",
  "no_rope_layer_interval": 4, "no_rope_layers": [1, 1, 1, 0], "num_attention_heads": 16, "num_hidden_layers": 4,
  "num_key_value_heads": 4, "pad_token_id": 128004, "pretraining_tp": 2, "rms_norm_eps": 1e-06, "rope_scaling": null,
  "rope_theta": 5000000.0, "sliding_window": null, "torch_dtype": "bfloat16", "transformers_version": "4.54.0.dev0",
  "use_cache": false, "use_sliding_window": false, "vocab_size": 128256})"},
    {"Mistral-7B-v0.1", "mistral", 32, 32, 8, 128, 32000, false, 1e4, 32, R"({
  "architectures": ["MistralForCausalLM"], "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu",
  "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336, "max_position_embeddings": 32768,
  "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8,
  "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "sliding_window": 4096, "tie_word_embeddings": false,
  "torch_dtype": "bfloat16", "transformers_version": "4.34.0.dev0", "use_cache": true, "vocab_size": 32000})"},
    {"Mistral-7B-v0.3", "mistral", 32, 32, 8, 128, 32768, false, 1e6, 0, R"({
  "architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
  "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 14336,
  "max_position_embeddings": 32768, "model_type": "mistral", "num_attention_heads": 32, "num_hidden_layers": 32,
  "num_key_value_heads": 8, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0", "use_cache": true,
  "vocab_size": 32768})"},
    {"Qwen2.5-7B", "qwen2", 28, 28, 4, 128, 152064, false, 1e6, 0, R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151643,
  "hidden_act": "silu", "hidden_size": 3584, "initializer_range": 0.02, "intermediate_size": 18944,
  "max_position_embeddings": 131072, "max_window_layers": 28, "model_type": "qwen2", "num_attention_heads": 28,
  "num_hidden_layers": 28, "num_key_value_heads": 4, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
  "sliding_window": 131072, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.40.1", "use_cache": true, "use_mrope": false, "use_sliding_window": false,
  "vocab_size": 152064})"},
    {"Qwen3-0.6B", "qwen3", 28, 16, 8, 128, 151936, true, 1e6, 0, R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0, "bos_token_id": 151643,
  "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024, "initializer_range": 0.02,
  "intermediate_size": 3072, "max_position_embeddings": 40960, "max_window_layers": 28, "model_type": "qwen3",
  "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
  "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null, "tie_word_embeddings": true,
  "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
  "vocab_size": 151936})"},
    {"gemma-3-1b-it", "gemma3_text", 26, 4, 1, 256, 262144, true, 1e6, 22, R"({
  "architectures": ["Gemma3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "attn_logit_softcapping": null, "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": [1, 106],
  "final_logit_softcapping": null, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152,
  "initializer_range": 0.02, "intermediate_size": 6912, "max_position_embeddings": 32768,
  "model_type": "gemma3_text", "num_attention_heads": 4, "num_hidden_layers": 26, "num_key_value_heads": 1,
  "pad_token_id": 0, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_local_base_freq": 10000,
  "rope_scaling": null, "rope_theta": 1000000, "sliding_window": 512, "sliding_window_pattern": 6,
  "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0", "use_cache": true, "vocab_size": 262144})"},
    {"gemma-3-4b-it", "gemma3_text", 34, 8, 4, 256, 262208, true, 1e6, 29, R"({
  "architectures": ["Gemma3ForConditionalGeneration"], "boi_token_index": 255999, "eoi_token_index": 256000,
  "eos_token_id": [1, 106], "image_token_index": 262144, "initializer_range": 0.02, "mm_tokens_per_image": 256,
  "model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240,
  "model_type": "gemma3_text", "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
  "sliding_window": 1024}, "torch_dtype": "bfloat16", "transformers_version": "4.50.0.dev0",
  "vision_config": {"hidden_size": 1152, "image_size": 896, "intermediate_size": 4304,
  "model_type": "siglip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
  "vision_use_head": false}})"},
};

TEST(PublishedConfigs, AreReadAsTheyStand) {
  for (const Published &model : All) {
    const auto config = parseModelConfig(model.name, model.text);
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->family, model.family) << model.name;
    EXPECT_EQ(config->layers, model.layers) << model.name;
    EXPECT_EQ(config->heads, model.heads) << model.name;
    EXPECT_EQ(config->kvHeads, model.kvHeads) << model.name;
    EXPECT_EQ(config->headDim, model.headDim) << model.name;
    EXPECT_EQ(config->vocabSize, model.vocabulary) << model.name;
    EXPECT_EQ(config->tiedHead, model.tied) << model.name;
    EXPECT_EQ(config->rope.theta, model.theta) << model.name;
    int64_t windows = 0;
    for (const LayerConfig &layer : config->perLayer)
      windows += layer.window > 0;
    EXPECT_EQ(windows, model.windows) << model.name;
  }
}

TEST(PublishedConfigs, OfFamiliesThatAreNotThereSayWhatIsMissing) {
  const std::pair<const char *, const char *> absent[] = {
      {"mixtral", "experts"},   {"qwen3_moe", "experts"},    {"deepseek_v3", "experts"},
      {"gpt_oss", "experts"},   {"llama4", "experts"},       {"qwen3_next", "delta-net"},
      {"qwen3_5", "delta-net"}, {"qwen2_5_vl", "images"},    {"mllama", "images"},
      {"llava", "images"},      {"mamba2", "state"},         {"jamba", "state"},
      {"falcon_h1", "state"},   {"gemma2", "capped logits"}, {"gemma3n", "embeddings"},
      {"phi3", "one tensor"},   {"granite", "multipliers"},  {"kimi_linear", "delta-net"},
      {"olmo2", "norms"},       {"glm4", "rotated in part"}};
  for (const auto &[type, needs] : absent) {
    const auto config = parseModelConfig("c", std::string("{\"model_type\":\"") + type + "\"}");
    ASSERT_FALSE(config.ok()) << type;
    EXPECT_NE(config.status().message().find(std::string(type) + " needs "), std::string::npos) << type;
    EXPECT_NE(config.status().message().find(needs), std::string::npos) << config.status().message();
  }
}

} // namespace
