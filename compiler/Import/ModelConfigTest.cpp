#include "compiler/Import/ModelConfig.h"

#include "llvm/Support/JSON.h"

#include <gtest/gtest.h>

using namespace ft;

namespace {

llvm::json::Object tiny() {
  return llvm::json::Object{{"model_type", "llama"},    {"vocab_size", 160},
                            {"hidden_size", 64},        {"intermediate_size", 96},
                            {"num_hidden_layers", 2},   {"num_attention_heads", 4},
                            {"num_key_value_heads", 2}, {"max_position_embeddings", 128}};
}

llvm::Expected<ModelConfig> parse(llvm::json::Object object) {
  return parseModelConfig("config.json", llvm::formatv("{0}", llvm::json::Value(std::move(object))).str());
}

std::string errorOf(llvm::Expected<ModelConfig> config) {
  return config ? "no error" : llvm::toString(config.takeError());
}

std::string errorWith(llvm::StringRef field, llvm::json::Value value) {
  llvm::json::Object object = tiny();
  object[field] = std::move(value);
  return errorOf(parse(std::move(object)));
}

TEST(ModelConfig, ReadsEveryNamedModel) {
  struct Row {
    const char *name;
    int64_t hidden, inter, layers, heads, kvHeads, headDim, vocab;
    double eps, theta;
    bool tied;
  };
  const Row rows[] = {
      {"tiny-llama-1.1b", 2048, 5632, 22, 32, 4, 64, 32000, 1e-5, 1e4, false},
      {"open-llama-3b", 3200, 8640, 26, 32, 32, 100, 32000, 1e-6, 1e4, false},
      {"open-llama-7b", 4096, 11008, 32, 32, 32, 128, 32000, 1e-6, 1e4, false},
      {"open-llama-13b", 5120, 13824, 40, 40, 40, 128, 32000, 1e-6, 1e4, false},
      {"smollm2-135m", 576, 1536, 30, 9, 3, 64, 49152, 1e-5, 1e5, true},
      {"tiny-gqa", 32, 56, 2, 4, 2, 16, 72, 1e-5, 1e4, false},
      {"tiny-tied", 24, 40, 2, 3, 1, 8, 64, 1e-5, 1e5, true},
      {"tiny-head-dim-100", 20, 56, 2, 2, 1, 100, 64, 1e-6, 1e4, false},
      {"tiny-odd", 30, 37, 1, 5, 1, 12, 101, 1e-3, 5e5, false},
  };
  for (const Row &row : rows) {
    auto config = readModelConfig(std::string("recipes/models/") + row.name);
    ASSERT_TRUE(bool(config)) << llvm::toString(config.takeError());
    EXPECT_EQ(config->hiddenSize, row.hidden);
    EXPECT_EQ(config->intermediateSize, row.inter);
    EXPECT_EQ(config->layers, row.layers);
    EXPECT_EQ(config->heads, row.heads);
    EXPECT_EQ(config->kvHeads, row.kvHeads);
    EXPECT_EQ(config->headDim, row.headDim);
    EXPECT_EQ(config->vocabSize, row.vocab);
    EXPECT_EQ(config->rmsNormEps, row.eps);
    EXPECT_EQ(config->ropeTheta, row.theta);
    EXPECT_EQ(config->tiedHead, row.tied);
    EXPECT_FALSE(config->hubName.empty());
  }
}

TEST(ModelConfig, IgnoresWhatDoesNotMatter) {
  llvm::json::Object object = tiny();
  object["torch_dtype"] = "bfloat16";
  object["use_cache"] = true;
  object["rope_scaling"] = nullptr;
  object["attention_bias"] = false;
  object["attention_dropout"] = 0.0;
  object["pretraining_tp"] = 1;
  object["some_new_field"] = nullptr;
  object["rope_parameters"] = llvm::json::Object{{"rope_type", "default"}, {"rope_theta", 5e5}};
  auto config = parse(std::move(object));
  ASSERT_TRUE(bool(config)) << llvm::toString(config.takeError());
  EXPECT_EQ(config->ropeTheta, 5e5);
  EXPECT_EQ(config->rmsNormEps, 1e-6);
  EXPECT_EQ(config->headDim, 16);
}

TEST(ModelConfig, NamesWhatItDoesNotUnderstand) {
  EXPECT_EQ(errorWith("rope_scaling", llvm::json::Object{{"type", "linear"}, {"factor", 2}}),
            "config.json: rope_scaling is {\"factor\":2,\"type\":\"linear\"}; must be null: nothing else is supported");
  EXPECT_EQ(errorWith("attention_bias", true),
            "config.json: attention_bias is true; must be false: nothing else is supported");
  EXPECT_EQ(errorWith("mlp_bias", true), "config.json: mlp_bias is true; must be false: nothing else is supported");
  EXPECT_EQ(errorWith("hidden_act", "gelu"),
            "config.json: hidden_act is \"gelu\"; must be \"silu\": nothing else is supported");
  EXPECT_EQ(errorWith("model_type", "qwen2"),
            "config.json: model_type is \"qwen2\"; must be \"llama\": nothing else is supported");
  EXPECT_EQ(errorWith("attention_dropout", 0.1),
            "config.json: attention_dropout is 0.1; must be 0: nothing else is supported");
  EXPECT_EQ(errorWith("sliding_window", 4096), "config.json: sliding_window is 4096; must be absent: this field is not "
                                               "understood and may change what the model computes");
  EXPECT_NE(errorWith("rope_parameters", llvm::json::Object{{"rope_type", "llama3"}}).find("rope_type is \"llama3\""),
            std::string::npos);
}

TEST(ModelConfig, ChecksRanges) {
  EXPECT_EQ(errorWith("hidden_size", 0), "config.json: hidden_size is 0; must be an integer in [1, 1073741824]");
  EXPECT_EQ(errorWith("num_hidden_layers", 257),
            "config.json: num_hidden_layers is 257; must be an integer in [1, 256]");
  EXPECT_EQ(errorWith("num_attention_heads", 1025),
            "config.json: num_attention_heads is 1025; must be an integer in [1, 1024]");
  EXPECT_EQ(errorWith("hidden_size", "64"),
            "config.json: hidden_size is \"64\"; must be an integer in [1, 1073741824]");
  EXPECT_EQ(errorWith("num_key_value_heads", 3),
            "config.json: num_key_value_heads is 3; must be a divisor of num_attention_heads, which is 4");
  EXPECT_EQ(errorWith("head_dim", 4100), "config.json: head_dim is 4100; must be at most 4096");
  EXPECT_EQ(errorWith("hidden_size", 65536), "config.json: head_dim is 16384; must be at most 4096");
  EXPECT_EQ(errorWith("head_dim", 18), "config.json: head_dim is 18; must be a multiple of 4");
  EXPECT_EQ(errorWith("rms_norm_eps", -1), "config.json: rms_norm_eps is -1; must be a number in (0, 1]");
  EXPECT_EQ(errorWith("tie_word_embeddings", 1), "config.json: tie_word_embeddings is 1; must be true or false");
  llvm::json::Object missing = tiny();
  missing.erase("vocab_size");
  EXPECT_EQ(errorOf(parse(std::move(missing))),
            "config.json: vocab_size is missing; must be an integer in [1, 1073741824]");
  EXPECT_NE(errorOf(parseModelConfig("config.json", "{")).find("config.json: not JSON"), std::string::npos);
  EXPECT_EQ(errorOf(parseModelConfig("config.json", "[]")), "config.json: holds no JSON object");
}

TEST(ModelConfig, RefusesWhatWouldExhaustTheStack) {
  for (size_t levels : {65u, 1'000'000u})
    EXPECT_EQ(errorOf(ft::parseModelConfig("config.json", "{\"a\": \"[\\\"[\", \"b\": " + std::string(levels, '['))),
              "config.json: nests deeper than 64 levels; no config.json does");
}

TEST(ModelConfig, CanonicalTextDoesNotDependOnOrder) {
  auto a = parseModelConfig("a", R"({"model_type":"llama","vocab_size":8,"hidden_size":8,"intermediate_size":8,
    "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":8})");
  auto b = parseModelConfig("b", R"({"vocab_size":8,"model_type":"llama","hidden_size":8,"intermediate_size":8,
    "num_attention_heads":2,"num_hidden_layers":1,  "max_position_embeddings":8})");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(a->canonicalJson, b->canonicalJson);
}

TEST(ModelFacts, SayWhatALoadedModelMustBe) {
  auto config = readModelConfig("recipes/models/smollm2-135m");
  ASSERT_TRUE(bool(config));
  bool sawTheta = false, sawTied = false, sawScaling = false;
  for (const ModelFact &fact : modelFacts(*config)) {
    if (fact.configKey == "rope_theta") {
      sawTheta = true;
      EXPECT_EQ(std::get<double>(fact.expected), 100000.0);
      EXPECT_FALSE(fact.mayBeAbsent);
    }
    if (fact.configKey == "tie_word_embeddings") {
      sawTied = true;
      EXPECT_TRUE(std::get<bool>(fact.expected));
      EXPECT_FALSE(fact.mayBeAbsent);
    }
    if (fact.configKey == "rope_scaling") {
      sawScaling = true;
      EXPECT_TRUE(std::holds_alternative<std::monostate>(fact.expected));
    }
  }
  EXPECT_TRUE(sawTheta && sawTied && sawScaling);
}

} // namespace
