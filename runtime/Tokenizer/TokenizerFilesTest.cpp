#include "runtime/Tokenizer/TokenizerFiles.h"
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

void expectSame(const TokenizerSpec &again, const TokenizerSpec &spec) {
  EXPECT_EQ(again.normalizer, spec.normalizer);
  EXPECT_EQ(again.preTokenizer, spec.preTokenizer);
  EXPECT_EQ(again.tokens, spec.tokens);
  EXPECT_EQ(again.model, spec.model);
  EXPECT_EQ(again.added, spec.added);
  EXPECT_EQ(again.decoder, spec.decoder);
  EXPECT_EQ(again.prefix, spec.prefix);
  EXPECT_EQ(again.suffix, spec.suffix);
  EXPECT_EQ(again.bos, spec.bos);
  EXPECT_EQ(again.eos, spec.eos);
  EXPECT_EQ(digestOf(again), digestOf(spec));
}

TEST_P(TokenizerFiles, ComeBackAsTheyWere) {
  const std::string path = std::string("test/goldens/text/") + GetParam();
  auto spec = readJsonTokenizer(path);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  folder.write("tokenizer.json", tokenizerJson(*spec));
  folder.write("tokenizer_config.json", tokenizerConfigJson(*spec, "{{ messages }}"));
  auto again = readJsonTokenizer(folder.path());
  ASSERT_TRUE(again.ok()) << again.status().message();
  expectSame(*again, *spec);
}
INSTANTIATE_TEST_SUITE_P(All, TokenizerFiles,
                         ::testing::Values("gpt2", "digits", "llama3", "forms/qwen2", "forms/tekken", "forms/llama2",
                                           "forms/mistral", "forms/gemma", "forms/mixed", "forms/words"),
                         [](const auto &info) {
                           const std::string name = info.param;
                           return name.substr(name.find('/') + 1);
                         });

class SentencePieceFiles : public TokenizerFiles {};

TEST_P(SentencePieceFiles, ComeBackAsTheyWere) {
  auto spec = readSentencePieceTokenizer(std::string("test/goldens/text/forms/") + GetParam());
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  folder.write("tokenizer.model", sentencePieceModel(*spec));
  folder.write("tokenizer_config.json", tokenizerConfigJson(*spec, ""));
  auto again = readSentencePieceTokenizer(folder.path());
  ASSERT_TRUE(again.ok()) << again.status().message();
  expectSame(*again, *spec);
}
INSTANTIATE_TEST_SUITE_P(All, SentencePieceFiles,
                         ::testing::Values("sp_llama", "sp_open_llama", "sp_unigram", "sp_suffix", "sp_gemma"),
                         [](const auto &info) { return std::string(info.param); });

TEST_F(TokenizerFiles, NameTheChatTemplate) {
  TokenizerSpec spec;
  EXPECT_EQ(nlohmann::json::parse(tokenizerConfigJson(spec, "{{ a }}"))["chat_template"], "{{ a }}");
  EXPECT_FALSE(nlohmann::json::parse(tokenizerConfigJson(spec, "")).contains("chat_template"));
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
