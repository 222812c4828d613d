#include "runtime/Config/ModelConfig.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

Json tiny() {
  return {{"model_type", "llama"},    {"vocab_size", 160},
          {"hidden_size", 64},        {"intermediate_size", 96},
          {"num_hidden_layers", 2},   {"num_attention_heads", 4},
          {"num_key_value_heads", 2}, {"max_position_embeddings", 128}};
}

Expected<ModelConfig> parse(const Json &object) { return parseModelConfig("config.json", object.dump()); }

std::string errorOf(const Expected<ModelConfig> &config) { return config ? "no error" : config.status().message(); }

std::string errorWith(const char *field, const Json &value) {
  Json object = tiny();
  object[field] = value;
  return errorOf(parse(object));
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
    ASSERT_TRUE(config.ok()) << config.status().message();
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

TEST(ModelConfig, TakesWhatChangesNothing) {
  const std::pair<const char *, const char *> fields[] = {
      {"torch_dtype", "\"bfloat16\""},
      {"use_cache", "true"},
      {"attention_bias", "false"},
      {"attention_dropout", "0.0"},
      {"pretraining_tp", "2"},
      {"some_new_field", "null"},
      {"unsloth_fixed", "true"},
      {"max_length", "20"},
      {"id2label", R"({"0":"LABEL_0"})"},
      {"use_sliding_window", "false"},
      {"hidden_act", "\"swish\""},
      {"partial_rotary_factor", "1"},
      {"quantization_config", "null"},
      {"eos_token_id", "[1,2]"},
      {"layer_types", R"(["full_attention","full_attention"])"},
      {"pruned_heads", "{}"},
      {"initializer_range", "1e308"},
      {"rope_scaling", R"({"rope_type":"default"})"},
      {"rope_scaling", R"({"type":"default"})"},
      {"rope_scaling", R"({"type":"linear","factor":1.0})"},
      {"rope_scaling", "null"},
      {"rope_parameters", R"({"rope_type":"default","rope_theta":10000.0,"partial_rotary_factor":1.0})"},
  };
  for (const auto &[name, value] : fields)
    EXPECT_EQ(errorWith(name, Json::parse(value)), "no error") << name << ": " << value;
  Json window = tiny();
  window["sliding_window"] = 4096;
  window["use_sliding_window"] = false;
  window["max_window_layers"] = 2;
  EXPECT_EQ(errorOf(parse(window)), "no error");
}

TEST(ModelConfig, ReadsRopeThetaWhereverItIs) {
  auto thetaWith = [](const char *name, const Json &value) {
    Json object = tiny();
    object[name] = value;
    auto config = parse(object);
    return config.ok() ? config->ropeTheta : -1;
  };
  EXPECT_EQ(thetaWith("use_cache", true), 10000);
  EXPECT_EQ(thetaWith("rope_theta", 5e5), 5e5);
  EXPECT_EQ(thetaWith("rope_parameters", {{"rope_type", "default"}, {"rope_theta", 5e5}}), 5e5);
  EXPECT_EQ(thetaWith("rope_scaling", {{"rope_type", "default"}, {"rope_theta", 5e5}}), 5e5);
  Json both = tiny();
  both["rope_theta"] = 10000;
  both["rope_parameters"] = {{"rope_theta", 5e5}};
  EXPECT_EQ(errorOf(parse(both)), "config.json: rope_parameters: rope_theta is 500000; must be 10000, as the file says "
                                  "elsewhere");
}

TEST(ModelConfig, NamesWhatItDoesNotSupport) {
  constexpr const char *rope = "must be null or of rope_type \"default\": scaled rotary embeddings are not supported";
  EXPECT_EQ(errorWith("rope_scaling", {{"type", "linear"}, {"factor", 2}}),
            std::string("config.json: rope_scaling is {\"factor\":2,\"type\":\"linear\"}; ") + rope);
  EXPECT_EQ(errorWith("rope_parameters", {{"rope_type", "yarn"}, {"factor", 8.0}, {"rope_theta", 10000.0}}),
            std::string("config.json: rope_parameters is {\"factor\":8.0,\"rope_theta\":10000.0,\"rope_type\":"
                        "\"yarn\"}; ") +
                rope);
  EXPECT_EQ(errorWith("rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}),
            "config.json: rope_parameters.partial_rotary_factor is 0.5; must be 1: heads are rotated whole");
  EXPECT_NE(errorWith("rope_scaling", {{"rope_type", "default"}, {"factor", 8}}).find("rope_scaling.factor is 8"),
            std::string::npos);
  EXPECT_NE(errorWith("rope_parameters", {{"full_attention", {{"rope_type", "yarn"}}}}).find("not understood"),
            std::string::npos);
  EXPECT_EQ(errorWith("rope_scaling", false), "config.json: rope_scaling is false; must be null or an object");
  EXPECT_EQ(errorWith("attention_bias", true),
            "config.json: attention_bias is true; must be false: biases are not supported");
  EXPECT_EQ(errorWith("hidden_act", "gelu"),
            "config.json: hidden_act is \"gelu\"; must be \"silu\" or \"swish\": nothing else is supported");
  EXPECT_EQ(errorWith("model_type", "qwen2"),
            "config.json: model_type is \"qwen2\"; must be \"llama\": nothing else is supported");
  EXPECT_EQ(errorWith("quantization_config", {{"bits", 4}}),
            "config.json: quantization_config is {\"bits\":4}; must be null, or NF4 of bitsandbytes: other quantised "
            "bases are "
            "not supported; give the model's own weights");
  EXPECT_EQ(errorWith("sliding_window", 4096), "config.json: sliding_window is 4096; must be null, or "
                                               "use_sliding_window false: windows of attention are not supported");
  EXPECT_EQ(errorWith("hiden_act", "silu"),
            "config.json: hiden_act is \"silu\"; must be absent: this field is not understood and may change what the "
            "model computes; did you mean \"hidden_act\"?");
  for (const auto &[name, value] : {std::pair<const char *, Json>("mlp_bias", true),
                                    {"attention_dropout", 0.1},
                                    {"architectures", Json::array({"LlamaForSequenceClassification"})},
                                    {"partial_rotary_factor", 0.5},
                                    {"num_local_experts", 8},
                                    {"use_sliding_window", true},
                                    {"layer_types", Json::array({"sliding_attention"})},
                                    {"embedding_multiplier", 12},
                                    {"final_logit_softcapping", 30.0}})
    EXPECT_NE(errorWith(name, value).find(std::string(name) + " is "), std::string::npos) << name;
}

TEST(ModelConfig, NamesEveryProblemOnItsLine) {
  Json object = tiny();
  object["mlp_bias"] = true;
  object["vocab_size"] = 0;
  EXPECT_EQ(errorOf(parse(object)), "config.json: mlp_bias is true; must be false: biases are not supported\n"
                                    "config.json: vocab_size is 0; must be an integer in [1, 1073741824]");
}

TEST(ModelConfig, ChecksRanges) {
  EXPECT_EQ(errorWith("num_attention_heads", 0),
            "config.json: num_attention_heads is 0; must be an integer in [1, 1024]");
  EXPECT_EQ(errorWith("num_key_value_heads", 0),
            "config.json: num_key_value_heads is 0; must be an integer in [1, 1073741824]");
  EXPECT_EQ(errorWith("head_dim", 1e18), "config.json: head_dim is 1e+18; must be an integer in [1, 1073741824]");
  EXPECT_NE(errorOf(parseModelConfig("config.json", "{\"initializer_range\":1" + std::string(400, '0') + "}"))
                .find("config.json: initializer_range: a value is 1000"),
            std::string::npos);
  EXPECT_EQ(errorOf(parseModelConfig("config.json", R"({"vocab_size":8,"vocab_size":16})")),
            "config.json: the key \"vocab_size\" appears twice in one object");
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
  Json missing = tiny();
  missing.erase("vocab_size");
  EXPECT_EQ(errorOf(parse(missing)), "config.json: vocab_size is missing; must be an integer in [1, 1073741824]");
  EXPECT_NE(errorOf(parseModelConfig("config.json", "{")).find("config.json: not valid JSON"), std::string::npos);
  EXPECT_EQ(errorOf(parseModelConfig("config.json", "[]")), "config.json: the root is a JSON array; must be an object");
}

TEST(ModelConfig, NamesSomeOfManyForeignFields) {
  Json object = tiny();
  for (int i = 0; i < 100'000; ++i)
    object["foreign_field_" + std::to_string(i)] = i;
  const std::string error = errorOf(parse(object));
  EXPECT_NE(error.find("config.json: and more fields"), std::string::npos);
  EXPECT_LT(error.size(), 10'000u);
}

TEST(ModelConfig, CanonicalTextDoesNotDependOnOrder) {
  auto a = parseModelConfig("a", R"({"model_type":"llama","vocab_size":8,"hidden_size":8,"intermediate_size":8,
    "num_hidden_layers":1,"num_attention_heads":2,"max_position_embeddings":8})");
  auto b = parseModelConfig("b", R"({"vocab_size":8,"model_type":"llama","hidden_size":8,"intermediate_size":8,
    "num_attention_heads":2,"num_hidden_layers":1,  "max_position_embeddings":8})");
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->canonicalJson, b->canonicalJson);
}

TEST(ModelFacts, SayWhatALoadedModelMustBe) {
  auto config = readModelConfig("recipes/models/smollm2-135m");
  ASSERT_TRUE(config.ok()) << config.status().message();
  bool sawTheta = false, sawTied = false;
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
  }
  EXPECT_TRUE(sawTheta && sawTied);
}

} // namespace
