#include "compiler/Recipe/Recipe.h"
#include "compiler/Recipe/TargetFile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

using namespace ft;
namespace fs = std::filesystem;

namespace {

constexpr const char *full = R"(base_model: "smollm2-135m"
precision: FP32_TRUE
sequence_len: 256
micro_batch_size: 4
learning_rate: 5e-4
)";
const std::string good = std::string(full) + R"(lora { r: 16 lora_alpha: 32 target_modules: "all-linear" }
)";

class RecipeTest : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("ftc-recipe-" + std::to_string(::getpid()));
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }

  std::string write(const std::string &name, const std::string &text) {
    std::ofstream(folder / name) << text;
    return (folder / name).string();
  }
  std::string errorOf(const std::string &text, const std::vector<std::string> &overrides = {}) {
    auto loaded = loadRecipe(write("bad.textproto", text), overrides);
    if (loaded.ok())
      return "accepted";
    EXPECT_EQ(loaded.status().code(), rt::Code::BadInput);
    std::string message = loaded.status().message();
    size_t at = message.find("bad.textproto");
    return at == std::string::npos ? message : message.substr(at);
  }

  fs::path folder;
};

TEST_F(RecipeTest, FillsDefaults) {
  auto loaded = loadRecipe(write("good.textproto", good), {});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  const recipe::Recipe &r = loaded->fields;
  EXPECT_EQ(loaded->name, "good");
  EXPECT_EQ(r.target(), "cpu");
  EXPECT_EQ(r.max_documents_per_row(), 4u);
  EXPECT_EQ(r.max_document_len(), 256u);
  EXPECT_EQ(r.adam_beta2(), 0.999);
  EXPECT_EQ(r.lora().target_modules_size(), 7);
  EXPECT_EQ(r.lr_scheduler_type(), recipe::Scheduler::LINEAR);
  EXPECT_EQ(r.max_grad_norm(), 1.0);
}

TEST_F(RecipeTest, ReadsBinary) {
  auto text = loadRecipe(write("good.textproto", good), {});
  ASSERT_TRUE(text.ok());
  write("good.pb", text->fields.SerializeAsString());
  auto binary = loadRecipe((folder / "good.pb").string(), {});
  ASSERT_TRUE(binary.ok()) << binary.status().message();
  EXPECT_EQ(binary->resolvedText, text->resolvedText);
}

TEST_F(RecipeTest, OverridesWin) {
  auto loaded = loadRecipe(write("good.textproto", good), {"lora.r=32", "data.train=x.json", "learning_rate=1e-3"});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->fields.lora().r(), 32u);
  EXPECT_EQ(loaded->fields.lora().lora_alpha(), 32);
  EXPECT_EQ(loaded->fields.data().train(), "x.json");
  EXPECT_EQ(loaded->fields.learning_rate(), 1e-3);
}

TEST_F(RecipeTest, NamesPlaceValueRangeAndWayOut) {
  EXPECT_EQ(errorOf(std::string(full) + "lora {\n  lora_dropout: 1.2\n}\n"),
            "bad.textproto:7: lora.lora_dropout is 1.2; must be in [0, 1)");
  EXPECT_EQ(errorOf("sequense_len: 3"),
            "bad.textproto:1: a recipe has no field sequense_len; did you mean \"sequence_len\"?");
  EXPECT_EQ(errorOf("lora_r: 3"), "bad.textproto:1: a recipe has no field lora_r; it is called lora.r here");
  EXPECT_EQ(errorOf("\nprecision: FP32"), "bad.textproto:2: precision is FP32; must be one of FP32_TRUE, BF16_TRUE, "
                                          "BF16_MIXED, FP16_MIXED, FP64_TRUE");
  EXPECT_EQ(errorOf("sequence_len: \"x\""), "bad.textproto:1: Expected integer, got: \"x\"");
  EXPECT_EQ(errorOf("precision: FP32_TRUE"),
            "bad.textproto: base_model is missing; write base_model: \"smollm2-135m\"");
  EXPECT_EQ(errorOf(good, {"lora.rank=3"}), "--set lora.rank=3: there is no field rank; it is called r here");
  EXPECT_EQ(errorOf(good, {"sequence_len=12"}),
            "--set sequence_len=12: sequence_len is 12; must be in [8, 1048576], a multiple of 8");
  EXPECT_EQ(errorOf(std::string(full) + "lora { target_modules: \"qproj\" }"),
            "bad.textproto:6: lora.target_modules names qproj; must be of q_proj, k_proj, v_proj, o_proj, gate_proj, "
            "up_proj, down_proj, or all-linear alone; did you mean \"q_proj\"?");
}

TEST_F(RecipeTest, RefusesWhatIsNotSupportedYetByName) {
  auto with = [&](const std::string &line) { return errorOf(std::string(full) + line); };
  EXPECT_EQ(with("quantization { type: \"NF4\" }"),
            "bad.textproto:6: quantization a quantised base is not supported yet; leave it out");
  EXPECT_NE(with("parallelism { strategy: FSDP }").find("parallelism.strategy"), std::string::npos);
  EXPECT_NE(with("gradient_checkpointing: FULL").find("gradient_checkpointing"), std::string::npos);
  EXPECT_NE(with("lora { use_dora: true }").find("lora.use_dora"), std::string::npos);
  EXPECT_NE(with("lora { use_rslora: true }").find("lora.use_rslora"), std::string::npos);
}

TEST_F(RecipeTest, KnowsTargets) {
  std::string recipes = recipesFolder("/nowhere/ftc");
  for (const std::string &name : targetNames(recipes))
    EXPECT_TRUE(loadTarget(recipes, name).ok()) << name;
  EXPECT_NE(loadTarget(recipes, "h20").status().message().find("did you mean \"h200\""), std::string::npos);
}

TEST_F(RecipeTest, RefusesTargetsWithoutRates) {
  fs::create_directories(folder / "targets");
  write("targets/mine.textproto", "name: \"mine\" f32_tflops: 1 sustained_share: 1.5");
  EXPECT_NE(
      loadTarget(folder.string(), "mine").status().message().find("sustained_share is 1.5; must be in [0.001, 1]"),
      std::string::npos);
}

} // namespace
