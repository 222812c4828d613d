// Chats: how they are read, and what of them is trained.
#include "runtime/Text/ChatMessages.h"

#include "runtime/Text/TextTestUtils.h"

#include <fmt/format.h>
#include <random>

using namespace ft::rt;

namespace {

const std::string none;

Sample chat(const std::string &json, const std::string &tools = "") {
  auto sample = readChat(json, tools, {none, none});
  EXPECT_TRUE(sample.ok()) << sample.status().message();
  return sample.ok() ? *sample : Sample();
}

std::string refusal(const std::string &json, const std::string &tools = "") {
  auto sample = readChat(json, tools, {none, none});
  EXPECT_FALSE(sample.ok());
  return sample.status().message();
}

std::string templateFile(const std::string &name) {
  std::ifstream file("test/goldens/templates/" + name + ".jinja", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The chat's text with what is trained between ⟦ and ⟧.
std::string marked(const ChatText &text) {
  std::string out;
  size_t at = 0;
  for (const TextSpan &span : text.targets) {
    out += text.text.substr(at, span.begin - at) + "⟦" + text.text.substr(span.begin, span.end - span.begin) + "⟧";
    at = span.end;
  }
  return out + text.text.substr(at);
}

Expected<std::string> trained(const std::string &name, const std::string &json, const TextOptions &given = {},
                              const std::string &endOfTurn = "<|im_end|>") {
  ModelTemplate model;
  model.text = templateFile(name);
  model.tokens = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  FT_ASSIGN_OR_RETURN(PromptTemplate chosen, PromptTemplate::choose(given, model));
  chosen.chat()->setEndOfTurn(endOfTurn);
  const Sample sample = chat(json);
  const std::vector<jinja::Value> messages = chosen.messagesOf(sample);
  FT_ASSIGN_OR_RETURN(const ChatText text,
                      chosen.chat()->encode(messages, sample.tools, chosen.targetsOf(sample, messages)));
  return marked(text);
}

const std::string TwoTurns = R"([{"role":"user","content":"A?"},{"role":"assistant","content":"B."},
                                 {"role":"user","content":"C?"},{"role":"assistant","content":"D."}])";

TEST(ChatMessages, BothFormsAreRead) {
  const Sample openAi = chat(R"([{"role":"user","content":"A?"},{"role":"assistant","content":"B.","train":false}])");
  ASSERT_EQ(openAi.messages.size(), 2u);
  EXPECT_EQ(openAi.messages[0], chatMessage("user", "A?"));
  EXPECT_EQ(openAi.messages[1], chatMessage("assistant", "B."));
  EXPECT_EQ(openAi.train[1], std::optional(false));
  EXPECT_EQ(openAi.train[0], std::nullopt);
  const Sample shareGpt = chat(R"([{"from":"system","value":"S"},{"from":"human","value":"A?"},
      {"from":"gpt","value":"B.","weight":1},{"from":"observation","value":"1"}])");
  ASSERT_EQ(shareGpt.messages.size(), 4u);
  EXPECT_EQ(shareGpt.messages[1], chatMessage("user", "A?"));
  EXPECT_EQ(shareGpt.messages[3], chatMessage("tool", "1"));
  EXPECT_EQ(shareGpt.train[2], std::optional(true));
  const Sample named = *readChat(R"([{"who":"human","says":"A?"}])", "", {"who", "says"});
  EXPECT_EQ(named.messages[0], chatMessage("user", "A?"));
  const Sample tools = chat(R"([{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f"}}]}])",
                            R"("[{\"name\": \"f\"}]")");
  EXPECT_EQ(tools.tools.items().size(), 1u);
  EXPECT_EQ(tools.messages[0].find("content"), nullptr);
}

