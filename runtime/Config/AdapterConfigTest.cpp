#include "runtime/Config/AdapterConfig.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

using namespace ft::rt;

namespace {

const Json planned = {{"peft_type", "LORA"}, {"r", 8}, {"lora_alpha", 16}, {"bias", "none"}, {"use_dora", false}};

std::string errorWith(const char *field, const Json &value) {
  Json config = planned;
  config[field] = value;
  std::vector<std::string> problems;
  compareAdapterConfigs("a", config, planned, problems);
  return problems.empty() ? "no error" : fmt::format("{}", fmt::join(problems, "\n"));
}

TEST(AdapterConfig, TakesWhatChangesNothing) {
  const std::pair<const char *, const char *> fields[] = {
      {"lora_dropout", "0.5"},
      {"rank_pattern", "{}"},
      {"alpha_pattern", "null"},
      {"lora_alpha", "16.0"},
      {"use_rslora", "false"},
      {"lora_bias", "false"},
      {"exclude_modules", "[\"x\"]"},
      {"peft_version", "\"1\""},
      {"target_modules", "\"all-linear\""},
      {"megatron_core", "\"m\""},
      {"qalora_group_size", "16"},
      {"init_lora_weights", "\"gaussian\""},
      {"init_lora_weights", "null"},
      {"some_new_field", "null"},
      {"some_new_field", "false"},
      {"some_new_field", "[]"},
      {"base_model_name_or_path", "\"x\""},
  };
  for (const auto &[name, value] : fields)
    EXPECT_EQ(errorWith(name, Json::parse(value)), "no error") << name << ": " << value;
}

TEST(AdapterConfig, NamesWhatMeansOtherTensors) {
  EXPECT_EQ(errorWith("r", 16),
            "a: r is 16; the plan was compiled for 8: compile the recipe with the adapter's own, under lora");
  EXPECT_EQ(errorWith("use_dora", true),
            "a: use_dora is true; the plan was compiled without: no recipe makes such adapters; merge it into its base "
            "with PEFT's merge_and_unload, and start from that");
  EXPECT_EQ(errorWith("r", nullptr).substr(0, 42), "a: r is absent; the plan was compiled for ");
  EXPECT_EQ(errorWith("init_lora_weights", "pissa"),
            "a: init_lora_weights is \"pissa\", which changes the base's weights; save the adapter as plain LoRA with "
            "PEFT's path_initial_model_for_weight_conversion");
  EXPECT_EQ(errorWith("use_something_new", true),
            "a: use_something_new is true; must be absent: this field is not understood and may change what the model "
            "computes");
  for (const auto &[name, value] : {std::pair<const char *, Json>("rank_pattern", {{"q_proj", 4}}),
                                    {"alpha_pattern", {{"q_proj", 4}}},
                                    {"use_rslora", true},
                                    {"lora_alpha", 32},
                                    {"layer_replication", Json::array({Json::array({0, 4})})},
                                    {"modules_to_save", Json::array({"lm_head"})},
                                    {"bias", "all"},
                                    {"fan_in_fan_out", true},
                                    {"peft_type", "LOHA"},
                                    {"trainable_token_indices", Json::array({1})}})
    EXPECT_NE(errorWith(name, value).find(fmt::format("a: {} is ", name)), std::string::npos) << name;
}

TEST(AdapterConfig, ComparesPlacesOnlyWhereAsked) {
  std::vector<std::string> problems;
  Json config = planned;
  config["layers_to_transform"] = {0, 1};
  compareAdapterConfigs("a", config, planned, problems);
  EXPECT_TRUE(problems.empty());
  compareAdapterPlaces("a", config, planned, problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0], "a: layers_to_transform is [0,1]; the plan was compiled without: no recipe makes such "
                         "adapters; merge it into its "
                         "base with PEFT's merge_and_unload, and start from that");
}

} // namespace
