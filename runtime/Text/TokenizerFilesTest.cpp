#include "runtime/Text/TokenizerFiles.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {

class TokenizerFiles : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / ("ftc-tokenizer-files-" + std::to_string(getpid()));
    fs::create_directories(folder);
  }
  void TearDown() override { fs::remove_all(folder); }
  void write(const std::string &name, const std::string &content) {
    std::ofstream(folder / name, std::ios::binary) << content;
  }
  fs::path folder;
};

TEST_P(TokenizerFiles, ComeBackAsTheyWere) {
  auto spec = readJsonTokenizer(std::string("test/goldens/text/") + GetParam());
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  auto text = tokenizerJson(*spec);
  ASSERT_TRUE(text.ok()) << text.status().message();
  write("tokenizer.json", *text);
  write("tokenizer_config.json", tokenizerConfigJson(*spec, "{{ messages }}"));
  auto again = readJsonTokenizer(folder.string());
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(again->pre, spec->pre);
  EXPECT_EQ(again->tokens, spec->tokens);
  EXPECT_EQ(again->kinds, spec->kinds);
  EXPECT_EQ(again->normalized, spec->normalized);
  EXPECT_EQ(again->merges, spec->merges);
  EXPECT_EQ(again->ignoreMerges, spec->ignoreMerges);
  EXPECT_EQ(again->addBos, spec->addBos);
  EXPECT_EQ(again->bos, spec->bos);
  EXPECT_EQ(again->eos, spec->eos);
}
INSTANTIATE_TEST_SUITE_P(All, TokenizerFiles, testing::Values("gpt2", "digits", "llama3"),
                         [](const auto &info) { return std::string(info.param); });

TEST_F(TokenizerFiles, NamesTheChatTemplateAndRefusesAnUnknownPreTokenizer) {
  TokenizerSpec spec;
  spec.pre = "gpt-2";
  EXPECT_EQ(nlohmann::json::parse(tokenizerConfigJson(spec, "{{ a }}"))["chat_template"], "{{ a }}");
  EXPECT_FALSE(nlohmann::json::parse(tokenizerConfigJson(spec, "")).contains("chat_template"));
  spec.pre = "qwen2";
  EXPECT_NE(tokenizerJson(spec).status().message().find("pre-tokenizer \"qwen2\" is not known"), std::string::npos);
}

TEST_F(TokenizerFiles, AreCopiedFromAFolderAndNoneOfASeed) {
  write("tokenizer.json", "{}");
  write("chat_template.jinja", "{{ messages }}");
  write("notes.txt", "mine");
  // One f32 tensor t of one number.
  const std::string header = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const uint64_t size = header.size();
  write("model.safetensors", std::string(reinterpret_cast<const char *>(&size), 8) + header + std::string(4, '\0'));
  for (const std::string &path : {folder.string(), (folder / "model.safetensors").string()}) {
    auto model = ModelSource::open(path);
    ASSERT_TRUE(model.ok()) << model.status().message();
    auto files = tokenizerFiles(*model);
    ASSERT_TRUE(files.ok()) << files.status().message();
    ASSERT_EQ(files->size(), 2u);
    EXPECT_EQ((*files)[0].name, "tokenizer.json");
    EXPECT_EQ((*files)[1].content, "{{ messages }}");
  }
  EXPECT_TRUE(tokenizerFiles(*ModelSource::open("seeded:1"))->empty());
}

} // namespace
