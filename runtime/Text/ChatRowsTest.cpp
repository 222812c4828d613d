// Rows of chats as data sets have them: which columns make which messages.
#include "runtime/Text/TextTestUtils.h"

#include "runtime/Template/Print.h"

#include <algorithm>

using namespace ft::rt;

namespace {

class ChatRows : public FolderTest {
protected:
  /// One line, in whatever lines it is written here.
  std::string written(std::string json) {
    std::replace(json.begin(), json.end(), '\n', ' ');
    return write("a.jsonl", json + "\n");
  }
  Sample row(const std::string &json, const ColumnNames &columns = {}) {
    auto file = readSamples(written(json), columns);
    EXPECT_TRUE(file.ok()) << file.status().message();
    return file.ok() ? file->samples.at(0) : Sample();
  }
  std::string refusal(const std::string &json, const ColumnNames &columns = {}) {
    const std::string path = written(json);
    auto file = readSamples(path, columns);
    EXPECT_FALSE(file.ok());
    return file.ok() ? "" : file.status().message().substr(path.size());
  }
};

/// "system:S user:A assistant:B+": a '+' stands behind what is trained, '-' behind what is not, where a message says
/// so.
std::string shape(const Sample &sample) {
  std::string out;
  for (size_t i = 0; i < sample.messages.size(); ++i) {
    const jinja::Value *content = sample.messages[i].find("content"), *calls = sample.messages[i].find("tool_calls");
    out += (i ? " " : "") + sample.messages[i].find("role")->text() + ":" + (content ? content->text() : "") +
           (calls ? *jinja::represented(*calls) : "") +
           (!sample.train[i]   ? ""
            : *sample.train[i] ? "+"
                               : "-");
  }
  return out;
}

const std::string Chat = R"("conversations":[{"from":"human","value":"A"},{"from":"bot","value":"B"}])";

TEST_F(ChatRows, ASystemPromptMayHaveAColumn) {
  EXPECT_EQ(shape(row("{\"system\":\"S\"," + Chat + "}")), "system:S user:A assistant:B");
  EXPECT_EQ(shape(row("{\"system\":\"\"," + Chat + "}")), "user:A assistant:B");
  EXPECT_EQ(shape(row("{\"system_prompt\":null," + Chat + "}")), "user:A assistant:B");
  const std::string own = R"("messages":[{"role":"system","content":"S"},{"role":"user","content":"A"}])";
  EXPECT_EQ(shape(row("{\"system\":\"S\"," + own + "}")), "system:S user:A");
  EXPECT_EQ(refusal("{\"system\":\"T\"," + own + "}"),
            ":1: field \"system\" and message 0 are two different system turns; leave one out");
  EXPECT_EQ(shape(row("{\"system\":\"S\",\"messages\":[]}")), "");
}

/// As LLaMA-Factory's Alpaca has them.
TEST_F(ChatRows, AnInstructionMayHaveTurnsBefore) {
  const std::string last = R"("instruction":"C","input":"c","output":"D")";
  EXPECT_EQ(shape(row("{" + last + R"(,"system":"S","history":[["A","B"]]})")),
            "system:S user:A assistant:B user:C\nc assistant:D");
  EXPECT_EQ(shape(row("{" + last + R"(,"history":"[[\"A\", \"B\"]]"})")), "user:A assistant:B user:C\nc assistant:D");
  for (const char *none :
       {R"(,"history":[])", R"(,"history":null)", R"(,"system":"","tools":"[]")", ",\"tools\":\"drill\""})
    EXPECT_EQ(row("{" + last + none + "}").form, Sample::Form::Instruction) << none;
  EXPECT_EQ(row("{" + last + R"(,"tools":[{"name":"f"}]})").tools.items().size(), 1u);
  EXPECT_EQ(refusal("{" + last + R"(,"history":[["A"]]})"),
            ":1: entry 0 of \"history\" is [\"A\"]; must be a list of a request and its answer");
  const Sample sample = row("{" + last + R"(,"system":"S"})");
  EXPECT_NE(testCodec("alpaca").encodeSample(sample, 100).status().message().find("template alpaca has none"),
            std::string::npos);
  EXPECT_EQ(refusal(R"({"prompt":"p","completion":"c","system":"S"})"),
            ":1: has a system prompt, and prompt and completion are taken as they are; put it into the prompt, or make "
            "messages of them");
}

/// TRL's conversational form: the completion's turns are trained, those of the prompt are not.
TEST_F(ChatRows, PromptAndCompletionMayBeMessages) {
  const std::string turns = R"({"role":"user","content":"A"},{"role":"assistant","content":"B"},)";
  EXPECT_EQ(shape(row("{\"prompt\":[" + turns + R"({"role":"user","content":"C"}],
      "completion":[{"role":"assistant","content":"D"}]})")),
            "user:A- assistant:B- user:C- assistant:D");
  ColumnNames columns;
  columns.completion = "chosen";
  EXPECT_EQ(shape(row(R"({"prompt":[{"role":"user","content":"A"}],"chosen":[{"role":"assistant","content":"B"}],
      "rejected":[{"role":"assistant","content":"C"}]})",
                      columns)),
            "user:A- assistant:B");
  EXPECT_EQ(refusal(R"({"prompt":[{"role":"user","content":"A"}],"completion":"B"})"),
            ":1: field \"prompt\" is a list of messages, and \"completion\" a text; both must be lists, or both texts");
  EXPECT_TRUE(
      refusal(R"({"prompt":[{"role":"user","content":"A"}]})").starts_with(":1: field \"completion\" is missing"));
  EXPECT_EQ(refusal(R"({"prompt":[],"completion":[{"role":"user"}]})").substr(0, 45),
            ":1: completion, message 0: field \"content\" is");
  EXPECT_EQ(refusal(R"({"prompt":"p","prompt":[],"completion":"c"})"),
            ":1: field \"prompt\" is there twice; leave one out");
}

TEST_F(ChatRows, CallsOfOlderFormsAreToolCalls) {
  const std::string call = "[{'type': 'function', 'function': {'name': 'f', 'arguments': {'a': 1}}}]";
  EXPECT_EQ(shape(row(R"({"messages":[{"role":"user","content":"A"},{"role":"assistant","content":null,
      "function_call":{"name":"f","arguments":"{\"a\": 1}"}},{"role":"function","name":"f","content":"2"}]})")),
            "user:A assistant:" + call + " tool:2");
  for (const std::string value :
       {R"("{\"name\": \"f\", \"arguments\": {\"a\": 1}}")", R"("[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]")"})
    EXPECT_EQ(shape(row(R"({"conversations":[{"from":"function_call","value":)" + value +
                        R"(},{"from":"tool_response","value":"2"}]})")),
              "assistant:" + call + " tool:2");
  EXPECT_EQ(
      refusal(R"x({"conversations":[{"from":"tool_call","value":"f(1)"}]})x"),
      ":1: message 0: calls a function by the text \"f(1)\"; must be JSON of an object with name and arguments, or "
      "of a list of such");
  EXPECT_EQ(refusal(R"({"conversations":[{"from":"tool_call","value":"{\"name\": \"f\"}"}]})"),
            ":1: message 0: calls {\"name\":\"f\"}; must be an object with name and arguments");
  const std::string functions = R"({"messages":[{"role":"user","content":"A"}],"functions":[{"name":"f"}])";
  EXPECT_EQ(*jinja::represented(row(functions + "}").tools), "[{'type': 'function', 'function': {'name': 'f'}}]");
  EXPECT_EQ(refusal(functions + R"(,"tools":[{"name":"f"}]})"), ":1: has tools and functions; leave one out");
  EXPECT_TRUE(row(R"({"messages":[],"tools":""})").tools == jinja::Value::none());
}

