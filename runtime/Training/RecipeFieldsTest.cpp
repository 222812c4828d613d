#include "runtime/Training/RecipeFields.h"

#include <gtest/gtest.h>

using namespace ft::rt;

namespace {
constexpr const char *recipe = "precision: FP32_TRUE\n"
                               "lora {\n  r: 2\n  target_modules: \"q_proj\"\n  target_modules: \"v_proj\"\n}\n"
                               "learning_rate: 0.001\n"
                               "data {\n  columns {\n    text: \"a: {\"\n  }\n}\n"
                               "weight_decay: 0\n# ftrun --set weight_decay=1\n";

std::string replaced(std::string text, const std::string &from, const std::string &to) {
  return text.replace(text.find(from), from.size(), to);
}
} // namespace

TEST(RecipeFieldsTest, NamesFieldsByTheirPath) {
  EXPECT_EQ(recipeFields(recipe), (std::map<std::string, std::string>{{"precision", "FP32_TRUE"},
                                                                      {"lora.r", "2"},
                                                                      {"lora.target_modules", "\"q_proj\", \"v_proj\""},
                                                                      {"learning_rate", "0.001"},
                                                                      {"data.columns.text", "\"a: {\""},
                                                                      {"weight_decay", "0"}}));
}

TEST(RecipeFieldsTest, OfTextsThatAreNoRecipe) {
  for (const char *text : {"", "}", "}}\n}\n", "{", "a {\nb: 1", ":", "a", "\n\n", "a:"})
    recipeFields(text);
  EXPECT_EQ(recipeFields("}\na: 1"), (std::map<std::string, std::string>{{"a", "1"}}));
}

TEST(RecipeFieldsTest, TellsWhatAPlanComputesOtherwise) {
  EXPECT_TRUE(planFieldDifferences(recipe, recipe).empty());
  EXPECT_TRUE(planFieldDifferences(recipe, replaced(recipe, "0.001", "0.5")).empty()) << "a run's own";
  EXPECT_TRUE(planFieldDifferences(recipe, replaced(recipe, "a: {", "b")).empty()) << "likewise";
  const auto changed = planFieldDifferences(recipe, replaced(recipe, "FP32_TRUE", "BF16_MIXED"));
  ASSERT_EQ(changed.size(), 1u);
  EXPECT_EQ(changed[0].name + " " + changed[0].then + " " + changed[0].now, "precision FP32_TRUE BF16_MIXED");
  const auto gone = planFieldDifferences(recipe, replaced(recipe, "weight_decay: 0\n", ""));
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(gone[0].name + gone[0].then + gone[0].now, "weight_decay0");
  const auto fresh = planFieldDifferences("", "sequence_len: 8\n");
  ASSERT_EQ(fresh.size(), 1u);
  EXPECT_EQ(fresh[0].name + fresh[0].then + fresh[0].now, "sequence_len8");
}
