#include "compiler/Recipe/Recipe.h"
#include "compiler/Recipe/TargetFile.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fmt/format.h>
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

const AdapterTargets model = {{"q_proj", "k_proj", "down_proj"}, {"q_proj"}};

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
    const rt::Status status = loaded.ok() ? resolveTargets(*loaded, model) : loaded.status();
    if (status.ok())
      return "accepted";
    EXPECT_EQ(status.code(), rt::Code::BadInput);
    std::string message = status.message();
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

TEST_F(RecipeTest, RefusesFilesThatAreNoRecipe) {
  EXPECT_EQ(errorOf(std::string("\xff\xfe") + "b"),
            "bad.textproto: must be a recipe, and is text in UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)");
  EXPECT_EQ(errorOf(std::string((1 << 20) + 1, '#')),
            "bad.textproto: has 1048577 bytes; 1048576 are the most that a recipe has");
  for (const char *path : {"/dev/zero", "/proc"}) {
    auto loaded = loadRecipe(path, {});
    EXPECT_NE(loaded.status().message().find("must be a regular file; a recipe is a .textproto or .pb file"),
              std::string::npos)
        << loaded.status().message();
  }
}

TEST_F(RecipeTest, TextsAndNamesAreOnesThatAPlanHolds) {
  EXPECT_EQ(errorOf(std::string(full) + "output_dir: \"a\\377\"\n"),
            "bad.textproto:6: output_dir is \"a\\xff\"; must be text in UTF-8");
  EXPECT_NE(errorOf(std::string(full) + "lora { target_modules: [\"q_proj\", \"\\200\"] }\n")
                .find("lora.target_modules is \"\\x80\"; must be text in UTF-8"),
            std::string::npos);
  for (const char *name : {"my recipe.textproto", "rezept-ü.textproto", "日本.textproto"})
    EXPECT_TRUE(loadRecipe(write(name, good), {}).ok()) << name;
  for (const std::string name : {".hidden.textproto", "a\x1b.textproto", "a\xff.textproto"}) {
    const auto loaded = loadRecipe(write(name, good), {});
    EXPECT_NE(loaded.status().message().find("the recipe's name is "), std::string::npos) << name;
  }
}

TEST_F(RecipeTest, OverridesWin) {
  auto loaded = loadRecipe(write("good.textproto", good), {"lora.r=32", "data.train=x.json", "learning_rate=1e-3"});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->fields.lora().r(), 32u);
  EXPECT_EQ(loaded->fields.lora().lora_alpha(), 32);
  EXPECT_EQ(loaded->fields.data().train(0), "x.json");
  EXPECT_EQ(loaded->fields.learning_rate(), 1e-3);
}

