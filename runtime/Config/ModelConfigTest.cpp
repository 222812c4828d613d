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
    EXPECT_EQ(config->rope.theta, row.theta);
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
  window["model_type"] = "qwen2"; // from the first layer on
  window["use_sliding_window"] = true;
  window["max_window_layers"] = 0;
  auto all = parse(window);
  ASSERT_TRUE(all.ok()) << all.status().message();
  EXPECT_EQ(all->perLayer.at(0).window, 4096);
}

TEST(ModelConfig, ReadsRopeThetaWhereverItIs) {
  auto thetaWith = [](const char *name, const Json &value) {
    Json object = tiny();
    object[name] = value;
    auto config = parse(object);
    return config.ok() ? config->rope.theta : -1;
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
  constexpr const char *types =
      "must be of rope_type \"default\", \"linear\", \"llama3\" or \"yarn\": others depend on "
      "the length of the text at hand, or are not there";
  EXPECT_EQ(errorWith("rope_scaling", {{"type", "dynamic"}, {"factor", 2}}),
            std::string("config.json: rope_scaling is {\"factor\":2,\"type\":\"dynamic\"}; ") + types);
  EXPECT_EQ(errorWith("rope_parameters", {{"rope_type", 3}, {"rope_theta", 10000.0}}),
            std::string("config.json: rope_parameters is {\"rope_theta\":10000.0,\"rope_type\":3}; ") + types);
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
  EXPECT_EQ(errorWith("quantization_config", {{"bits", 4}}),
            "config.json: quantization_config is {\"bits\":4}; must be null, or NF4 of bitsandbytes: other quantised "
            "bases are "
            "not supported; give the model's own weights");
  EXPECT_EQ(errorWith("sliding_window", 4096), "config.json: sliding_window is 4096; must be null, or "
                                               "use_sliding_window false: a Llama has no window");
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

TEST(ModelConfig, NamesWhatOtherFamiliesWouldNeed) {
  const std::string types =
      "must be \"gemma3_text\" or \"llama\" or \"mistral\" or \"qwen2\" or \"qwen3\" or \"smollm3\"";
  EXPECT_EQ(errorWith("model_type", "bert"),
            "config.json: model_type is \"bert\"; " + types + ": nothing else is supported");
  EXPECT_EQ(errorWith("model_type", nullptr), "config.json: model_type is missing; " + types);
  EXPECT_EQ(errorWith("model_type", "qwen3_moe"),
            "config.json: model_type is \"qwen3_moe\"; " + types +
                ": qwen3_moe needs experts, and a router that sends tokens to them, which is not there");
  EXPECT_NE(errorWith("model_type", "qwen3_next").find("needs delta-net layers"), std::string::npos);
  Json vision = {{"model_type", "gemma3"}, {"text_config", {{"model_type", "something"}}}, {"vision_config", 1}};
  EXPECT_EQ(errorOf(parse(vision)),
            "config.json: model_type is \"gemma3\"; " + types +
                ": this checkpoint is of text and images, and the part for images is not there. Its text part, "
                "text_config, is \"something\", which is not there either");
}

/// As google/gemma-3-4b-it has it: what the family's defaults say is left out.
TEST(ModelConfig, TakesTheTextPartOfAModelOfTextAndImages) {
  Json vision = {{"architectures", {"Gemma3ForConditionalGeneration"}},
                 {"model_type", "gemma3"},
                 {"mm_tokens_per_image", 256},
                 {"text_config",
                  {{"hidden_size", 2560},
                   {"intermediate_size", 10240},
                   {"model_type", "gemma3_text"},
                   {"num_hidden_layers", 34},
                   {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                   {"sliding_window", 1024}}},
                 {"torch_dtype", "bfloat16"},
                 {"vision_config", {{"hidden_size", 1152}}}};
  auto config = parse(vision);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->family, "gemma3_text");
  EXPECT_EQ(config->vocabSize, 262208);
  EXPECT_EQ(config->heads, 8);
  EXPECT_EQ(config->headDim, 256);
  EXPECT_EQ(config->rope.factor, 8);
  auto alone = parseModelConfig("config.json", config->text); // what a whole model that was trained says of itself
  ASSERT_TRUE(alone.ok()) << alone.status().message();
  EXPECT_EQ(alone->perLayer, config->perLayer);
  vision["text_config"]["hidden_act"] = "relu";
  EXPECT_NE(errorOf(parse(vision)).find("config.json: text_config: hidden_act is \"relu\""), std::string::npos);
}

/// Nothing may lie beside a text_config unseen, either.
TEST(ModelConfig, JudgesWhatStandsAroundATextPart) {
  const Json text = {{"hidden_size", 64},       {"intermediate_size", 96}, {"model_type", "gemma3_text"},
                     {"num_hidden_layers", 1},  {"sliding_window", 16},    {"tie_word_embeddings", true},
                     {"rope_theta", 1000000.0}, {"head_dim", 16}};
  auto with = [&](const char *name, const Json &value) {
    Json whole = {{"model_type", "gemma3"}, {"text_config", text}, {"vision_config", {{"hidden_size", 8}}}};
    whole[name] = value;
    return errorOf(parse(whole));
  };
  EXPECT_EQ(with("image_token_index", 3), "no error");
  EXPECT_EQ(with("hidden_size", 64), "no error");
  EXPECT_EQ(with("eos_token_id", Json({1, 106})), "no error");
  EXPECT_EQ(with("rope_scaling", Json({{"rope_type", "linear"}, {"factor", 8}})),
            "config.json: rope_scaling is {\"factor\":8,\"rope_type\":\"linear\"}; must be absent: what the language "
            "model computes is said in text_config");
  EXPECT_EQ(with("rope_theta", 500000.0),
            "config.json: rope_theta is 500000.0; must be absent, or 1000000.0 as in text_config");
  EXPECT_EQ(with("tie_word_embeddings", false),
            "config.json: tie_word_embeddings is false; must be absent, or true as in text_config");
  EXPECT_NE(with("attn_logit_softcapping", 50.0).find("must be null: capped logits are not supported"),
            std::string::npos);
  EXPECT_NE(with("residual_scaling", 2).find("residual_scaling is 2; must be absent: this field is not understood"),
            std::string::npos);
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

TEST(ModelConfig, ReadsHowRopesScale) {
  auto ropeWith = [](const Json &scaling, const char *name = "rope_scaling") {
    Json object = tiny();
    object[name] = scaling;
    auto config = parse(object);
    EXPECT_TRUE(config.ok()) << errorOf(config);
    return config.ok() ? config->rope : Rope();
  };
  const Rope linear = ropeWith({{"type", "linear"}, {"factor", 2}});
  EXPECT_EQ(linear.type, Rope::Type::Linear);
  EXPECT_EQ(linear.factor, 2);
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 8.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 8192}};
  EXPECT_EQ(ropeWith(llama3).type, Rope::Type::Llama3);
  EXPECT_EQ(ropeWith(llama3, "rope_parameters").originalPositions, 8192);
  const Rope yarn = ropeWith({{"type", "yarn"}, {"factor", 4.0}});
  EXPECT_EQ(yarn.originalPositions, 128); // max_position_embeddings
  EXPECT_DOUBLE_EQ(yarn.amplitude, 1.138629436111989);
  EXPECT_EQ(ropeWith({{"type", "yarn"}, {"factor", 4.0}, {"attention_factor", 1.0}}).amplitude, 1);
  EXPECT_EQ(ropeWith({{"type", "yarn"}, {"factor", 4.0}, {"mscale", 1.0}, {"mscale_all_dim", 1.0}}).amplitude, 1);
}

TEST(ModelConfig, NamesWhatIsWrongWithAScaledRope) {
  const Json llama3 = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 4.0}, {"high_freq_factor", 4.0}};
  EXPECT_EQ(errorWith("rope_scaling", llama3),
            "config.json: rope_scaling: high_freq_factor is 4; must be above low_freq_factor, which is 4");
  EXPECT_EQ(errorWith("rope_scaling", {{"type", "linear"}}),
            "config.json: rope_scaling: factor is missing; must be a number in (0, 1000000]");
  EXPECT_EQ(errorWith("rope_scaling", {{"type", "linear"}, {"factor", 0.5}}),
            "config.json: rope_scaling: factor is 0.5; must be at least 1");
  EXPECT_NE(errorWith("rope_scaling", {{"type", "linear"}, {"factor", 2}, {"beta_fast", 2}}).find("not understood"),
            std::string::npos);
  Json both = tiny();
  both["rope_scaling"] = {{"type", "linear"}, {"factor", 2}};
  both["rope_parameters"] = {{"type", "linear"}, {"factor", 4}};
  EXPECT_NE(errorOf(parse(both)).find("must be what the file says elsewhere"), std::string::npos);
}