/// As transformers makes them ready for a template.
TEST(ChatMessages, NullsGoAndThoughtsHaveTheNamesThatTemplatesKnow) {
  const auto fields = [](const std::string &json) {
    const Sample sample = chat("[" + json + "]");
    std::string names;
    for (const jinja::Value &item : sample.messages.at(0).items())
      names += (names.empty() ? "" : " ") + std::string(item.is(jinja::Value::Kind::Text) ? item.text() : "?");
    return names;
  };
  EXPECT_EQ(fields(R"({"role":"user","content":"x","tool_calls":null,"name":"n"})"), "role user content x name n");
  EXPECT_EQ(fields(R"({"role":"assistant","content":"x","reasoning":"t"})"),
            "thinking t role assistant content x reasoning t reasoning_content t");
  EXPECT_EQ(fields(R"({"role":"assistant","reasoning_content":"r","thinking":"t","content":"x"})"),
            "thinking t role assistant content x reasoning_content r");
}

TEST(ChatMessages, RefusalsNameTheMessage) {
  EXPECT_TRUE(chat("[]").messages.empty()); // which is counted, and not trained
  EXPECT_TRUE(chat("\"\"").messages.empty());
  EXPECT_EQ(refusal("\"hello\""),
            "field \"messages\" is the text \"hello\"; must be a list, or a text that is JSON of one");
  EXPECT_EQ(refusal(R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url"}]}])"),
            "message 0: part 1 of the content is of type \"image_url\"; must be \"text\": models are trained on text "
            "alone, and a template may leave out other parts without a word");
  EXPECT_EQ(refusal("{}"), "field \"messages\" is {}; must be a list of messages");
  EXPECT_EQ(refusal("[1]"), "message 0: is of type number; must be an object with role and content");
  EXPECT_EQ(refusal(R"([{"role":"user","content":"x"},{"role":"critic","content":"x"}])"),
            "message 1: role is critic; must be system, user, assistant or tool");
  EXPECT_EQ(refusal(R"([{"content":"x"}])"),
            "message 0: field \"role\" is missing (other names: data { columns { role: … content: … } }); "
            "found: content");
  EXPECT_EQ(refusal(R"([{"role":"user"}])"),
            "message 0: field \"content\" is missing (other names: data { columns { role: … content: … } }); "
            "found: role");
  EXPECT_EQ(refusal(R"([{"role":"user","content":7}])"), "message 0: field \"content\" is 7; must be a text");
  EXPECT_EQ(refusal(R"([{"role":"user","content":"x","train":true}])"),
            "message 0: a turn of user shall be trained; only those of the assistant can be");
  EXPECT_EQ(refusal(R"([{"role":"assistant","content":"x","train":"yes"}])"),
            "message 0: train is \"yes\"; must be true or false");
  EXPECT_EQ(refusal(R"([{"role":"assistant","content":"x","weight":0.5}])"),
            "message 0: weight is 0.5; must be 0 or 1");
  EXPECT_EQ(refusal("[{'role': 'user', 'content': 'x'}]"),
            "field \"messages\" is written as Python prints it, with ' around texts; write it as JSON (json.dumps)");
  EXPECT_EQ(refusal("\"[{'role': 'user'}]\""),
            "field \"messages\" is written as Python prints it, with ' around texts; write it as JSON (json.dumps)");
  EXPECT_EQ(refusal(R"([{"role":"user","content":"x"}])", R"(["f"])"),
            "tool 0 is \"f\"; must be an object that describes a function: its name, description and parameters");
  EXPECT_EQ(refusal(R"([{"role":"user","content":"x"}])", "7"), "field \"tools\" is of type number; must be a list");
  EXPECT_NE(refusal("\"" + std::string(100000, '[') + "\"").find("must be a list, or a text that is JSON of one"),
            std::string::npos);
}