TEST_F(RecipeTest, NamesPlaceValueRangeAndWayOut) {
  EXPECT_EQ(errorOf(std::string(full) + "lora {\n  lora_dropout: 1.2\n}\n"),
            "bad.textproto:7: lora.lora_dropout is 1.2; must be in [0, 1)");
  EXPECT_EQ(errorOf("sequense_len: 3"),
            "bad.textproto:1: a recipe has no field sequense_len; did you mean \"sequence_len\"?");
  EXPECT_EQ(errorOf("lr: 3"), "bad.textproto:1: a recipe has no field lr; it is called learning_rate here");
  EXPECT_EQ(errorOf("\nprecision: FP32"), "bad.textproto:2: precision is FP32; must be one of FP32_TRUE, BF16_TRUE, "
                                          "BF16_MIXED, FP16_MIXED, FP64_TRUE");
  EXPECT_EQ(errorOf("sequence_len: \"x\""),
            "bad.textproto:1: sequence_len is \"x\"; must be an integer in [8, 1048576], a multiple of 8");
  EXPECT_EQ(errorOf("\n\twarmup_steps : -2 seed: 3"),
            "bad.textproto:2: warmup_steps is -2; must be an integer in [0, 1000000000]");
  EXPECT_EQ(errorOf("packing: maybe\n\nseed: 1"), "bad.textproto:1: packing is maybe; must be true or false");
  EXPECT_EQ(errorOf("optim: ADAM\n\nseed: 1"), "bad.textproto:1: optim is ADAM; must be one of ADAMW, SGD, LION");
  EXPECT_EQ(errorOf("lora: 16"), "bad.textproto:1: lora is 16; must be { … }, with fields of its own");
  EXPECT_EQ(errorOf("base_model: \"a\nseed: 1\n"),
            "bad.textproto:1: a text has no end: the quote behind it is missing");
  EXPECT_EQ(errorOf("{\"base_model\": 1}"),
            "bad.textproto:1: has { where the name of a field should be; a recipe has a field a line, NAME: VALUE (no "
            "JSON, no YAML)");
  EXPECT_EQ(errorOf("seed: 1\nseed: 2\n"), "bad.textproto:2: seed is set twice; leave one out");
  EXPECT_EQ(errorOf(std::string("\x01")).substr(0, 42), "bad.textproto:1: holds control characters,");
  EXPECT_EQ(errorOf("lora { r: 16"), "bad.textproto:1: the file ends within { …; a } is missing");
  EXPECT_EQ(errorOf(""), "bad.textproto: base_model is missing; write base_model: \"smollm2-135m\"");
  EXPECT_EQ(errorOf("precision: FP32_TRUE"),
            "bad.textproto: base_model is missing; write base_model: \"smollm2-135m\"");
  EXPECT_EQ(errorOf(good, {"lora.rank=3"}), "--set lora.rank=3: there is no field rank; it is called r here");
  EXPECT_EQ(errorOf(good, {"sequence_len=12"}),
            "--set sequence_len=12: sequence_len is 12; must be in [8, 1048576], a multiple of 8");
  EXPECT_EQ(errorOf(std::string(full) + "lora { target_modules: \"qproj\" }"),
            "bad.textproto:6: lora.target_modules names qproj; must be of q_proj, k_proj, down_proj, or all-linear "
            "alone; did you mean \"q_proj\"?");
  EXPECT_EQ(errorOf(std::string(full) + "lora { target_modules: [\"k_proj\", \"k_proj\"] }"),
            "bad.textproto:6: lora.target_modules names k_proj twice");
}

TEST_F(RecipeTest, TakesTheNamesOfLinearsFromTheModel) {
  auto targets = [&](const std::string &lora) {
    auto loaded = loadRecipe(write("good.textproto", std::string(full) + lora), {});
    EXPECT_TRUE(loaded.ok() && resolveTargets(*loaded, model).ok());
    return std::vector<std::string>(loaded->fields.lora().target_modules().begin(),
                                    loaded->fields.lora().target_modules().end());
  };
  EXPECT_EQ(targets("lora { r: 4 }"), model.defaults);
  EXPECT_EQ(targets("lora { target_modules: \"all-linear\" }"), model.linears);
  EXPECT_EQ(targets("lora { target_modules: \"down_proj\" }"), std::vector<std::string>{"down_proj"});
  EXPECT_EQ(targets(""), std::vector<std::string>());
}

TEST_F(RecipeTest, OverridesOfALoadedRecipeAreThoseOfItsFile) {
  const std::string text = std::string(full) + "global_batch_size: 32\n";
  auto loaded = loadRecipe(write("good.textproto", text), {"seed=1"});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  fs::remove(folder / "good.textproto"); // which is not read again
  // A default that follows from another field follows from its new value.
  auto changed = withOverrides(*loaded, {"micro_batch_size=2", "sequence_len=128"});
  ASSERT_TRUE(changed.ok()) << changed.status().message();
  EXPECT_EQ(changed->fields.gradient_accumulation_steps(), 16u);
  EXPECT_EQ(changed->fields.max_document_len(), 128u);
  EXPECT_EQ(changed->fields.seed(), 1u);
  auto again = loadRecipe(write("good.textproto", text), {"seed=1", "micro_batch_size=2", "sequence_len=128"});
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(changed->resolvedText, again->resolvedText);
  EXPECT_EQ(loaded->fields.micro_batch_size(), 4u);
  EXPECT_EQ(withOverrides(*loaded, {"micro_batch_size=3"}).status().message(),
            (folder / "good.textproto").string() +
                ":6: global_batch_size is 32; must be a positive multiple of micro_batch_size, which is 3");
}