// Frequencies of Llama 3.2 (factor 32) and of Qwen2.5 with YaRN, as Transformers 5.24 computes them.
TEST(Rope, FrequenciesAreThoseOfTransformers) {
  Rope llama3;
  llama3.theta = 5e5, llama3.type = Rope::Type::Llama3, llama3.factor = 32, llama3.originalPositions = 8192;
  const std::vector<double> scaled = ropeFrequencies(llama3, 64);
  EXPECT_DOUBLE_EQ(scaled[0], 1);
  EXPECT_NEAR(scaled[31], 9.418306725434909e-08, 1e-15);
  EXPECT_NEAR(scaled[17], 9.70828780262767e-05, 1e-12);
  Rope yarn;
  yarn.theta = 1e6, yarn.type = Rope::Type::Yarn, yarn.factor = 4, yarn.originalPositions = 32768;
  const std::vector<double> ramped = ropeFrequencies(yarn, 128);
  EXPECT_DOUBLE_EQ(ramped[0], 1);
  EXPECT_NEAR(ramped[30], 0.0010643609812470017, 1e-12);
  EXPECT_NEAR(ramped[63], 3.102344401879299e-07, 1e-15);
}

TEST(Families, ReadWhatIsTheirs) {
  auto layersOf = [](const char *name) {
    auto config = readModelConfig(std::string("recipes/models/") + name);
    EXPECT_TRUE(config.ok()) << errorOf(config);
    return config.ok() ? config->perLayer : std::vector<LayerConfig>();
  };
  EXPECT_EQ(layersOf("tiny-mistral"), std::vector<LayerConfig>(2, LayerConfig{5, true, false}));
  EXPECT_EQ(layersOf("tiny-qwen2"), (std::vector<LayerConfig>{{0, true, false}, {8, true, false}}));
  EXPECT_EQ(layersOf("tiny-qwen3"), std::vector<LayerConfig>(2, LayerConfig{}));
  EXPECT_EQ(layersOf("tiny-smollm3"), (std::vector<LayerConfig>{{0, true, false}, {0, false, false}}));
  EXPECT_EQ(layersOf("tiny-gemma3"), (std::vector<LayerConfig>{{5, true, true}, {0, true, false}, {5, true, true}}));
}

