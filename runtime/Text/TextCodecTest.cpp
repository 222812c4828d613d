#include "runtime/Text/TextCodec.h"

#include "runtime/Text/TextTestUtils.h"

using namespace ft::rt;

namespace {

TEST(PromptTemplate, AlpacaIsStanfords) {
  EXPECT_EQ(PromptTemplate::alpaca("Add.", "1 2"),
            "Below is an instruction that describes a task, paired with an input that provides further context. Write "
            "a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 2\n\n"
            "### Response:");
  EXPECT_EQ(PromptTemplate::alpaca("Add.", ""),
            "Below is an instruction that describes a task. Write a response that appropriately completes the "
            "request.\n\n### Instruction:\nAdd.\n\n### Response:");
}

std::string chatml(std::string_view systemPrompt, const std::string &instruction, const std::string &input) {
  auto chosen = PromptTemplate::choose({"chatml", std::string(systemPrompt), {}, false, ""}, {});
  EXPECT_TRUE(chosen.ok()) << chosen.status().message();
  Sample sample;
  sample.instruction = instruction;
  sample.input = input;
  std::vector<jinja::Value> messages = chosen->messagesOf(sample);
  messages.pop_back();
  auto text = chosen->chat()->render(messages, jinja::Value::none(), /*generates=*/true);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return *text;
}

/// tokenizer.chat_template of SmolLM2-135M-Instruct, rendered by hand for one user message with a generation prompt.
TEST(PromptTemplate, ChatmlWithItsSystemPromptIsSmolLm2s) {
  const std::string_view system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  EXPECT_EQ(chatml(system, "Define the word.", "x (noun)"),
            "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
            "<|im_start|>user\nDefine the word.\nx (noun)<|im_end|>\n<|im_start|>assistant\n");
  // No text that nobody asked for, and samples are no templates.
  EXPECT_EQ(chatml("", "{{ Hi }}", ""), "<|im_start|>user\n{{ Hi }}<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(PromptTemplate::alpaca("{input}", "{instruction}").find("{input}\n\n### Input:\n{instruction}\n\n") ==
                std::string::npos,
            false);
}

TEST(PromptTemplate, IsChosenByNameAndWhatTheModelHas) {
  auto refusal = [](const TextOptions &options, const ModelTemplate &model = {}) {
    auto chosen = PromptTemplate::choose(options, model);
    EXPECT_FALSE(chosen.ok());
    return chosen.status().message();
  };
  EXPECT_EQ(refusal({"chat_ml", "", {}, false, ""}),
            "template \"chat_ml\" is not known; must be model, chatml, alpaca or a file; did you mean \"chatml\"?");
  EXPECT_EQ(refusal({"alpaca", "Be brief.", {}, false, ""}),
            "template alpaca has no system turn, and there is a system prompt; use template chatml, or leave "
            "system_prompt out");
  EXPECT_NE(refusal({"model", "", {}, false, ""}).find("the model has no chat template"), std::string::npos);
  EXPECT_EQ(refusal({"./no.jinja", "", {}, false, "/tmp"}), "template \"./no.jinja\" not found; tried /tmp/no.jinja, "
                                                            "./no.jinja");
  EXPECT_EQ(refusal({"chatml", "", {"strftime_now=today"}, false, ""}),
            "template_variables: strftime_now is today; must be a day, as 2025-01-31");
  EXPECT_EQ(refusal({"chatml", "", {"messages=1"}, false, ""}),
            "template_variables sets messages, which the data says");
  ModelTemplate model;
  EXPECT_EQ(PromptTemplate::choose({}, model)->name(), "alpaca");
  model.text = "{{ messages[0].content }}{{ x }}{{ strftime_now('%d %b %Y, %A') }}{{ bos_token }}";
  model.tokens = {{"bos_token", "<s>"}};
  auto own = PromptTemplate::choose({"", "", {"x=true", "strftime_now=2025-01-31"}, false, ""}, model);
  ASSERT_TRUE(own.ok()) << own.status().message();
  EXPECT_EQ(own->name(), "model");
  const std::vector<jinja::Value> messages = {chatMessage("user", "Hi ")};
  EXPECT_EQ(*own->chat()->render(messages, jinja::Value::none(), false), "Hi True31 Jan 2025, Friday<s>");
  auto other = PromptTemplate::choose({"", "", {"x=false", "strftime_now=2025-01-31"}, false, ""}, model);
  EXPECT_NE(own->digest(), other->digest());
}

Sample sample(std::string instruction, std::string input, std::string output) {
  Sample made;
  made.instruction = std::move(instruction);
  made.input = std::move(input);
  made.output = std::move(output);
  return made;
}

TEST(TextCodec, JoinsPromptAndResponseAndTrainsTheEnd) {
  const TextCodec codec = testCodec();
  auto prompt = codec.encodePrompt("Say", "it");
  auto document = codec.encodeSample(sample("Say", "it", "Hello"), 1000);
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
  auto document = codec.encodeSample(sample("Say", "", "Hello"), 1000);
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->ids.back(), *codec.tokenizer().eos());
}