/// As ShareGPT's often do. A template may put a system turn in front that an empty chat does not have.
TEST(ChatTargets, AChatMayBeginWithTheAssistant) {
  const std::string greets =
      R"([{"from":"gpt","value":"B."},{"from":"human","value":"C?"},{"from":"gpt","value":"D."}])";
  const auto own = trained("smollm2", greets);
  ASSERT_TRUE(own.ok()) << own.status().message();
  EXPECT_TRUE(own->starts_with("<|im_start|>system\nYou are")) << *own;
  EXPECT_NE(own->find("<|im_end|>\n<|im_start|>assistant\n⟦B.<|im_end|>\n⟧<|im_start|>user\nC?<|im_end|>\n"
                      "<|im_start|>assistant\n⟦D."),
            std::string::npos)
      << *own;
  EXPECT_EQ(trained("phi4", greets)->substr(0, 60), "<|im_start|>assistant<|im_sep|>⟦B.<|im_end|>⟧<|im_start|");
  EXPECT_TRUE(trained("deepseek", greets)->starts_with("<s><｜Assistant｜>⟦B.<｜end▁of▁sentence｜>⟧"));
  for (const char *name : {"llama3", "qwen25", "qwen3", "smollm3", "zephyr"}) {
    TextOptions dated;
    dated.variables = {"strftime_now=2025-01-31"};
    const auto text = trained(name, greets, dated);
    ASSERT_TRUE(text.ok()) << name << ": " << text.status().message();
    const size_t first = text->find("⟦");
    EXPECT_NE(text->find("B.", first), std::string::npos) << name << ": " << *text;
    EXPECT_EQ(text->substr(0, first).find("B."), std::string::npos) << name << ": " << *text;
    EXPECT_LT(text->find("B.", first) - first, 30u) << name << ": " << *text; // at most empty thoughts before
  }
  for (const char *name : {"gemma3", "llama2", "mistral"}) // which say themselves that users begin
    EXPECT_FALSE(trained(name, greets).ok()) << name;
}

TEST(ChatTargets, AllTurnsOfTheAssistantWhereTemplatesAreStable) {
  EXPECT_EQ(*trained("phi4", TwoTurns),
            "<|im_start|>user<|im_sep|>A?<|im_end|><|im_start|>assistant<|im_sep|>⟦B.<|im_end|>⟧"
            "<|im_start|>user<|im_sep|>C?<|im_end|><|im_start|>assistant<|im_sep|>⟦D.<|im_end|>⟧");
  EXPECT_EQ(*trained("llama2", TwoTurns), "<s>[INST] A? [/INST]⟦ B. </s>⟧<s>[INST] C? [/INST]⟦ D. </s>⟧");
  EXPECT_EQ(*trained("mistral", TwoTurns), "<s>[INST] A?[/INST]⟦ B.</s>⟧[INST] C?[/INST]⟦ D.</s>⟧");
  EXPECT_EQ(*trained("gemma3", TwoTurns),
            "<s><start_of_turn>user\nA?<end_of_turn>\n<start_of_turn>model\n⟦B.<end_of_turn>\n⟧"
            "<start_of_turn>user\nC?<end_of_turn>\n<start_of_turn>model\n⟦D.<end_of_turn>\n⟧");
  EXPECT_EQ(*trained("zephyr", TwoTurns),
            "<|user|>\nA?</s>\n<|assistant|>\n⟦B.</s>\n⟧<|user|>\nC?</s>\n<|assistant|>\n⟦D.</s>\n⟧");
  EXPECT_NE(trained("llama3", TwoTurns)->find("<|start_header_id|>assistant<|end_header_id|>\n\n⟦B.<|eot_id|>⟧"),
            std::string::npos);
}

TEST(ChatTemplate, ContentInPartsIsForTemplatesThatTakeIt) {
  const std::string parts = R"([{"role":"user","content":[{"type":"text","text":"A?"}]},
                                {"role":"assistant","content":"B."}])";
  EXPECT_EQ(*trained("gemma3", parts), *trained("gemma3", R"([{"role":"user","content":"A?"},
                                                              {"role":"assistant","content":"B."}])"));
  const auto refused = trained("smollm2", parts);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find("(message 0 has its content in parts, which not every template takes; give "
                                            "it as one text)"),
            std::string::npos)
      << refused.status().message();
  EXPECT_EQ(trained("qwen3", parts).status().message(),
            "message 0: its content is in parts, which the chat template leaves out; give it as one text");
  EXPECT_EQ(trained("llama3", parts).status().message(),
            "message 0: its content is in parts, which the chat template writes as a list, with brackets and quotes; "
            "give it as one text");
  EXPECT_EQ(trained("qwen3", R"([{"role":"user","content":"A?"},{"role":"assistant","content":{"text":"B."}}])")
                .status()
                .message(),
            "message 1: its content is in parts, which the chat template leaves out; give it as one text");
  EXPECT_TRUE(trained("qwen3", R"([{"role":"user","content":"A?"},{"role":"assistant","content":[]}])").ok());
}

