#include "runtime/Config/GgufNorms.h"
#include "runtime/Config/ModelConfig.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

Json tiny() {
  return {{"general.architecture", "llama"}, {"llama.embedding_length", 64},
          {"llama.feed_forward_length", 96}, {"llama.block_count", 2},
          {"llama.attention.head_count", 4}, {"llama.attention.head_count_kv", 2},
          {"llama.context_length", 128},     {"llama.attention.layer_norm_rms_epsilon", 1e-5}};
}

std::string errorOf(const Json &metadata) {
  std::vector<std::string> problems;
  ggufModelConfig("m.gguf", metadata, problems);
  return problems.empty() ? "no error" : fmt::format("{}", fmt::join(problems, "\n"));
}

std::string errorWith(const char *key, const Json &value) {
  Json metadata = tiny();
  metadata[key] = value;
  return errorOf(metadata);
}

TEST(GgufConfig, ReadsTheSameShape) {
  std::vector<std::string> problems;
  Json metadata = tiny();
  metadata["llama.rope.freq_base"] = 5e5;
  metadata["llama.rope.dimension_count"] = 16;
  metadata["llama.feed_forward_length"] = {96, 96};
  const ModelConfig config = ggufModelConfig("m.gguf", metadata, problems);
  EXPECT_TRUE(problems.empty()) << problems[0];
  EXPECT_EQ(config.hiddenSize, 64);
  EXPECT_EQ(config.intermediateSize, 96);
  EXPECT_EQ(config.layers, 2);
  EXPECT_EQ(config.heads, 4);
  EXPECT_EQ(config.kvHeads, 2);
  EXPECT_EQ(config.headDim, 16);
  EXPECT_EQ(config.maxPositions, 128);
  EXPECT_EQ(config.vocabSize, 0);
  EXPECT_EQ(config.rope.theta, 5e5);
  EXPECT_EQ(config.rmsNormEps, 1e-5);
}

TEST(GgufConfig, TakesWhatChangesNothing) {
  const std::pair<const char *, const char *> keys[] = {
      {"llama.rope.scaling.type", "\"none\""},
      {"llama.rope.scaling.type", "\"linear\""}, // by no factor
      {"llama.rope.scaling.factor", "1.0"},
      {"llama.rope.scaling.factor", "0.0"},
      {"llama.expert_count", "0"},
      {"llama.attention.sliding_window", "0"},
      {"general.file_type", "7"},
      {"general.type", "\"model\""},
      {"general.quantization_version", "2"},
      {"tokenizer.ggml.model", "\"gpt2\""},
      {"somebody.else", "\"x\""},
      {"llama.rope.scaling.original_context_length", "4096"},
  };
  for (const auto &[key, value] : keys)
    EXPECT_EQ(errorWith(key, Json::parse(value)), "no error") << key << ": " << value;
  Json none = tiny();
  none["llama.rope.scaling.type"] = "none";
  none["llama.rope.scaling.factor"] = 8;
  EXPECT_EQ(errorOf(none), "no error");
}

TEST(GgufConfig, NamesWhatItDoesNotSupport) {
  EXPECT_EQ(
      errorWith("llama.rope.scaling.type", "longrope"),
      "m.gguf: llama.rope.scaling.type is \"longrope\"; must be \"none\", \"linear\" or \"yarn\": this way to scale "
      "rotary embeddings is not supported");
  EXPECT_EQ(errorWith("llama.rope.dimension_count", 8),
            "m.gguf: llama.rope.dimension_count is 8; must be 16, the width of a head");
  EXPECT_EQ(
      errorWith("general.architecture", "qwen2moe"),
      "m.gguf: general.architecture is \"qwen2moe\"; must be \"gemma3\" or \"llama\" or \"qwen2\" or \"qwen3\" or "
      "\"smollm3\": qwen2moe needs experts, and a router that sends tokens to them, which is not there");
  EXPECT_EQ(errorWith("general.architecture", nullptr), "m.gguf: general.architecture is missing; must be \"gemma3\" "
                                                        "or \"llama\" or \"qwen2\" or \"qwen3\" or \"smollm3\"");
  EXPECT_EQ(errorWith("llama.attention.head_count", 0),
            "m.gguf: llama.attention.head_count is 0; must be an integer in [1, 1024]");
  for (const auto &[key, value] : {std::pair<const char *, Json>("llama.expert_count", 8),
                                   {"llama.rope.scaling.attn_factor", 0.5},
                                   {"llama.attention.value_length", 8},
                                   {"llama.attention.sliding_window", 4096},
                                   {"llama.logit_scale", 0.25},
                                   {"llama.something_new", 1},
                                   {"llama.feed_forward_length", Json::array({96, 64})},
                                   {"llama.attention.layer_norm_rms_epsilon", "1e-5"},
                                   {"general.type", "adapter"}})
    EXPECT_NE(errorWith(key, value).find(std::string(key) + " is "), std::string::npos) << key;
}

Json of(const std::string &architecture) {
  const Json llama = tiny();
  Json metadata = Json::object();
  for (const auto &[key, value] : llama.items())
    metadata[key.starts_with("llama.") ? architecture + key.substr(5) : key] = value;
  metadata["general.architecture"] = architecture;
  return metadata;
}

TEST(GgufConfig, ReadsTheFamilies) {
  std::vector<std::string> problems;
  Json scaled = of("qwen3");
  scaled["qwen3.rope.scaling.type"] = "yarn";
  scaled["qwen3.rope.scaling.factor"] = 4.0;
  scaled["qwen3.rope.scaling.original_context_length"] = 32768;
  const ModelConfig qwen3 = ggufModelConfig("m.gguf", scaled, problems);
  EXPECT_EQ(qwen3.family, "qwen3");
  EXPECT_EQ(qwen3.headDim, 16); // that of the other sizes, not the family's
  EXPECT_EQ(qwen3.rope.type, Rope::Type::Yarn);
  EXPECT_EQ(qwen3.rope.originalPositions, 32768);
  Json layers = of("smollm3");
  layers["smollm3.block_count"] = 5;
  const ModelConfig smollm3 = ggufModelConfig("m.gguf", layers, problems);
  EXPECT_FALSE(smollm3.perLayer[3].rotated);
  EXPECT_TRUE(smollm3.perLayer[4].rotated);
  Json windows = of("gemma3");
  windows["gemma3.block_count"] = 7;
  windows["gemma3.attention.sliding_window"] = 512;
  windows["gemma3.attention.key_length"] = 32;
  const ModelConfig gemma3 = ggufModelConfig("m.gguf", windows, problems);
  EXPECT_EQ(gemma3.perLayer[4], (LayerConfig{512, true, true}));
  EXPECT_EQ(gemma3.perLayer[5], (LayerConfig{0, true, false}));
  EXPECT_EQ(gemma3.perLayer[6], (LayerConfig{512, true, true}));
  EXPECT_EQ(gemma3.localRope.theta, 1e4);
  EXPECT_EQ(gemma3.queryScalar, 32);
  EXPECT_EQ(ggufNormOffset("gemma3"), 1);
  EXPECT_EQ(ggufNormOffset("llama"), 0);
  EXPECT_TRUE(problems.empty()) << problems[0];
  EXPECT_EQ(errorOf(of("gemma3")),
            "m.gguf: gemma3.attention.sliding_window is missing; must be an integer in [1, 1073741824]");
  EXPECT_NE(errorOf(of("gemma2")).find("gemma2 needs capped logits"), std::string::npos);
}

} // namespace