TEST_F(ChatRows, FieldsThatAreNotReadAreNamed) {
  EXPECT_EQ(row("{\"id\":1," + Chat + ",\"system\":\"\",\"tools\":null,\"score\":true}").unread, "id, score");
  EXPECT_EQ(row(R"({"instruction":"i","context":"c","output":"o","text":"t"})").unread, "context");
}

TEST_F(ChatRows, RolesHaveManyNames) {
  EXPECT_EQ(shape(row(R"({"messages":[{"role":"System","content":"S"},{"role":"Human","content":"A"},
      {"role":"AI","content":"B"},{"role":"ipython","content":"C"},{"role":"gpt","content":"D"}]})")),
            "system:S user:A assistant:B tool:C assistant:D");
  EXPECT_EQ(refusal(R"({"messages":[{"role":"users","content":"A"}]})"),
            ":1: message 0: role is users; must be system, user, assistant or tool");
}

TEST_F(ChatRows, TurnsSayWhetherTheyAreTrained) {
  EXPECT_EQ(shape(row(R"({"messages":[{"role":"assistant","content":"A","training":false},
      {"role":"assistant","content":"B","weight":1},{"role":"assistant","content":"C","train":true}]})")),
            "assistant:A- assistant:B+ assistant:C+");
  EXPECT_EQ(refusal(R"({"messages":[{"role":"assistant","content":"A","train_detail":[]}]})"),
            ":1: message 0: train_detail says which parts of a turn are trained; ftc trains a turn or not: \"train\": "
            "true or false");
}

/// Other losses' data, of which half would be trained the wrong way.
TEST_F(ChatRows, PreferencesAreRefusedByName) {
  const std::string pairs =
      ":1: has an answer that is preferred and one that is rejected: pairs for DPO, whose loss ftc does not have; to "
      "train on the preferred ones alone: data { columns { completion: \"chosen\" } }, or messages: \"chosen\" where "
      "that is a whole chat";
  EXPECT_EQ(refusal(R"({"prompt":"p","chosen":"a","rejected":"b"})"), pairs);
  EXPECT_EQ(refusal(R"({"chosen":[{"role":"user","content":"A"}],"rejected":[]})"), pairs);
  EXPECT_EQ(refusal(R"({"messages":[{"role":"user","content":"A"}],"chosen":{},"rejected":{}})"), pairs);
  EXPECT_EQ(refusal(R"({"preferred_output":[],"non_preferred_output":[]})"), pairs);
  ColumnNames columns;
  columns.messages = "chosen";
  EXPECT_EQ(shape(row(R"({"prompt":"p","chosen":[{"role":"user","content":"A"}],"rejected":[]})", columns)), "user:A");
  // A whole chat beside them is what is meant.
  EXPECT_EQ(shape(row(R"({"messages":[{"role":"assistant","content":"A"}],"chosen":{},"rejected":{}})")),
            "assistant:A");
  EXPECT_TRUE(refusal(R"({"prompt":"p","completion":"c","label":false})")
                  .starts_with(":1: has prompt, completion and a label that is true or false: "));
  EXPECT_EQ(row(R"({"prompt":"p","completion":"c","label":3})").form, Sample::Form::Plain);
}

/// Counted as one that is not trained, like any chat without an answer.
TEST_F(ChatRows, EmptyChatsAreDroppedAndCounted) {
  const auto document = testCodec("chatml").encodeSample(row(R"({"messages":[]})"), 100);
  ASSERT_TRUE(document.ok()) << document.status().message();
  EXPECT_TRUE(document->targets(false).empty());
  EXPECT_TRUE(document->targets(true).empty());
}

} // namespace
