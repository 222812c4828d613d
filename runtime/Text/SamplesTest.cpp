#include "runtime/Text/Samples.h"

#include "runtime/Text/TextTestUtils.h"

using namespace ft::rt;

namespace {

std::string fromHex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2)
    out += char(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

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
            ": sample 1: field \"output\" is missing; must have instruction and output, and may have input, or "
            "have prompt and completion, or messages, or text (other names: data { columns { … } }); found: "
            "instruction, response");
  EXPECT_EQ(refusal("{\"instruction\":\"i\",\"output\":\"o\"}\n{\"instruction\":4,\"output\":\"o\"}"),
            ":2: field \"instruction\" is of type number; must be a string");
  EXPECT_EQ(refusal("{\"instruction\":\"i\",\"output\":\"o\",\"output\":\"p\"}"),
            ":1: field \"output\" is there twice; leave one out");
  EXPECT_EQ(refusal("{\"messages\":[1],\"messages\":[]}"), ":1: field \"messages\" is there twice; leave one out");
  const auto table = readSamples(write("twice.csv", "instruction,output,output\na,b,c\n"));
  EXPECT_NE(table.status().message().find("twice.csv:2: field \"output\" is there twice"), std::string::npos);
  EXPECT_EQ(refusal("{\"messages\":{}}"), ":1: field \"messages\" is {}; must be a list of messages");
  EXPECT_EQ(refusal("[7]"), ": sample 0: is of type number; must be an object with fields, as instruction and output");
  EXPECT_EQ(refusal(""), ": is empty; must hold a JSON array, lines of JSON objects, or a table");
  EXPECT_EQ(refusal("[]"), ": holds no samples");
  EXPECT_EQ(
      refusal("hello"),
      ": starts with 'h'; must be a JSON array ('[') or lines of JSON objects ('{'), or be named .csv, .tsv, .txt or "
      ".md");
  EXPECT_EQ(refusal("[{\"instruction\":\"i\",\n\"output\":\"o\",\n}]"), ":3: not JSON: a member's name is missing");
  EXPECT_EQ(refusal("{\"instruction\":\"i\",\"output\":\"o\"}\n{\"instr"), ":2: not JSON: a string is cut off");
  EXPECT_EQ(refusal("{\"instruction\":\"\xff\",\"output\":\"o\"}"),
            ":1: not JSON: a string is not UTF-8; save the file as UTF-8");
  EXPECT_EQ(refusal("{\"instruction\":\"i\",\"output\":\"o\"} {}"), ":1: not JSON: something follows the object");
  EXPECT_EQ(refusal("[{\"instruction\":\"i\",\"output\":\"o\"}]]"), ":1: not JSON: something follows the array");
  EXPECT_EQ(refusal("{\n\"instruction\":\"i\",\n\"output\":\"o\"\n}\n"),
            ": is one JSON object over several lines; must be an array of objects, or one object a line (jq -c . in > "
            "out.jsonl)");
  EXPECT_EQ(refusal("{\n\"instruction\":\"i\"\n}\n{\n\"instruction\":\"j\"\n}\n"),
            ": is JSON objects over several lines; must be an array of objects, or one object a line (jq -c . in > "
            "out.jsonl)");
  EXPECT_EQ(refusal("{\"version\":1,\n\"data\":[\n{\"instruction\":\"i\",\"output\":\"o\"}]}\n"),
            ": is one JSON object; its samples may be the list \"data\": jq -c '.[\"data\"][]' in > out.jsonl");
  EXPECT_TRUE(refusal("{\"data\":[{\"instruction\":\"i\",\"output\":\"o\"}]}\n")
                  .ends_with("found: data; the file is one JSON object; its samples may be the list \"data\": jq -c "
                             "'.[\"data\"][]' in > out.jsonl"));
  EXPECT_EQ(refusal("{\"instruction\":\"i\",\"output\":\"o\"},\n{\"instruction\":\"i\",\"output\":\"o\"}\n"),
            ":1: not JSON: a comma follows the object; lines of JSON have none between them");
  EXPECT_EQ(refusal("{\"instruction\":\"i\",\"output\":\"o\",\"score\":NaN}\n"),
            ":1: not JSON: NaN is none of JSON's numbers; must be null");
  EXPECT_TRUE(refusal("{\"instruction\":\"i\",\"output\":null}\n").ends_with("found: instruction, output (null)"));
  refusal(std::string(2000000, '['));
}