TEST_F(RecipeTest, RefusesValuesOfEnumsWithoutAName) {
  EXPECT_EQ(errorOf(good + "optim: 17\n"), "bad.textproto:7: optim is 17; must be one of ADAMW, SGD, LION");
  EXPECT_EQ(errorOf(good + "optim: UNSPECIFIED\n"),
            "bad.textproto:7: optim is UNSPECIFIED; must be one of ADAMW, SGD, LION");
  EXPECT_EQ(errorOf(good, {"parallelism.strategy=9"}), "--set parallelism.strategy=9: parallelism.strategy is 9; must "
                                                       "be one of DDP, FSDP, ZERO1, ZERO2, ZERO3, HSDP, AUTO");
}

TEST_F(RecipeTest, RefusesFieldsOfABinaryRecipeThatItDoesNotKnow) {
  write("nested.pb", "\x42\x03\xf8\x07\x01"); // field 8, lora, with field 127
  EXPECT_NE(loadRecipe((folder / "nested.pb").string(), {}).status().message().find("field number 127"),
            std::string::npos);
}

TEST_F(RecipeTest, RefusesCapsThatDoNotCoverARow) {
  EXPECT_EQ(
      errorOf(good + "max_document_len: 32\n"),
      "bad.textproto:7: max_document_len is 32, and with max_documents_per_row 4 covers 128 tokens of a row; must "
      "cover sequence_len 256: set max_documents_per_row to at least 8");
  EXPECT_EQ(errorOf(good + "max_document_len: 32 max_documents_per_row: 7\n").substr(0, 15), "bad.textproto:7");
  EXPECT_EQ(errorOf(good + "max_document_len: 32 max_documents_per_row: 8\n"), "accepted");
  EXPECT_NE(errorOf(good + "max_document_len: 128 packing: false\n").find("or set packing: true"), std::string::npos);
}

TEST_F(RecipeTest, RefusesNumbersThatTrainingCannotUse) {
  EXPECT_EQ(
      errorOf(good + "template: \"alpaca\" system_prompt: \"Be brief.\""),
      "bad.textproto:7: system_prompt is set, and template alpaca has no system turn; use template: \"chatml\", or "
      "leave system_prompt out");
  EXPECT_EQ(errorOf(good + "adam_epsilon: 1e-50"), "bad.textproto:7: adam_epsilon is 1e-50; must be in [1e-37, 1]");
  EXPECT_EQ(
      errorOf(good + "data { eval: \"synthetic:x\" }"),
      "bad.textproto:7: data.eval is synthetic:x; must be a path, or synthetic:SEED with an integer in [0, 2^64), or "
      "synthetic:SEED:PERCENT or synthetic:SEED:FROM-TO with percents of a document that are masked, in [0, 99]");
}

TEST_F(RecipeTest, TextFieldsAreCheckedTogether) {
  EXPECT_EQ(errorOf(good + "template: \"chat_ml\""),
            "bad.textproto:7: template is chat_ml; must be model, chatml, alpaca or a file (with a '.' or '/' in its "
            "name); did you mean \"chatml\"?");
  EXPECT_EQ(errorOf(good + "template: \"chats/mine.jinja\" system_prompt: \"x\""), "accepted");
  EXPECT_EQ(errorOf(good + "template_variables: [\"a=b\", \"c\"]"),
            "bad.textproto:7: template_variables has c; must be NAME=VALUE");
  EXPECT_EQ(errorOf(good + "data { train: [\"a.jsonl\", \"synthetic:1\"] }"),
            "bad.textproto:7: data.train has synthetic:1 beside other data; leave one out");
  EXPECT_EQ(errorOf(good + "data { train: \"a.jsonl\" train: \"b\" targets: LAST columns { output: \"answer\" } }"),
            "accepted");
  // A list that is set replaces the one of the file.
  auto loaded =
      loadRecipe(write("good.textproto", good + "data { train: [\"a\", \"b\"] eval: \"e\" }"), {"data.train=c"});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ASSERT_EQ(loaded->fields.data().train_size(), 1);
  EXPECT_EQ(loaded->fields.data().train(0), "c");
  EXPECT_EQ(loaded->fields.data().eval(0), "e");
}

