#include "runtime/Text/TextCodec.h"

#include "runtime/Text/TextTestUtils.h"

using namespace ft::rt;

namespace {

TEST(PromptTemplate, AlpacaIsStanfords) {
  auto alpaca = PromptTemplate::named("alpaca");
  ASSERT_TRUE(alpaca.ok());
  EXPECT_EQ(alpaca->prompt("Add.", "1 2"),
            "Below is an instruction that describes a task, paired with an input that provides further context. Write "
            "a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n"
            "### Response:");
  EXPECT_EQ(alpaca->prompt("Add.", ""),
            "Below is an instruction that describes a task. Write a response that appropriately completes the "
            "request.\n\n### Instruction:\nAdd.\n\n### Response:");
  EXPECT_EQ(alpaca->endOfTurn(), "");
}

/// tokenizer.chat_template of SmolLM2-135M-Instruct, rendered by hand for one user message with a generation prompt.
TEST(PromptTemplate, ChatmlWithItsSystemPromptIsSmolLm2s) {
  auto chatml = PromptTemplate::named("chatml", "You are a helpful AI assistant named SmolLM, trained by Hugging Face");
  ASSERT_TRUE(chatml.ok());
  EXPECT_EQ(chatml->prompt("Define the word.", "x (noun)"),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nDefine the word.\nx (noun)<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(chatml->prompt("Hi", ""),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_NE(chatml->text().find("{response}<|im_end|>"), std::string::npos);
  EXPECT_NE(chatml->digest(), PromptTemplate::named("alpaca")->digest());
}

/// No text that nobody asked for.
TEST(PromptTemplate, ChatmlHasNoSystemTurnOfItsOwn) {
  auto chatml = PromptTemplate::named("chatml"), other = PromptTemplate::named("chatml", "{input}");
  ASSERT_TRUE(chatml.ok() && other.ok());
  EXPECT_EQ(chatml->prompt("Hi", ""), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(other->prompt("Hi", "x").find("<|im_start|>system\n{input}<|im_end|>\n<|im_start|>user\nHi\nx<"), 0u);
  EXPECT_NE(chatml->digest(), other->digest());
  EXPECT_EQ(PromptTemplate::named("alpaca", "Be brief.").status().message(),
            "template alpaca has no system turn, and there is a system prompt; use template chatml, or leave "
            "system_prompt out");
}

TEST(PromptTemplate, PlaceholdersInSamplesStay) {
  EXPECT_NE(PromptTemplate::named("chatml")->prompt("{input}", "{instruction}").find("\n{input}\n{instruction}<"),
            std::string::npos);
}

TEST(PromptTemplate, UnknownNameGetsASuggestion) {
  auto result = PromptTemplate::named("chat_ml");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(),
            "template \"chat_ml\" is not known; must be alpaca or chatml; did you mean \"chatml\"?");
}

TEST(TextCodec, JoinsPromptAndResponseAndTrainsTheEnd) {
  const TextCodec codec = testCodec();
  auto prompt = codec.encodePrompt("Say", "it");
  auto document = codec.encodeSample({"Say", "it", "Hello", 0}, 1000);
  ASSERT_TRUE(prompt.ok() && document.ok());
  std::vector<uint32_t> expected = *prompt;
  ASSERT_TRUE(codec.tokenizer().encode("Hello", expected).ok());
  expected.push_back(*codec.tokenizer().special("<|im_end|>"));
  EXPECT_EQ(document->ids, expected);
  EXPECT_EQ(document->prompt, prompt->size());
  EXPECT_FALSE(document->truncated);
  EXPECT_EQ(codec.decode(std::span(document->ids).subspan(document->prompt)), "Hello");
  EXPECT_TRUE(codec.isEndOfTurn(document->ids.back()));
  EXPECT_TRUE(codec.isEndOfTurn(*codec.tokenizer().eos()));
  EXPECT_FALSE(codec.isEndOfTurn(document->ids[0]));
}

TEST(TextCodec, AlpacaEndsWithTheTokenizersEnd) {
  const TextCodec codec = testCodec("alpaca");
  auto document = codec.encodeSample({"Say", "", "Hello", 0}, 1000);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->ids.back(), *codec.tokenizer().eos());
}

TEST(TextCodec, BosOnlyWhereTheTokenizerAsks) {
  auto llama = TextCodec::load("test/goldens/text/llama3", "alpaca", "");
  ASSERT_TRUE(llama.ok());
  EXPECT_EQ(llama->encodePrompt("x", "")->front(), *llama->tokenizer().bos());
  auto without = testCodec("alpaca").encodePrompt("x", "");
  ASSERT_TRUE(without.ok());
  EXPECT_TRUE(testCodec("alpaca").tokenizer().decode(*without, false).starts_with("Below is an"));
}

TEST(TextCodec, CutSamplesLoseTheirEnd) {
  const TextCodec codec = testCodec();
  auto whole = codec.encodeSample({"Say", "it", "Hello world", 0}, 1000);
  ASSERT_TRUE(whole.ok());
  const auto length = uint32_t(whole->ids.size());
  auto exact = codec.encodeSample({"Say", "it", "Hello world", 0}, length);
  EXPECT_FALSE(exact->truncated);
  auto cut = codec.encodeSample({"Say", "it", "Hello world", 0}, length - 1);
  EXPECT_TRUE(cut->truncated);
  EXPECT_EQ(cut->ids.size(), length - 1);
  EXPECT_NE(cut->ids.back(), codec.endOfTurn());
  auto promptOnly = codec.encodeSample({"Say", "it", "Hello world", 0}, 5);
  EXPECT_EQ(promptOnly->ids.size(), 5u);
  EXPECT_EQ(promptOnly->prompt, 5u);
}

TEST(TextCodec, TemplateMustFitTheTokenizer) {
  TokenizerSpec spec;
  spec.source = "tiny";
  spec.preTokenizer = {ByteLevelStep()};
  spec.tokens = {"a"};
  auto refusal = [&](const char *name) {
    auto tokenizer = Tokenizer::create(spec);
    EXPECT_TRUE(tokenizer.ok());
    auto codec = TextCodec::create(std::move(*tokenizer), name);
    EXPECT_FALSE(codec.ok());
    return codec.status().message();
  };
  EXPECT_EQ(refusal("chatml"), "tiny: template chatml ends a turn with <|im_end|>, which the tokenizer does not have; "
                               "use a template that fits the model");
  EXPECT_EQ(refusal("alpaca"), "tiny: template alpaca ends a turn with the end-of-text token, which the tokenizer does "
                               "not have; use a template that fits the model");
}

} // namespace