/// Fields that nobody asks for may hold anything that JSON can write; what is read has its type and its place.
TEST_F(Samples, UnreadFieldsAreSkipped) {
  auto file =
      readSamples(write("a.jsonl", "{\"score\":1e999,\"instruction\":\"i\",\"meta\":{\"a\":[1,-2.5e-7,{}],\"b\":"
                                   "\"\\\"]\"},\"output\":\"o\",\"n\":123456789012345678901234567890}"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->samples[0].output, "o");
  EXPECT_EQ(refusal("\n{\"instruction\":\"a\",\"output\":1e999}"),
            ":2: field \"output\" is of type number; must be a string");
  EXPECT_EQ(refusal("{\"instruction\":\"a\",\"output\":\"b\",\"score\":1e}"),
            ":1: not JSON: a number is not written as JSON has it");
  EXPECT_EQ(refusal("{\"a\":" + std::string(1000000, '[')), ":1: not JSON: values are nested more than 64 deep");
}

TEST_F(Samples, EscapesAreJsons) {
  auto file = readSamples(write("a.jsonl", R"({"instruction":"\u00e4\ud83d\ude00\/\n\t\"\\","output":""})"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->samples[0].instruction, "\u00e4\U0001F600/\n\t\"\\");
  for (const char *escape : {"\\ud83d", "\\ude00", "\\ud83d\\u0041", "\\u12g4", "\\x41", "\x01"})
    EXPECT_TRUE(
        refusal("{\"instruction\":\"" + std::string(escape) + "\",\"output\":\"\"}").starts_with(":1: not JSON: "))
        << escape;
}

TEST_F(Samples, PromptAndCompletionAreTakenAsTheyAre) {
  auto file = readSamples(write("a.jsonl", "{\"prompt\":\"2+2=\",\"completion\":\"4\"}\n"
                                           "{\"instruction\":\"i\",\"output\":\"o\",\"prompt\":\"p\"}"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->samples[0].form, Sample::Form::Plain);
  EXPECT_EQ(file->samples[0].instruction, "2+2=");
  EXPECT_EQ(file->samples[0].output, "4");
  EXPECT_EQ(file->samples[1].form, Sample::Form::Instruction);
  EXPECT_EQ(refusal("{\"prompt\":\"p\"}"),
            ":1: field \"completion\" is missing; must have instruction and output, and may have input, or have prompt "
            "and completion, or messages, or text (other names: data { columns { … } }); found: prompt");
  const TextCodec codec = testCodec("alpaca");
  auto plain = codec.encodeSample(file->samples[0], 1000);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(codec.tokenizer().decode(plain->ids, false), "2+2=4<|endoftext|>");
}

TEST_F(Samples, ColumnsMayHaveOtherNames) {
  ColumnNames columns;
  columns.instruction = "question";
  columns.output = "answer";
  const std::string path = write("a.jsonl", "{\"question\":\"q\",\"answer\":\"a\",\"output\":7}");
  auto file = readSamples(path, columns);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->samples[0].instruction, "q");
  EXPECT_EQ(file->samples[0].output, "a");
  auto table = readSamples(write("a.csv", "question,answer\nq,a\n"), columns);
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->samples[0].output, "a");
  EXPECT_NE(readSamples(write("b.jsonl", "{\"question\":\"q\"}"), columns)
                .status()
                .message()
                .find("field \"answer\" is missing"),
            std::string::npos);
}