TEST_F(RecipeTest, TakesAnOverrideAsAValueAndNothingElse) {
  for (const std::string path : {R"(C:\new)", R"(a"b)", "[x]"}) {
    auto loaded = loadRecipe(write("good.textproto", good), {"output_dir=" + path});
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(loaded->fields.output_dir(), path);
  }
  EXPECT_EQ(errorOf(good, {"seed=1 packing: false"}),
            "--set seed=1 packing: false: seed is 1 packing: false; must be an integer in [0, 2^64)");
  EXPECT_EQ(errorOf(good, {"adam_beta1=\""}), "--set adam_beta1=\": adam_beta1 is \"; must be a number in [0, 1)");
  EXPECT_EQ(errorOf(good, {"output_dir=\"a"}),
            "--set output_dir=\"a: output_dir is \"a; must be text with quotes at both ends or at none, or a list of "
            "such in [ ]");
  EXPECT_EQ(errorOf(good, {"optim=a\nb"}), "--set optim=a\\x0ab: optim is a\\x0ab; must be one of ADAMW, SGD, LION");
  EXPECT_EQ(
      errorOf(good, {"offload_optimizer=1"}),
      "--set offload_optimizer=1: offload_optimizer has fields of its own, device, fraction, pin_memory; name one "
      "of them: offload_optimizer.device=VALUE");
  EXPECT_LT(errorOf(good, {"optim=" + std::string(100000, 'a')}).size(), 500u);
  EXPECT_EQ(errorOf(good, {"learning_rate="}),
            "--set learning_rate=: learning_rate is \"\"; must be a number in (0, 10]");
}

TEST_F(RecipeTest, TakesNamesOfOtherToolsWithANote) {
  const std::string text = "cutoff_len: 256 # tokens\n"
                           "lora_r: 4; lora_target_modules: [\"q_proj\", \"k_proj\"]\n"
                           "model_name_or_path: \"smollm2-135m\",\n"
                           "precision: FP32_TRUE micro_batch_size: 4 learning_rate: 1\n";
  auto loaded = loadRecipe(write("theirs.textproto", text), {"lora_alpha=32", "num_train_epochs=2"});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->fields.sequence_len(), 256u);
  EXPECT_EQ(loaded->fields.lora().r(), 4u);
  EXPECT_EQ(loaded->fields.lora().lora_alpha(), 32);
  EXPECT_EQ(loaded->fields.lora().target_modules_size(), 2);
  EXPECT_EQ(loaded->fields.base_model(), "smollm2-135m");
  EXPECT_EQ(loaded->fields.num_epochs(), 2);
  ASSERT_EQ(loaded->notes.size(), 6u);
  EXPECT_EQ(loaded->notes[1], "lora_r is taken as lora.r");
  EXPECT_EQ(loaded->notes[5], "num_train_epochs is taken as num_epochs");
  EXPECT_EQ(errorOf(std::string(full) + "lora_r: 0\n"), "bad.textproto:6: lora.r is 0; must be in [1, 1024]");
  EXPECT_EQ(errorOf(std::string(full) + "lora_r: x\n"), "bad.textproto:6: r is x; must be an integer in [1, 1024]");
  EXPECT_EQ(errorOf(good + "lora_r: 2\n").substr(0, 33), "bad.textproto:7: lora.r is set in");
  std::string many = good;
  for (int i = 0; i < 60000; ++i)
    many += "cutoff_len: 64\n"; // as many passes over the text would take minutes
  EXPECT_EQ(errorOf(many).substr(0, 40), "bad.textproto:8: sequence_len is set in ");
  EXPECT_EQ(errorOf(std::string(full) + "lora_r: {}\n"),
            "bad.textproto:6: a recipe has no field lora_r; it is called lora.r here");
}