TEST(ChatTargets, TheLastTurnOrThoseThatSaySo) {
  TextOptions last;
  last.lastTurnOnly = true;
  EXPECT_EQ(*trained("llama2", TwoTurns, last), "<s>[INST] A? [/INST] B. </s><s>[INST] C? [/INST]⟦ D. </s>⟧");
  const std::string flags = R"([{"role":"user","content":"A?"},{"role":"assistant","content":"B.","train":true},
      {"role":"user","content":"C?"},{"role":"assistant","content":"D.","train":false}])";
  EXPECT_EQ(*trained("llama2", flags), "<s>[INST] A? [/INST]⟦ B. </s>⟧<s>[INST] C? [/INST] D. </s>");
  EXPECT_EQ(*trained("llama2", flags, last), "<s>[INST] A? [/INST]⟦ B. </s>⟧<s>[INST] C? [/INST] D. </s>");
  last.systemPrompt = "S";
  EXPECT_EQ(*trained("llama2", TwoTurns, last),
            "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nA? [/INST] B. </s><s>[INST] C? [/INST]⟦ D. </s>⟧");
}

/// Qwen3 shows thinking in the last turn alone: earlier turns are told by their end, as generation tells it.
TEST(ChatTargets, TurnsThatRenderDifferentlyWhenOthersFollow) {
  EXPECT_EQ(*trained("qwen3", TwoTurns),
            "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n⟦B.<|im_end|>⟧\n<|im_start|>user\nC?<|im_end|>\n"
            "<|im_start|>assistant\n⟦<think>\n\n</think>\n\nD.<|im_end|>\n⟧");
  EXPECT_EQ(*trained("qwen3",
                     R"([{"role":"user","content":"A?"},{"role":"assistant","content":"<think>\nHm.\n</think>\n\nB."},
                                  {"role":"user","content":"C?"}])"),
            "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n⟦B.<|im_end|>⟧\n<|im_start|>user\nC?<|im_end|>\n");
  TextOptions quiet;
  quiet.variables = {"enable_thinking=false"};
  EXPECT_EQ(*trained("qwen3", TwoTurns, quiet),
            "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n⟦B.<|im_end|>⟧\n<|im_start|>user\nC?<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n⟦D.<|im_end|>\n⟧");
  // Its prompt opens a thought that the answer does not have.
  EXPECT_EQ(
      *trained("deepseek", TwoTurns, {}, "<｜end▁of▁sentence｜>"),
      "<s><｜User｜>A?<｜Assistant｜>⟦B.<｜end▁of▁sentence｜>⟧<｜User｜>C?<｜Assistant｜>⟦D.<｜end▁of▁sentence｜>⟧");
  const std::string calls = R"([{"role":"user","content":"A?"},
      {"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]},
      {"role":"tool","content":"2"},{"role":"assistant","content":"B."}])";
  EXPECT_EQ(
      *trained("qwen3", calls),
      "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n⟦<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": "
      "1}}\n</tool_call><|im_end|>⟧\n<|im_start|>user\n<tool_response>\n2\n</tool_response><|im_end|>\n"
      "<|im_start|>assistant\n⟦<think>\n\n</think>\n\nB.<|im_end|>\n⟧");
}