TEST_F(Samples, TextIsADocument) {
  auto lines = readSamples(write("a.jsonl", "{\"text\":\"Once.\"}\n{\"text\":\"\"}\n"));
  ASSERT_TRUE(lines.ok()) << lines.status().message();
  EXPECT_EQ(lines->samples[0].form, Sample::Form::Document);
  EXPECT_EQ(lines->samples[0].output, "Once.");
  auto file = readSamples(write("a.txt", "{ It is\n no JSON.\n"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->samples.at(0).output, "{ It is\n no JSON.\n");
  const std::string bad = write("b.md", "\xff");
  EXPECT_EQ(readSamples(bad).status().message(), bad + ": is not UTF-8; save the file as UTF-8");
}

TEST_F(Samples, TablesHaveAHeader) {
  auto csv = readSamples(write("a.csv", "\xEF\xBB\xBFid,output,instruction\n1,\"a, \"\"b\"\"\nc\",i\n\n2,o,j\n"));
  ASSERT_TRUE(csv.ok()) << csv.status().message();
  ASSERT_EQ(csv->samples.size(), 2u);
  EXPECT_EQ(csv->samples[0].output, "a, \"b\"\nc");
  EXPECT_EQ(csv->samples[1].instruction, "j");
  EXPECT_EQ(csv->samples[1].place, 5u);
  EXPECT_TRUE(csv->lines);
  auto tsv = readSamples(write("a.tsv", "prompt\tcompletion\np, q\tr\n"));
  ASSERT_TRUE(tsv.ok()) << tsv.status().message();
  EXPECT_EQ(tsv->samples[0].form, Sample::Form::Plain);
  auto broken = [&](const std::string &text) {
    const std::string path = write("b.csv", text);
    return readSamples(path).status().message().substr(path.size());
  };
  EXPECT_EQ(broken("instruction,output\na,b,c\n"), ":2: has 3 cells; the header has 2");
  EXPECT_EQ(broken("instruction,output\na,\"b\n"), ":2: a quote has no end; quotes inside a field must be doubled");
  EXPECT_EQ(broken("instruction,output\na,\xff\n"), ":2: column \"output\" is not UTF-8; save the file as UTF-8");
  EXPECT_EQ(
      broken("question,output\na,b\n"),
      ":2: field \"instruction\" is missing; must have instruction and output, and may have input, or have prompt "
      "and completion, or messages, or text (other names: data { columns { … } }); found: question, output");
  EXPECT_EQ(broken("instruction,output\n"), ": holds no samples");
  EXPECT_EQ(broken("instruction,output\ra,b\r"),
            ": its lines end with CR alone; convert it (tr '\\r' '\\n' < in > out)");
}

/// As spreadsheets write them: semicolons where the comma marks decimals, and rows of nothing.
TEST_F(Samples, TablesOfSpreadsheets) {
  for (const std::string separator : {";", "\t", ","}) {
    const std::string text = "instruction" + separator + "output\r\na" + separator + "\"b;\tc,\"\r\n" + separator +
                             "\r\n\r\nd" + separator + "\r\n";
    auto file = readSamples(write("a.csv", text));
    ASSERT_TRUE(file.ok()) << file.status().message();
    ASSERT_EQ(file->samples.size(), 2u) << text;
    EXPECT_EQ(file->samples[0].output, "b;\tc,");
    EXPECT_EQ(file->samples[1].instruction, "d");
    EXPECT_EQ(file->samples[1].output, "");
    EXPECT_EQ(file->samples[1].place, 5u);
  }
}

TEST_F(Samples, NamesMayBeInCapitals) {
  auto csv = readSamples(write("A.CSV", "instruction,output\nq,a\n"));
  ASSERT_TRUE(csv.ok()) << csv.status().message();
  EXPECT_EQ(csv->samples.at(0).output, "a");
  auto tsv = readSamples(write("A.Tsv", "prompt\tcompletion\np, q\tr\n"));
  ASSERT_TRUE(tsv.ok()) << tsv.status().message();
  EXPECT_EQ(tsv->samples.at(0).instruction, "p, q");
  EXPECT_EQ(readSamples(write("A.TXT", "{text"))->samples.at(0).form, Sample::Form::Document);
}

TEST_F(Samples, ASpreadsheetsFirstLineIsNamed) {
  for (const std::string line : {"sep=;\n", "sep=,\r\n"}) {
    const std::string path = write("a.csv", line + "instruction;output\nq;a\n");
    EXPECT_EQ(readSamples(path).status().message(),
              path + ":1: \"sep=\" tells a spreadsheet what stands between cells; take this line out");
  }
}

/// Cut behind a line, or where there is none in front of a character; all of it comes back.
TEST_F(Samples, ALongTextIsReadInStretches) {
  std::string text;
  while (text.size() < 2 * SampleSource::MaxStretch)
    text += "A line of the text.\n\n  Another.\n";
  text += std::string(SampleSource::MaxStretch, 'x') + "\u00e4" + std::string(100, 'y');
  auto file = readSamples(write("a.txt", text));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->samples.size(), 4u);
  std::string joined;
  for (const Sample &sample : file->samples) {
    EXPECT_EQ(sample.starts, joined.empty());
    joined += sample.output;
    EXPECT_EQ(sample.ends, joined.size() == text.size());
  }
  EXPECT_EQ(joined, text);
  EXPECT_TRUE(file->samples[0].output.ends_with("\n") && file->samples[1].output.starts_with("A"));
  EXPECT_FALSE(file->lines);
}