TEST_F(RecipeTest, NotesAWarmUpAsLongAsTheRun) {
  auto notes = [&](const std::string &more) {
    auto loaded = loadRecipe(write("warm.textproto", good + more), {});
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return loaded->notes;
  };
  for (const char *all : {"max_steps: 5 warmup_steps: 5", "max_steps: 5 warmup_ratio: 0.9", "warmup_ratio: 1"}) {
    ASSERT_EQ(notes(all).size(), 1u) << all;
    EXPECT_NE(notes(all)[0].find("the learning rate never reaches learning_rate"), std::string::npos);
  }
  for (const char *part :
       {"max_steps: 5 warmup_steps: 4", "max_steps: 5 warmup_ratio: 0.8", "max_steps: 1", "num_epochs: 1"})
    EXPECT_TRUE(notes(part).empty()) << part;
}

TEST_F(RecipeTest, NotesNumbersWithWhichNothingIsTrained) {
  auto notes = [&](const std::vector<std::string> &sets) {
    auto loaded = loadRecipe(write("slip.textproto", good), sets);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return loaded->notes;
  };
  for (const auto &[set, part] :
       {std::pair("learning_rate=1e-50", "learning_rate is 1e-50: next to no weight moves"),
        {"max_grad_norm=1e-45", "max_grad_norm is 1e-45: next to nothing is left of a gradient"},
        {"lora.lora_dropout=0.9999999999", "lora.lora_dropout is 0.9999999999: next to nothing reaches"},
        {"lora.lora_alpha=1e-45", "lora.lora_alpha is 1e-45: the adapters add next to nothing"}}) {
    const std::vector<std::string> found = notes({set, "lora.r=4"});
    ASSERT_EQ(found.size(), 1u) << set;
    EXPECT_TRUE(found[0].starts_with(part)) << found[0];
  }
  for (const char *set : {"learning_rate=1e-8", "max_grad_norm=0", "lora.lora_dropout=0.9", "lora.lora_alpha=0.01"})
    EXPECT_TRUE(notes({set, "lora.r=4"}).empty()) << set;
}

TEST_F(RecipeTest, ReadsFilesWithAByteOrderMark) { EXPECT_EQ(errorOf("\xEF\xBB\xBF" + good), "accepted"); }

TEST_F(RecipeTest, AQuantisedBaseIsNamedFrozenAndReplicated) {
  auto with = [&](const std::string &line) { return errorOf(std::string(full) + line); };
  EXPECT_EQ(with("lora {} quantization { type: NF4 double_quant: true }"), "accepted");
  EXPECT_EQ(with("lora {} quantization { type: NF4 } parallelism { dp_replicate_size: 2 }"), "accepted");
  EXPECT_EQ(with("lora {} quantization { type: FP8 }"), "accepted");
  EXPECT_EQ(with("lora {} quantization { type: FP8 products: FP8 resident_transposes: TRUE }"), "accepted");
  EXPECT_EQ(with("lora {} quantization { type: FP8 products: DEQUANTIZED }"), "accepted");
  auto inF16 = [&](const std::string &line) {
    return errorOf(std::string(full) + "lora {} quantization " + line, {"precision=FP16_MIXED"});
  };
  EXPECT_EQ(inF16("{ type: NF4 }"), "accepted");
  EXPECT_EQ(inF16("{ type: FP8 }"), "accepted");
  EXPECT_EQ(
      inF16("{ type: FP8 products: FP8 }"),
      "bad.textproto:6: quantization.products is FP8, whose results are bf16 or f32, and precision is FP16_MIXED: use "
      "DEQUANTIZED, or BF16_MIXED");
  EXPECT_EQ(
      with("lora {} quantization { type: FP8 double_quant: true }"),
      "bad.textproto:6: quantization.double_quant is true; scales of FP8, one a row, are not quantised: leave it out");
  EXPECT_EQ(with("lora {} quantization { type: FP8 products: DEQUANTIZED resident_transposes: TRUE }"),
            "bad.textproto:6: quantization.resident_transposes belongs to products of FP8; quantization.products is "
            "DEQUANTIZED: leave it out");
  EXPECT_EQ(
      with("lora {} quantization { type: NF4 products: FP8 }"),
      "bad.textproto:6: quantization.products belongs to quantization.type FP8; products of NF4 always read numbers: "
      "leave it out");
  EXPECT_EQ(with("lora {} quantization { double_quant: true }"),
            "bad.textproto: quantization.type is missing; write quantization { type: NF4 }");
  EXPECT_EQ(
      with("quantization { type: NF4 }"),
      "bad.textproto:6: quantization.type is NF4, and weights in few bits cannot be trained: add lora {}, or leave "
      "quantization out");
  EXPECT_NE(with("lora {} quantization { type: NF4 } parallelism { strategy: FSDP }").find("parallelism.strategy"),
            std::string::npos);
}

