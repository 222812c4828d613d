#include "runtime/Text/TokenizerFiles.h"
#include "runtime/Weights/WeightsTesting.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace ft::rt;
using namespace std::string_view_literals;

namespace {

class TokenizerFiles : public ::testing::TestWithParam<const char *> {
protected:
  ft::rt::testing::ScratchFolder folder;
};

TEST_P(TokenizerFiles, ComeBackAsTheyWere) {
  auto spec = readJsonTokenizer(std::string("test/goldens/text/") + GetParam());
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  auto text = tokenizerJson(*spec);
  ASSERT_TRUE(text.ok()) << text.status().message();
  folder.write("tokenizer.json", *text);
  folder.write("tokenizer_config.json", tokenizerConfigJson(*spec, "{{ messages }}"));
  auto again = readJsonTokenizer(folder.path());
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
INSTANTIATE_TEST_SUITE_P(All, TokenizerFiles, ::testing::Values("gpt2", "digits", "llama3"),
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
  folder.write("tokenizer.json", "{}");
  folder.write("chat_template.jinja", "{{ messages }}");
  folder.write("notes.txt", "mine");
  folder.write("model.safetensors", ft::rt::testing::safetensorsText(
                                        R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "\0\0\0\0"sv));
  for (const std::string &path : {folder.path(), folder.path("model.safetensors")}) {
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