TEST_F(Samples, ATableMayHoldChats) {
  auto file =
      readSamples(write("a.csv", "id,messages\n1,\"[{\"\"role\"\": \"\"user\"\", \"\"content\"\": \"\"A?\"\"}]\"\n"));
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_EQ(file->samples.at(0).messages.size(), 1u);
  const std::string pandas = write("p.csv", "messages\n\"[{'role': 'user', 'content': 'A?'}]\"\n");
  EXPECT_EQ(readSamples(pandas).status().message(),
            pandas + ":2: field \"messages\" is written as Python prints it, with ' around texts; write it as JSON "
                     "(json.dumps)");
  auto twice = readSamples(write("b.csv", "messages,conversations\n[],[]\n"));
  ASSERT_FALSE(twice.ok());
  EXPECT_NE(twice.status().message().find("is there twice"), std::string::npos) << twice.status().message();
}

TEST_F(Samples, PackedFilesAreRead) {
  const std::string text = "{\"instruction\":\"i\",\"output\":\"o\"}\n";
  // gzip and zstd of that line.
  const std::string
      gzip = fromHex(
          "1f8b0800000000000203ab56cacc2b2e292a4d2ec9cccf53b252ca54d251ca2f2d29282d0172f2956ab900950ee95821000000"),
      zstandard =
          fromHex("28b52ffd04580901007b22696e737472756374696f6e223a2269222c226f7574707574223a226f227d0adf93d5c9");
  for (const std::string &packed : {gzip, gzip + gzip, zstandard}) {
    auto file = readSamples(write("a.jsonl.gz", packed));
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(file->samples[0].instruction, "i");
    EXPECT_EQ(file->samples.size(), packed.size() == 2 * gzip.size() ? 2u : 1u);
  }
  const std::string skipped("\x5A\x2A\x4D\x18\4\0\0\0abcd", 12), padding(512, '\0');
  for (const std::string &packed : {skipped + zstandard, zstandard + skipped + zstandard, gzip + padding}) {
    auto file = readSamples(write("a.jsonl.zst", packed));
    ASSERT_TRUE(file.ok()) << file.status().message();
    EXPECT_EQ(file->samples.size(), packed.size() > 2 * zstandard.size() && packed[0] == '\x28' ? 2u : 1u);
  }
  EXPECT_EQ(refusal(gzip.substr(0, gzip.size() - 4)), ": is cut off in the middle of its gzip data; copy it again");
  EXPECT_EQ(refusal(zstandard.substr(0, zstandard.size() - 4)),
            ": is cut off in the middle of its Zstandard data; copy it again");
  EXPECT_TRUE(refusal(gzip.substr(0, 12) + "xxxx" + gzip.substr(16)).starts_with(": is damaged gzip data ("));
}

TEST_F(Samples, OtherFilesAreNamedWithTheWayOut) {
  const std::string utf16 = ": is text in UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)";
  EXPECT_EQ(refusal(std::string("\xFF\xFE{\0", 4)), utf16);
  EXPECT_EQ(refusal(std::string("{\0\"\0", 4)), utf16);
  EXPECT_EQ(refusal(std::string("\0{\0\"", 4)), utf16);
  EXPECT_TRUE(refusal("PAR1....").starts_with(": is Parquet; convert it: "));
  EXPECT_EQ(refusal("PK\x03\x04"),
            ": is a zip archive; unpack it, or where a spreadsheet wrote it, save it there as CSV");
  EXPECT_TRUE(refusal("version https://git-lfs.github.com/spec/v1").starts_with(": is a pointer of Git LFS"));
}

TEST_F(Samples, MissingFileIsNamed) {
  auto file = readSamples((folder / "none.json").string());
  ASSERT_FALSE(file.ok());
  EXPECT_NE(file.status().message().find("none.json"), std::string::npos);
}

} // namespace