TEST_F(RecipeTest, GradientsAreExchangedInBf16WhereThatIsAChoice) {
  auto with = [&](const std::string &lines, const std::string &precision = "BF16_MIXED") {
    return errorOf(
        "base_model: \"smollm2-135m\" sequence_len: 256 micro_batch_size: 4 learning_rate: 1e-4\nprecision: " +
        precision + "\nparallelism { dp_replicate_size: 2 reduce_dtype: BF16 }\n" + lines);
  };
  EXPECT_EQ(with(""), "accepted");
  EXPECT_EQ(with("gradient_accumulation_steps: 2"),
            "bad.textproto:3: parallelism.reduce_dtype is BF16, and gradient_accumulation_steps 2: sums of "
            "micro-batches stay in F32; use F32, or one micro-batch a step");
  for (const std::string &refused : {with("lora {}"), with("", "BF16_TRUE")})
    EXPECT_EQ(refused, "bad.textproto:3: parallelism.reduce_dtype is set; only gradients of full fine-tuning in "
                       "BF16_MIXED leave a choice: leave it out");
}

TEST_F(RecipeTest, BudgetsAreBytesWithOrWithoutAUnit) {
  auto budget = [&](const std::string &text) {
    auto loaded = loadRecipe(write("good.textproto", good), {"memory_budget=" + text});
    return loaded.ok() ? memoryBudgetOf(loaded->fields) : 0;
  };
  EXPECT_EQ(budget("24000000001"), 24000000001u);
  EXPECT_EQ(budget("24GB"), 24000000000u);
  EXPECT_EQ(budget("22.5 GiB"), uint64_t(45) << 29);
  EXPECT_EQ(budget("1MiB"), 1u << 20);
  EXPECT_EQ(errorOf(good, {"memory_budget=24Gb"}),
            "--set memory_budget=24Gb: memory_budget is \"24Gb\"; must be bytes in [1, 2^63), or a number with a unit: "
            "\"24GB\", \"22.5GiB\", MB, MiB, TB or TiB");
  for (const char *wrong : {"0", "-1GB", "GB", "1e30", "24 GB ", "nan", "99999999TB"})
    EXPECT_EQ(budget(wrong), 0u) << wrong;
}

TEST_F(RecipeTest, RowsOfAMicroBatchMayBeOpen) {
  const std::string open = "micro_batch_size=AUTO";
  auto loaded = loadRecipe(write("good.textproto", good), {open, "global_batch_size=12"});
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->fields.micro_batch_size(), recipe::MicroBatchSize::AUTO);
  EXPECT_EQ(loaded->fields.global_batch_size(), 12u);
  EXPECT_EQ(errorOf(good, {open}), "--set micro_batch_size=AUTO: micro_batch_size is AUTO, which divides "
                                   "global_batch_size: set that, and leave gradient_accumulation_steps out");
  EXPECT_NE(errorOf(good, {open, "global_batch_size=3", "parallelism.dp_replicate_size=2"})
                .find("global_batch_size is 3; must be a positive multiple of the ranks, which are 2"),
            std::string::npos);
  EXPECT_EQ(errorOf(good, {"micro_batch_size=0"}),
            "--set micro_batch_size=0: micro_batch_size is 0; must be in [1, 65536], or AUTO");
  EXPECT_EQ(errorOf(good, {"micro_batch_size=many"}), "--set micro_batch_size=many: micro_batch_size is many; must be "
                                                      "an integer in [1, 65536], or AUTO");
}