/// Two turns of the assistant in succession: Qwen3 renders the first otherwise where it is the last.
TEST(ChatTargets, ATurnMayFollowItsLike) {
  const std::string front = "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n";
  const std::string answers = R"([{"role":"user","content":"A?"},{"role":"assistant","content":"B."},
                                  {"role":"assistant","content":"D."})";
  EXPECT_EQ(*trained("qwen3", answers + "]"),
            front + "⟦B.<|im_end|>⟧\n<|im_start|>assistant\n⟦<think>\n\n</think>\n\nD.<|im_end|>\n⟧");
  EXPECT_EQ(*trained("qwen3", answers + R"(,{"role":"user","content":"E?"},{"role":"assistant","content":"F."}])"),
            front + "⟦B.<|im_end|>⟧\n<|im_start|>assistant\n⟦D.<|im_end|>⟧\n<|im_start|>user\nE?<|im_end|>\n"
                    "<|im_start|>assistant\n⟦<think>\n\n</think>\n\nF.<|im_end|>\n⟧");
  const std::string same = R"([{"role":"user","content":"A?"},{"role":"assistant","content":"B."},
                               {"role":"assistant","content":"B."},{"role":"assistant","content":""}])";
  EXPECT_EQ(*trained("qwen3", same), front + "⟦B.<|im_end|>⟧\n<|im_start|>assistant\n⟦B.<|im_end|>⟧\n"
                                             "<|im_start|>assistant\n⟦<think>\n\n</think>\n\n<|im_end|>\n⟧");
  // Nothing says where turns end.
  EXPECT_FALSE(trained("qwen3", answers + "]", {}, "").ok());
}