TEST(TextCodec, BosOnlyWhereTheTokenizerAsks) {
  auto llama = TextCodec::load("test/goldens/text/llama3", {"alpaca", "", {}, false, ""});
  ASSERT_TRUE(llama.ok());
  EXPECT_EQ(llama->encodePrompt("x", "")->front(), *llama->tokenizer().bos());
  auto without = testCodec("alpaca").encodePrompt("x", "");
  ASSERT_TRUE(without.ok());
  EXPECT_TRUE(testCodec("alpaca").tokenizer().decode(*without, false).starts_with("Below is an"));
}

/// A model that the Hub's cache has brings its tokenizer and its template.
TEST(TextCodec, FindsAModelOfTheHub) {
  namespace fs = std::filesystem;
  const fs::path cache = testing::TempDir() + "codec-hub", model = cache / "models--own--er";
  fs::remove_all(cache);
  fs::create_directories(model / "refs");
  fs::create_directories(model / "snapshots" / "1a");
  std::ofstream(model / "refs" / "main") << "1a";
  fs::copy("test/goldens/text/llama3", model / "snapshots" / "1a");
  std::ofstream(model / "snapshots" / "1a" / "chat_template.jinja") << "{{ raise_exception('mine') }}";
  const char *before = std::getenv("HF_HUB_CACHE");
  const std::optional<std::string> kept = before ? std::optional<std::string>(before) : std::nullopt;
  setenv("HF_HUB_CACHE", cache.c_str(), 1);
  EXPECT_TRUE(TextCodec::load("own/er", {"alpaca", "", {}, false, ""}).ok());
  const auto templated = TextCodec::load("own/er", {"model", "", {}, false, ""});
  EXPECT_NE(templated.status().message().find("the template refuses this chat: mine"), std::string::npos)
      << templated.status().message();
  kept ? setenv("HF_HUB_CACHE", kept->c_str(), 1) : unsetenv("HF_HUB_CACHE");
  fs::remove_all(cache);
}

TEST(TextCodec, CutSamplesLoseTheirEnd) {
  const TextCodec codec = testCodec();
  auto whole = codec.encodeSample(sample("Say", "it", "Hello world"), 1000);
  ASSERT_TRUE(whole.ok());
  const auto length = uint32_t(whole->ids.size());
  auto exact = codec.encodeSample(sample("Say", "it", "Hello world"), length);
  EXPECT_FALSE(exact->truncated);
  auto cut = codec.encodeSample(sample("Say", "it", "Hello world"), length - 1);
  EXPECT_TRUE(cut->truncated);
  EXPECT_EQ(cut->ids.size(), length - 1);
  EXPECT_NE(cut->ids.back(), codec.endOfTurn());
  auto promptOnly = codec.encodeSample(sample("Say", "it", "Hello world"), 5);
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
    auto codec = TextCodec::create(std::move(*tokenizer), {name, "", {}, false, ""});
    EXPECT_FALSE(codec.ok());
    return codec.status().message();
  };
  EXPECT_EQ(refusal("chatml"),
            "tiny: template chatml ends a turn of the assistant with \"<|im_end|>\\x0a\", which is no "
            "control token of the tokenizer; use a template that fits the model");
  EXPECT_EQ(refusal("alpaca"), "tiny: template alpaca ends a turn with the end-of-text token, which the tokenizer does "
                               "not have; use a template that fits the model");
}

} // namespace
