#include "runtime/Weights/RunTexts.h"
#include "runtime/Support/Json.h"
#include "runtime/Weights/SafetensorsWriter.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;

struct Folder {
  ScratchFolder scratch;
  plan::Plan plan;

  explicit Folder(const Json &config) {
    auto writer = SafetensorsWriter::create(scratch.path("model.safetensors"), {{"a", plan::F32, {0}}});
    FT_EXPECT_OK(writer->finish());
    scratch.write("config.json", config.dump());
  }
  void add(const std::string &file, const std::string &content) {
    plan::Text *text = plan.add_texts();
    text->set_file(file);
    text->set_content(content);
  }
  std::vector<std::string> complete(std::optional<uint32_t> end, std::string model = "") {
    auto source = ModelSource::open(model.empty() ? scratch.path() : model);
    EXPECT_TRUE(source.ok()) << source.status().message();
    auto notes = completeTexts(plan, *source, end);
    EXPECT_TRUE(notes.ok()) << notes.status().message();
    return *notes;
  }
  Json text(int index) const { return Json::parse(plan.texts(index).content()); }
};

TEST(RunTexts, AnAdapterNamesItsBase) {
  Folder folder{Json::object()};
  folder.add("adapter_config.json", R"({"base_model_name_or_path":"","r":8})");
  const auto notes = folder.complete(std::nullopt);
  EXPECT_EQ(folder.text(0), (Json{{"base_model_name_or_path", folder.scratch.path()}, {"r", 8}}));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("a path of this machine"), std::string::npos);

  const std::string named = R"({"base_model_name_or_path":"org/name"})";
  folder.plan.mutable_texts(0)->set_content(named);
  EXPECT_TRUE(folder.complete(std::nullopt).empty());
  EXPECT_EQ(folder.plan.texts(0).content(), named);

  folder.plan.mutable_texts(0)->set_content(R"({"base_model_name_or_path":""})");
  EXPECT_TRUE(folder.complete(std::nullopt, "seeded:3").empty());
  EXPECT_EQ(folder.text(0)["base_model_name_or_path"], "seeded:3");
}

TEST(RunTexts, AModelKeepsWhatItsOwnConfigSays) {
  const Json own = {{"hidden_size", 64},  {"bos_token_id", 7},   {"eos_token_id", 8}, {"pad_token_id", 9},
                    {"dtype", "float16"}, {"rms_norm_eps", 1.0}, {"max_length", 20},  {"some_flag_of_it", false}};
  const std::string planned = R"({"bos_token_id":1,"eos_token_id":2,"torch_dtype":"bfloat16"})";
  Folder folder{own};
  folder.add("config.json", planned);
  folder.complete(8);
  Json expected = own;
  expected.erase("dtype");
  expected["torch_dtype"] = "bfloat16";
  EXPECT_EQ(folder.text(0), expected);
  EXPECT_NE(folder.plan.texts(0).content().find("\"rms_norm_eps\": 1.0"), std::string::npos);

  folder.plan.mutable_texts(0)->set_content(planned);
  folder.complete(std::nullopt, "seeded:1");
  EXPECT_EQ(folder.plan.texts(0).content(), planned);
}

TEST(RunTexts, WhatEndsTheSamplesEndsAText) {
  Folder folder{{{"eos_token_id", 2}}};
  folder.add("config.json", "{}");
  folder.add("generation_config.json", R"({"eos_token_id":[2,5]})");
  folder.add("generation_config.json", R"({"eos_token_id": 6 })");
  folder.add("generation_config.json", "{}");
  folder.add("template.txt", "no JSON");
  folder.complete(6);
  EXPECT_EQ(folder.text(0)["eos_token_id"], Json({6, 2}));
  EXPECT_EQ(folder.text(1)["eos_token_id"], Json({6, 2, 5}));
  EXPECT_EQ(folder.plan.texts(2).content(), R"({"eos_token_id": 6 })");
  EXPECT_EQ(folder.text(3)["eos_token_id"], 6);
}

TEST(RunTexts, OfAGgufFileTheIdsAreTaken) {
  Folder folder{Json::object()};
  GgufDraft draft;
  draft.header(0, 2);
  draft.name("tokenizer.ggml.bos_token_id").add<uint32_t>(4).add<uint32_t>(11);
  draft.name("tokenizer.ggml.eos_token_id").add<uint32_t>(4).add<uint32_t>(12);
  folder.add("config.json", R"({"bos_token_id":1,"eos_token_id":2,"pad_token_id":3})");
  folder.complete(12, folder.scratch.write("m.gguf", draft.text));
  EXPECT_EQ(folder.text(0), (Json{{"bos_token_id", 11}, {"eos_token_id", 12}, {"pad_token_id", 3}}));
}

TEST(RunTexts, SaysWhatCannotBeCompleted) {
  Folder folder{Json::object()};
  folder.add("generation_config.json", "[]");
  const auto notes = folder.complete(3);
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("generation_config.json: the root is a JSON array"), std::string::npos);
  EXPECT_EQ(folder.plan.texts(0).content(), "[]");
  folder.add("adapter_config.json", "[]");
  auto source = ModelSource::open(folder.scratch.path());
  expectError(completeTexts(folder.plan, *source, 3).status(), "adapter_config.json: the root is a JSON array");
}

} // namespace
} // namespace ft::rt