TEST(ChatTemplate, DataOfToolsIsNotLostWithoutAWord) {
  auto answered = [](const std::string &content) {
    return R"([{"role":"user","content":"A?"},{"role":"tool","content":)" + content +
           R"(},{"role":"assistant","content":"B."}])";
  };
  EXPECT_EQ(trained("qwen3", answered(R"({"t":1})")).status().message(),
            "message 1: its content is data, which the chat template leaves out; give it as a text of JSON");
  EXPECT_TRUE(trained("qwen3", answered(R"("{\"t\":1}")")).ok());
  EXPECT_TRUE(trained("qwen3", answered("{}")).ok());
  TextOptions dated;
  dated.variables = {"strftime_now=2025-01-31"};
  EXPECT_NE(trained("llama32", answered(R"({"t":1})"), dated)->find("{\"t\": 1}"), std::string::npos);
}

TEST(ChatTemplate, ASystemTurnIsNotLostWithoutAWord) {
  const std::string front = R"([{"role":"system","content":"S"},{"role":"user","content":"A?"})",
                    answer = R"(,{"role":"assistant","content":"B."}])";
  EXPECT_EQ(trained("mistral", front + answer, {}, "</s>").status().message(),
            "message 0: the chat template leaves out what the system says; write it into a question, or use template "
            "chatml");
  EXPECT_EQ(*trained("llama2", front + answer), "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nA? [/INST]⟦ B. </s>⟧");
  // SmolLM3's takes what is set there out of the words.
  TextOptions dated;
  dated.variables = {"strftime_now=2025-01-31"};
  EXPECT_TRUE(
      trained("smollm3", R"([{"role":"system","content":"/no_think"},{"role":"user","content":"A?"})" + answer, dated)
          .ok());
}

TEST(ChatTargets, WhatCannotBeToldIsRefused) {
  ModelTemplate model;
  // Drops all turns but the last two: what was in front of a turn is not what the whole starts with.
  model.text = "{% for m in messages[-2:] %}{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}"
               "{% if add_generation_prompt %}assistant: {% endif %}";
  auto chosen = PromptTemplate::choose({}, model);
  ASSERT_TRUE(chosen.ok());
  const Sample sample = chat(TwoTurns);
  const auto messages = chosen->messagesOf(sample);
  auto text = chosen->chat()->encode(messages, sample.tools, chosen->targetsOf(sample, messages));
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.status().message(),
            "message 1: the chat template renders it differently when others follow, so what of the text is this turn "
            "cannot be told; train the last turn alone (data { targets: LAST }), or use template chatml");
  // Numbers the turns from the end: what is in front of the last differs without it.
  model.text = "{% for m in messages %}{{ loop.revindex }}{{ m.role }}: {{ m.content }}<|im_end|>{% endfor %}"
               "{% if add_generation_prompt %}0assistant: {% endif %}";
  auto counted = PromptTemplate::choose({}, model);
  ASSERT_TRUE(counted.ok());
  text = counted->chat()->encode(messages, sample.tools, {false, false, false, true});
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.status().message(),
            "message 3: the chat template renders the messages before it differently when it follows, so what of the "
            "text is this turn cannot be told; leave it untrained (\"train\": false), or use template chatml");
  EXPECT_FALSE(trained("llama2", R"([{"role":"assistant","content":"B."}])").ok()); // the template's own refusal
}

TEST(ChatCodec, IdsAreTheWholeTextsAndTurnsEndWithTheirToken) {
  const TextCodec codec = testCodec("chatml");
  Sample sample = chat(TwoTurns);
  auto document = codec.encodeSample(sample, 1000);
  ASSERT_TRUE(document.ok()) << document.status().message();
  std::vector<uint32_t> ids;
  const std::string text = "<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\nB.<|im_end|>\n<|im_start|>user\nC?"
                           "<|im_end|>\n<|im_start|>assistant\nD.<|im_end|>";
  ASSERT_TRUE(codec.tokenizer().encode(text, ids).ok());
  EXPECT_EQ(document->ids, ids);
  std::string targets;
  for (const IdSpan &span : document->targets(false))
    targets += "[" + codec.tokenizer().decode(std::span(ids).subspan(span.begin, span.end - span.begin), false) + "]";
  EXPECT_EQ(targets, "[B.<|im_end|>][D.<|im_end|>]");
  EXPECT_EQ(document->targets(true), (std::vector<IdSpan>{{1, uint32_t(ids.size())}}));
  // Cut inside of the second question: its stretch ends there.
  auto cut = codec.encodeSample(sample, document->untrained[0].begin + 3);
  EXPECT_EQ(cut->targets(false).size(), 1u);
  EXPECT_TRUE(cut->truncated);
  sample.train[3] = sample.train[1] = false;
  EXPECT_TRUE(codec.encodeSample(sample, 1000)->targets(false).empty());
  EXPECT_EQ(
      testCodec("alpaca").encodeSample(sample, 1000).status().message(),
      "has turns (a chat, or an instruction with a system prompt, history or tools), and template alpaca has none; "
      "use template model or chatml");
}

/// The ids are those of the whole text, and nothing behind a mark is counted in front of it; at a control token's
/// border nothing in front of it is missing either.
TEST(ChatCodec, MarksLieBetweenTokens) {
  const TextCodec codec = testCodec("chatml");
  std::mt19937 random(3);
  const std::vector<std::string> parts = {"<|im_start|>", "<|im_end|>", "\n",  "\n\n", " Hello", "Hello", " ",
                                          "12",           "ü👍",         "  x", "world"};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    std::vector<size_t> marks;
    for (int i = 0; i < 8; ++i) {
      marks.push_back(text.size());
      text += parts[random() % parts.size()];
    }
    Tokenizer::Scratch scratch;
    std::vector<uint32_t> ids, at, whole;
    ASSERT_TRUE(codec.tokenizer().encode(text, marks, ids, at, scratch).ok());
    ASSERT_TRUE(codec.tokenizer().encode(text, whole).ok());
    EXPECT_EQ(ids, whole);
    ASSERT_EQ(at.size(), marks.size());
    for (size_t i = 0; i < marks.size(); ++i) {
      const std::string front = codec.tokenizer().decode(std::span(ids).first(at[i]), false);
      EXPECT_TRUE(text.substr(0, marks[i]).starts_with(front)) << text;
      if (text.substr(marks[i]).starts_with("<|im_") || text.substr(0, marks[i]).ends_with("|>"))
        EXPECT_EQ(front.size(), marks[i]) << text << " at " << marks[i];
    }
  }
}

} // namespace