TEST_F(RecipeTest, TakesBooleansOfOtherTools) {
  auto mode = [&](const std::string &text, const std::vector<std::string> &sets) {
    auto loaded = loadRecipe(write("good.textproto", good + text), sets);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_TRUE(loaded->notes.empty() || loaded->notes.back().find("gradient_checkpointing") != std::string::npos);
    return loaded->fields.gradient_checkpointing();
  };
  using recipe::GradientCheckpointing;
  EXPECT_EQ(mode("", {}), GradientCheckpointing::NONE);
  EXPECT_EQ(mode("gradient_checkpointing: true\n", {}), GradientCheckpointing::FULL);
  EXPECT_EQ(mode("packing: true, gradient_checkpointing: false seed: 3\n", {}), GradientCheckpointing::NONE);
  EXPECT_EQ(mode("use_gradient_checkpointing: true\n", {}), GradientCheckpointing::FULL);
  EXPECT_EQ(mode("", {"gradient_checkpointing=true"}), GradientCheckpointing::FULL);
  EXPECT_EQ(mode("", {"enable_activation_checkpointing=SELECTIVE"}), GradientCheckpointing::SELECTIVE);
  EXPECT_EQ(
      errorOf(good, {"gradient_checkpointing=yes"}),
      "--set gradient_checkpointing=yes: gradient_checkpointing is yes; must be one of NONE, AUTO, SELECTIVE, FULL");
}

TEST_F(RecipeTest, EvaluationHasTheBoundOnTargetsOfTraining) {
  auto bounds = [&](const std::string &lines) {
    auto loaded = loadRecipe(write("good.textproto", std::string(full) + lines), {});
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return std::pair(loaded->fields.max_target_tokens(), loaded->fields.max_eval_target_tokens());
  };
  using Bounds = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(bounds(""), Bounds(0, 0));
  EXPECT_EQ(bounds("max_target_tokens: 100\n"), Bounds(100, 100));
  EXPECT_EQ(bounds("max_target_tokens: 100 max_eval_target_tokens: 7\n"), Bounds(100, 7));
  EXPECT_EQ(bounds("max_eval_target_tokens: 7\n"), Bounds(0, 7));
  EXPECT_EQ(errorOf(std::string(full) + "max_target_tokens: 0"),
            "bad.textproto:6: max_target_tokens is 0; must be in [1, 1073741824]");
  EXPECT_EQ(errorOf(std::string(full) + "max_eval_target_tokens: 1073741825"),
            "bad.textproto:6: max_eval_target_tokens is 1073741825; must be in [1, 1073741824]");
}

