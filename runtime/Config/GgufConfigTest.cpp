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
  EXPECT_EQ(config.ropeTheta, 5e5);
  EXPECT_EQ(config.rmsNormEps, 1e-5);
}

TEST(GgufConfig, TakesWhatChangesNothing) {
  const std::pair<const char *, const char *> keys[] = {
      {"llama.rope.scaling.type", "\"none\""},
      {"llama.rope.scaling.type", "\"linear\""},
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
      errorWith("llama.rope.scaling.type", "yarn"),
      "m.gguf: llama.rope.scaling.type is \"yarn\"; must be \"none\": scaled rotary embeddings are not supported");
  EXPECT_EQ(errorWith("llama.rope.scaling.factor", 8),
            "m.gguf: llama.rope.scaling.factor is 8; must be 1: scaled rotary embeddings are not supported");
  EXPECT_EQ(errorWith("llama.rope.dimension_count", 8),
            "m.gguf: llama.rope.dimension_count is 8; must be 16, the width of a head");
  EXPECT_EQ(errorWith("general.architecture", "qwen2"),
            "m.gguf: general.architecture is \"qwen2\"; must be \"llama\": nothing else is supported");
  EXPECT_EQ(errorWith("general.architecture", nullptr), "m.gguf: general.architecture is missing; must be \"llama\"");
  EXPECT_EQ(errorWith("llama.attention.head_count", 0),
            "m.gguf: llama.attention.head_count is 0; must be an integer in [1, 1024]");
  for (const auto &[key, value] : {std::pair<const char *, Json>("llama.expert_count", 8),
                                   {"llama.rope.scale_linear", 4.0},
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

} // namespace