TEST(Families, AbsentAndNullWindowsDiffer) {
  Json mistral = tiny();
  mistral["model_type"] = "mistral";
  EXPECT_EQ(parse(mistral)->perLayer[0].window, 4096);
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(parse(mistral)->perLayer[0].window, 0);
  mistral["sliding_window"] = 16;
  EXPECT_EQ(parse(mistral)->perLayer[1].window, 16);
}

TEST(Families, RefuseWhatIsNotTheirs) {
  auto errorOfFamily = [](const char *type, const char *field, const Json &value) {
    Json object = tiny();
    object["model_type"] = type;
    object[field] = value;
    return errorOf(parse(object));
  };
  EXPECT_NE(errorOfFamily("qwen3", "attention_bias", true).find("attention_bias is true; must be false"),
            std::string::npos);
  EXPECT_EQ(errorOfFamily("qwen2", "attention_bias", false),
            "config.json: attention_bias is false; must be true: a Qwen2 has biases on q, k and v");
  EXPECT_EQ(errorOfFamily("qwen2", "layer_types", Json::array({"full_attention"})),
            "config.json: layer_types is [\"full_attention\"]; must be a list of 2");
  EXPECT_NE(errorOfFamily("qwen2", "layer_types", Json::array({"sliding_attention", "full_attention"}))
                .find("where there is no sliding_window"),
            std::string::npos);
  EXPECT_EQ(errorOfFamily("smollm3", "no_rope_layers", {1, 2}),
            "config.json: no_rope_layers is [1,2]; must be of 0 and 1");
  EXPECT_NE(errorOfFamily("gemma3_text", "attn_logit_softcapping", 50.0).find("capped logits"), std::string::npos);
  EXPECT_NE(errorOfFamily("gemma3_text", "hidden_act", "silu").find("hidden_act is \"silu\""), std::string::npos);
  EXPECT_EQ(errorOfFamily("mistral", "layer_types", Json::array({"sliding_attention", "full_attention"})),
            "config.json: layer_types is [\"sliding_attention\",\"full_attention\"]; must be of \"sliding_attention\", "
            "where there is a sliding_window: a Mistral's layers are alike");
  EXPECT_EQ(errorOfFamily("mistral", "layer_types", Json::array({"sliding_attention", "sliding_attention"})),
            "no error");
  EXPECT_NE(errorOfFamily("gemma4_text", "hidden_size", 64).find("layers that share keys"), std::string::npos);
  EXPECT_EQ(errorOfFamily("mistral", "architectures", Json::array({"LlamaForCausalLM"})),
            "config.json: architectures is [\"LlamaForCausalLM\"]; must be [\"MistralForCausalLM\"]: nothing else is "
            "supported");
}

TEST(Families, GemmaMayNameARopeForEachTypeOfLayer) {
  Json gemma = tiny();
  gemma["model_type"] = "gemma3_text";
  gemma["rope_parameters"] = {{"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 1e6}}},
                              {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 2e4}}}};
  auto config = parse(gemma);
  ASSERT_TRUE(config.ok()) << errorOf(config);
  EXPECT_EQ(config->rope.type, Rope::Type::Linear);
  EXPECT_EQ(config->rope.theta, 1e6);
  EXPECT_EQ(config->localRope.theta, 2e4);
  EXPECT_EQ(config->headDim, 256);
  EXPECT_TRUE(config->tiedHead);
  gemma["rope_parameters"].erase("sliding_attention");
  EXPECT_NE(errorOf(parse(gemma)).find("sliding_attention is missing; must be an object"), std::string::npos);
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