TEST_F(RecipeTest, RefusesWhatIsNotSupportedYetByName) {
  auto with = [&](const std::string &line) { return errorOf(std::string(full) + line); };
  EXPECT_EQ(with("lora {} quantization { type: INT8 }"),
            "bad.textproto:6: quantization.type asks for INT8, which is not supported yet; use FP8 or NF4");
  EXPECT_EQ(errorOf(good, {"quantization.type=INT8"}).substr(0, 29), "--set quantization.type=INT8:");
  EXPECT_EQ(errorOf(good, {"parallelism.reduce_dtype=INT8"}),
            "--set parallelism.reduce_dtype=INT8: parallelism.reduce_dtype asks for INT8, which is not supported yet; "
            "use BF16");
  EXPECT_EQ(with("optimizer_state_dtype: INT8"), "accepted");
  EXPECT_EQ(with("optimizer_state_dtype: INT8 lora {}"), "accepted");
  EXPECT_EQ(with("optimizer_state_dtype: INT8 optim: SGD"),
            "bad.textproto:6: optimizer_state_dtype is INT8, which is for optim ADAMW; use F32");
  EXPECT_EQ(
      errorOf(good, {"optimizer_state_dtype=INT8", "precision=FP64_TRUE"}),
      "--set optimizer_state_dtype=INT8: optimizer_state_dtype is INT8, which is for all precisions but FP64_TRUE; "
      "use F32");
  EXPECT_EQ(with("activation_offload: TRUE"), "accepted");
  EXPECT_NE(with("activation_offload: 7").find("activation_offload is 7; must be one of AUTO, TRUE, FALSE"),
            std::string::npos);
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
  auto refused = [&](const std::string &text, const std::string &part) {
    write("targets/mine.textproto", text);
    const std::string message = loadTarget(folder.string(), "mine").status().message();
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const std::string rates = "name: \"mine\" f32_tflops: 1 sustained_share: 1 gemm_memory_share: 1 row_memory_share: 1 "
                            "memory_gb_per_s: 1 link_gb_per_s: 1 host_gb_per_s: 1 column_partials: 1 "
                            "head_chunk_tokens: 1 attention_tile_rows: 1 ";
  refused(rates, "documents_multiple is 0; must be in [1, 1048576]");
  refused(rates + "documents_multiple: 1 multiprocessors: 1", "gemm_tile_rows is 0; must be in [1, 1048576]");
  refused(rates + "documents_multiple: 1 library_attention: true attention_share: 1", "attention_measured_lanes is 0");
  refused(rates + "documents_multiple: 1 cards_per_host: 8", "peer_gb_per_s is 0; must be in [0.001, 1000000000000]");
  refused(rates + "documents_multiple: 1 collective_us: -1", "collective_us is -1; must be in [0, 1000000]");
  refused(rates + "documents_multiple: 1 network_gb_per_s: -1",
          "network_gb_per_s is -1; must be in [0, 1000000000000]");
  refused(rates + "documents_multiple: 1 reduction_takes: 11", "reduction_takes is 11; must be in [0, 10]");
  refused(rates + "documents_multiple: 1 f16_tflops: -1", "f16_tflops is -1; must be in [1e-06, 1000000000000]");
  refused(rates + "documents_multiple: 1 gather_takes: -1", "gather_takes is -1; must be in [0, 10]");
  for (const char *field :
       {"memory_bytes", "outside_arenas_bytes", "outside_bytes_per_exchange", "gemm_workspace_bytes",
        "host_memory_bytes", "nccl_bytes", "multiprocessors", "padded_head_dim"})
    refused(rates + fmt::format("documents_multiple: 1 {}: 18446744073709551615", field),
            fmt::format("{} is 1.8446744073709552e+19; must be in [0, ", field));
  refused(std::string((1 << 20) + 1, '#'), "has 1048577 bytes; a target file has at most 1048576");
  fs::remove(folder / "targets/mine.textproto");
  fs::create_symlink("mine.textproto", folder / "targets/mine.textproto");
  EXPECT_NE(loadTarget(folder.string(), "mine").status().message().find("mine.textproto: cannot open: "),
            std::string::npos);
  fs::remove(folder / "targets/mine.textproto");
  EXPECT_NE(
      loadTarget(folder.string(), "mine").status().message().find("targets holds no target files; set FTC_RECIPES_DIR"),
      std::string::npos);
  write("targets/mine.textproto", rates + "documents_multiple: 1"); // what is not there needs no numbers
  EXPECT_TRUE(loadTarget(folder.string(), "mine").ok());
  refused("name: \"mine\"\nf32_tflop: 1", "mine.textproto:2: Message type \"ft.recipe.TargetSpec\" has no field");
  refused("name: \"yours\"", "name is \"yours\"; must be \"mine\"");
}

} // namespace
