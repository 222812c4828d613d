#include "runtime/Text/Samples.h"

#include "runtime/Text/TextTestUtils.h"

using namespace ft::rt;

namespace {

class Samples : public FolderTest {
protected:
  std::string refusal(const std::string &content) {
    const std::string path = write("d.json", content);
    auto result = readSamples(path);
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), Code::BadInput);
    std::string message = result.status().message();
    EXPECT_TRUE(message.starts_with(path)) << message;
    return message.substr(path.size());
  }
};

TEST_F(Samples, ReadsAnArray) {
  auto file = readSamples(write("a.json", R"([{"instruction":"i","input":"n","output":"o","id":7},
    {"output":"ü\n","instruction":"j","input":null}, {"instruction":"k","output":""}])"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->samples.size(), 3u);
  EXPECT_FALSE(file->lines);
  EXPECT_EQ(file->samples[0].input, "n");
  EXPECT_EQ(file->samples[1].output, "ü\n");
  EXPECT_EQ(file->samples[1].input, "");
  EXPECT_EQ(file->samples[2].place, 2u);
}

TEST_F(Samples, ReadsLinesAndSkipsBlankOnes) {
  auto file = readSamples(write("a.jsonl", "\xEF\xBB\xBF{\"instruction\":\"i\",\"output\":\"o\"}\r\n\n  \n"
                                           "{\"instruction\":\"j\",\"output\":\"p\"}"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->samples.size(), 2u);
  EXPECT_TRUE(file->lines);
  EXPECT_EQ(file->samples[1].place, 4u);
  EXPECT_EQ(file->samples[1].instruction, "j");
}

TEST_F(Samples, ErrorsNamePlaceFieldAndValue) {
  EXPECT_EQ(refusal("[{\"instruction\":\"i\",\"output\":\"o\"},{\"instruction\":\"i\",\"response\":\"o\"}]"),
            ": sample 1: field \"output\" is missing; must have instruction and output, and may have input; found: "
            "instruction, response");
  EXPECT_EQ(refusal("{\"instruction\":\"i\",\"output\":\"o\"}\n{\"instruction\":4,\"output\":\"o\"}"),
            ":2: field \"instruction\" is of type number; must be a string");
  EXPECT_EQ(refusal("{\"messages\":[]}"),
            ":1: field \"instruction\" is missing; must have instruction and output, and may have input; found: "
            "messages (messages and prompt/completion are not supported yet)");
  EXPECT_EQ(refusal("[7]"), ": sample 0: is of type number; must be an object with instruction, input and output");
  EXPECT_EQ(refusal(""), ": is empty; must hold a JSON array or lines of JSON objects");
  EXPECT_EQ(refusal("[]"), ": holds no samples");
  EXPECT_EQ(refusal("hello"), ": starts with 'h'; must be a JSON array ('[') or lines of JSON objects ('{')");
  EXPECT_TRUE(refusal("[{\"instruction\":\"i\",\n\"output\":\"o\",\n}]").starts_with(":3: not JSON: syntax error"));
  EXPECT_TRUE(refusal("{\"instruction\":\"i\",\"output\":\"o\"}\n{\"instr").starts_with(":2: not JSON: syntax error"));
  EXPECT_TRUE(refusal("{\"instruction\":\"\xff\",\"output\":\"o\"}").starts_with(":1: not JSON: syntax error"));
  EXPECT_EQ(refusal("{\n\"instruction\":\"i\",\n\"output\":\"o\"\n}\n"),
            ": is one JSON object over several lines; must be an array of objects, or one object a line");
  refusal(std::string(2000000, '['));
}

TEST_F(Samples, MissingFileIsNamed) {
  auto file = readSamples((folder / "none.json").string());
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.status().message().find("none.json"), std::string::npos);
}

} // namespace
