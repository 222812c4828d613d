#include "runtime/Text/PreparedData.h"

#include "runtime/Text/DataCommand.h"
#include "runtime/Text/DataReport.h"
#include "runtime/Text/EncodeSamples.h"
#include "runtime/Text/TextTestUtils.h"

#include <fmt/format.h>

#include <map>
#include <set>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {

class PreparedDataTest : public FolderTest {
protected:
  void SetUp() override {
    FolderTest::SetUp();
    run.set_seed(42);
    run.set_template_("chatml");
    run.add_data_train("train.jsonl");
    std::string lines;
    for (int i = 0; i < 40; ++i)
      lines += fmt::format("{{\"instruction\":\"Say {}\",\"input\":\"\",\"output\":\"It is {}.\"}}\n", i, i * i);
    write("train.jsonl", lines);
    codec.emplace(testCodec());
    batch = testBatch(2, 512, codec->tokenizer().vocabSize());
  }
  BatchShape shape() { return *BatchShape::from(batch); }
  DataRequest trainRequest(const std::string &argument = "") {
    return DataRequest::train(run, shape(), folder.string(), argument);
  }
  Expected<PreparedData> prepare(const std::string &argument = "") {
    return preparedData(trainRequest(argument), &*codec);
  }
  std::string refusal(const std::string &argument = "") {
    auto result = prepare(argument);
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), Code::BadInput);
    return result.status().message();
  }
  size_t cached() {
    std::error_code error;
    fs::directory_iterator files(folder / "cache/ftc/data", error);
    return error ? 0 : std::distance(files, fs::directory_iterator());
  }
  plan::Run run;
  plan::Batch batch;
  std::optional<TextCodec> codec;
};

TEST_F(PreparedDataTest, PacksOnceAndTakesFromTheCache) {
  auto first = prepare();
  ASSERT_TRUE(first.ok()) << first.status().message();
  EXPECT_NE(first->notes.at(0).find("packed into"), std::string::npos);
  EXPECT_EQ(first->file->documents(), 40u);
  EXPECT_EQ(first->file->stats().endTrained, 40u);
  EXPECT_EQ(cached(), 1u);
  auto second = prepare();
  ASSERT_TRUE(second.ok());
  EXPECT_NE(second->notes.at(0).find("packed before"), std::string::npos);
  EXPECT_TRUE(std::ranges::equal(first->file->bytes(), second->file->bytes()));
}

TEST_F(PreparedDataTest, EveryDifferenceMakesAnotherFile) {
  std::set<std::string> names;
  auto differs = [&](const char *what) {
    auto data = prepare();
    ASSERT_TRUE(data.ok()) << what << data.status().message();
    EXPECT_TRUE(names.insert(data->file->name()).second) << what;
  };
  differs("first");
  run.set_seed(43);
  differs("seed");
  run.set_train_on_prompt(true);
  differs("train_on_prompt");
  run.set_val_set_size(0.2);
  differs("val_set_size");
  batch.set_max_documents_per_row(7);
  differs("max_documents_per_row");
  batch.set_max_document_len(500);
  differs("max_document_len");
  batch = testBatch(2, 1024, 5000);
  differs("sequence_len");
  codec.emplace(testCodec("alpaca"));
  differs("template");
  auto llama = TextCodec::load("test/goldens/text/llama3", {"alpaca", "", {}, false, ""});
  codec.emplace(std::move(*llama));
  differs("tokenizer");
  write("train.jsonl", "{\"instruction\":\"a\",\"output\":\"b\"}\n{\"instruction\":\"a\",\"output\":\"b\"}\n");
  differs("data");
}

TEST_F(PreparedDataTest, DamagedCacheIsMadeAgain) {
  auto first = prepare();
  ASSERT_TRUE(first.ok());
  const std::string name = first->file->name();
  const std::vector<std::byte> good(first->file->bytes().begin(), first->file->bytes().end());
  fs::resize_file(name, good.size() / 2);
  auto second = prepare();
  ASSERT_TRUE(second.ok()) << second.status().message();
  EXPECT_NE(second->notes.at(0).find("made again"), std::string::npos);
  EXPECT_TRUE(std::ranges::equal(good, second->file->bytes()));
}

TEST_F(PreparedDataTest, UnwritableCacheIsOnlyANote) {
  write("cache", "a file where the folder should be");
  auto data = prepare();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_NE(data->notes.at(0).find("is not kept"), std::string::npos);
  EXPECT_EQ(data->file->documents(), 40u);
}

TEST_F(PreparedDataTest, NamedTokenFileIsComparedAndRefused) {
  DataRequest request = trainRequest();
  request.outputFile = (folder / "own.tokens").string();
  auto made = preparedData(request, &*codec);
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(cached(), 0u);
  auto used = prepare("own.tokens");
  ASSERT_TRUE(used.ok()) << used.status().message();
  EXPECT_TRUE(used->notes.empty());
  EXPECT_TRUE(std::ranges::equal(made->file->bytes(), used->file->bytes()));

  const std::string path = request.outputFile, advice = "; make the file again with ftc data, or leave out --data";
  run.set_seed(1);
  EXPECT_EQ(refusal("own.tokens"), "seed is 42 in " + path + ", 1 in the plan" + advice);
  run.set_seed(42);
  write("train.jsonl", "{\"instruction\":\"a\",\"output\":\"b\"}\n");
  EXPECT_TRUE(refusal("own.tokens").starts_with("data digest is "));
  fs::remove(folder / "train.jsonl");
  auto alone = prepare("own.tokens");
  ASSERT_TRUE(alone.ok());
  EXPECT_NE(alone->notes.at(0).find("not compared with the data"), std::string::npos);
  codec.emplace(testCodec("alpaca"));
  EXPECT_TRUE(refusal("own.tokens").starts_with("template digest is "));
}

TEST_F(PreparedDataTest, MissingFileListsEveryPlace) {
  EXPECT_EQ(refusal("none.json"),
            "data file \"none.json\" not found; tried " + (folder / "none.json").string() + ", none.json");
  auto behind = [&](const std::string &name) {
    const std::string text = refusal(name);
    return text.substr(text.rfind("; ") == text.npos ? text.size() : text.rfind("; "));
  };
  EXPECT_EQ(behind("https://example.org/a.json"), "; nothing is fetched: download it, and name the file");
  EXPECT_EQ(behind("~/a.json"), "; what ~ stands for is known to shells alone: name the folder in full");
  EXPECT_EQ(behind("*.jsonl"), "; a name stands for one file, or for a folder of them: name each, or the folder");
  EXPECT_EQ(behind("owner/set"), "; a data set of the Hub must be here: hf download --repo-type dataset NAME "
                                 "--local-dir FOLDER, and name its files");
  run.clear_data_train();
  EXPECT_EQ(refusal(), "the plan names no data; name a file with --data, or --data synthetic:SEED for measurements");
}

TEST_F(PreparedDataTest, SamplesWithoutTargetAreDroppedAndMoreThanOnePercentRefused) {
  auto file = [&](int good, int bad) {
    std::string lines;
    for (int i = 0; i < good + bad; ++i)
      lines +=
          fmt::format("{{\"instruction\":\"{}\",\"output\":\"{}\"}}\n", i < bad ? std::string(600, '9') : "Say", i);
    write("train.jsonl", lines);
  };
  file(198, 2);
  auto data = prepare();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->file->stats().dropped, 2u);
  EXPECT_EQ(data->file->stats().truncated, 2u);
  EXPECT_EQ(data->file->documents(), 198u);
  EXPECT_NE(
      formatReport(dataReport(*data->file, nullptr), "t").find("dropped without a target 2 (first: line 1, line 2)"),
      std::string::npos);
  file(95, 5);
  EXPECT_EQ(
      refusal(),
      (folder / "train.jsonl").string() +
          ": 5 of 100 samples have no target: of 5 the prompt alone fills max_document_len 512, of 0 no turn is "
          "trained, "
          "0 are empty; the first at line 1, line 2, line 3; at most 1 % that are not empty may, and one must be left: "
          "raise max_document_len, or take them out");
  file(0, 1);
  EXPECT_NE(refusal().find("1 of 1 samples have no target"), std::string::npos);
}

/// As Wikipedia's lines, of which every other is empty.
TEST_F(PreparedDataTest, EmptyTextsAndChatsAreDroppedAndCounted) {
  write("train.jsonl", "{\"text\":\"\"}\n{\"text\":\"One.\"}\n{\"text\":\"\"}\n{\"messages\":[]}\n");
  auto data = prepare();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->file->stats().dropped, 3u);
  EXPECT_EQ(data->file->documents(), 1u);
  write("train.jsonl", "{\"text\":\"\"}\n");
  EXPECT_NE(
      refusal().find("1 of 1 samples have no target: of 0 the prompt alone fills max_document_len 512, of 0 no turn "
                     "is trained, 1 are empty; the first at line 1"),
      std::string::npos)
      << refusal();
}

TEST_F(PreparedDataTest, IdsOutsideTheModelAreRefused) {
  batch.set_vocab_size(100);
  EXPECT_NE(refusal().find("must be below the model's vocab_size 100: the tokenizer does not belong to this model"),
            std::string::npos);
}

TEST_F(PreparedDataTest, ValSetSizeSplitsWithoutOverlap) {
  run.set_val_set_size(0.25);
  auto train = prepare();
  auto held = preparedData(DataRequest::evaluation(run, shape(), folder.string(), ""), &*codec);
  ASSERT_TRUE(train.ok() && held.ok());
  EXPECT_EQ(train->file->documents(), 30u);
  EXPECT_EQ(held->file->documents(), 10u);
  std::set<std::vector<uint32_t>> seen;
  for (const auto &file : {train->file, held->file})
    for (uint64_t r = 0; r < file->rows(); ++r) {
      auto rest = file->row(r).tokens;
      for (uint32_t length : file->row(r).documentLens) {
        seen.insert({rest.begin(), rest.begin() + length});
        rest = rest.subspan(length);
      }
    }
  EXPECT_EQ(seen.size(), 40u);
  run.set_val_set_size(4);
  EXPECT_EQ(prepare()->file->documents(), 36u);
  run.set_val_set_size(0.1);
  write("train.jsonl", "{\"instruction\":\"Say\",\"output\":\"It is.\"}\n");
  EXPECT_EQ(refusal(),
            (folder / "train.jsonl").string() +
                ": val_set_size 0.1 holds out 1 of 1 samples; none is left to train on: add samples, or name "
                "held-out ones in data.eval");
}

TEST_F(PreparedDataTest, SyntheticNeedsNoTokenizerAndBringsItsOwnHeldOutData) {
  run.add_data_eval("eval.jsonl");
  EXPECT_TRUE(hasEvaluation(run));
  auto train = preparedData(trainRequest("synthetic:7"), nullptr);
  auto held = preparedData(DataRequest::evaluation(run, shape(), folder.string(), "synthetic:7"), nullptr);
  ASSERT_TRUE(train.ok() && held.ok());
  EXPECT_FALSE(std::ranges::equal(train->file->bytes(), held->file->bytes()));
  run.set_data_eval(0, "synthetic:8");
  auto named = preparedData(DataRequest::evaluation(run, shape(), folder.string(), "synthetic:7"), nullptr);
  auto beside = preparedData(DataRequest::evaluation(run, shape(), folder.string(), ""), nullptr); // train.jsonl
  ASSERT_TRUE(named.ok() && beside.ok());
  EXPECT_EQ(named->file->name(), "synthetic:8");
  EXPECT_TRUE(std::ranges::equal(named->file->bytes(), beside->file->bytes()));
  EXPECT_EQ(refusal("synthetic:x"),
            "data \"synthetic:x\": must be synthetic:SEED with an integer in [0, 2^64), or synthetic:SEED:PERCENT or "
            "synthetic:SEED:FROM-TO with percents of a document that are masked, in [0, 99]");
  auto without = preparedData(trainRequest(), nullptr);
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.status().message(), "data \"train.jsonl\" needs a tokenizer, and the model has none; use --model "
                                        "with a file, or --data synthetic:SEED");
}

TEST_F(PreparedDataTest, ReportMarksWhatIsNotTrained) {
  write("train.jsonl", "{\"instruction\":\"Say\",\"output\":\"It is.\"}\n");
  auto data = prepare();
  ASSERT_TRUE(data.ok());
  const DataReport report = dataReport(*data->file, &codec->tokenizer());
  EXPECT_EQ(report.sample,
            std::string("⟦") + "<|im_start|>user\nSay<|im_end|>\n<|im_start|>assistant\n" + "⟧It is.<|im_end|>");
  const std::string text = formatReport(report, "training data");
  EXPECT_NE(text.find("  samples 1, truncated 0, dropped without a target 0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("end of turn trained in 1 of 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("    | ⟦<|im_start|>user\n    | Say"), std::string::npos) << text;
  EXPECT_EQ(text.find("every answer is empty"), std::string::npos);
  DataReport empty = report;
  empty.stats.targets = empty.stats.endTrained;
  EXPECT_NE(formatReport(empty, "t").find("note: every answer is empty, and nothing but ends of turns is trained"),
            std::string::npos);
  EXPECT_EQ(text.find("lose their end"), std::string::npos);
  DataReport cut = report;
  cut.stats.samples = 10;
  cut.stats.truncated = 1;
  EXPECT_EQ(formatReport(cut, "t").find("lose their end"), std::string::npos);
  cut.stats.truncated = 2;
  EXPECT_NE(formatReport(cut, "t").find("  note: 20 % of the samples are longer than a document may be, and lose their "
                                        "end, which would teach where an answer ends; raise sequence_len"),
            std::string::npos);
  DataReport steering = report;
  steering.sample = "a\x1b[31m\r\tb\x7f";
  EXPECT_NE(formatReport(steering, "t").find("    | a\\x1b[31m\\x0d\tb\\x7f\n"), std::string::npos);
}

TEST_F(PreparedDataTest, CommandPacksBothAndReports) {
  run.set_val_set_size(0.25);
  DataCommand command{run, batch, "test/goldens/text/digits", folder.string(), (folder / "out.tokens").string()};
  std::string output;
  Status status = runDataCommand(command, output);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_NE(output.find("training data: "), std::string::npos);
  EXPECT_NE(output.find("held-out data: "), std::string::npos);
  EXPECT_TRUE(prepare("out.tokens").ok());
  command.modelPath.clear();
  EXPECT_EQ(runDataCommand(command, output).message(),
            "ftc data needs --model PATH: a GGUF file, or a folder with tokenizer.json");
  command.run.set_data_train(0, "synthetic:1");
  EXPECT_EQ(runDataCommand(command, output).message(),
            "data.train is \"synthetic:1\": synthetic data is made by ftrun, there is nothing to prepare");
}

TEST_F(PreparedDataTest, ReportCountsEverySource) {
  const std::string line = "{\"instruction\":\"Say\",\"output\":\"It is.\"}\n";
  std::string many, longPrompt;
  for (int i = 0; i < 600; ++i)
    longPrompt += fmt::format("{} ", i);
  for (int i = 0; i < 400; ++i)
    many += fmt::format("{{\"instruction\":\"Say {}\",\"output\":\"It is {}.\"}}\n", i, i);
  const std::string flagged =
      R"({"messages":[{"role":"user","content":"A?"},{"role":"assistant","content":"B.","train":false}]})";
  write("train.jsonl", line + line + "{\"instruction\":\"" + longPrompt + "\",\"output\":\"y\"}\n" + many);
  write("more.jsonl",
        "{\"id\":7,\"instruction\":\"Ask.\",\"context\":\"c\",\"output\":\"Answer.\"}\n" + line + flagged + "\n");
  run.add_data_train("more.jsonl");
  auto data = prepare();
  ASSERT_TRUE(data.ok()) << data.status().message();
  const auto &sources = data->file->stats().sources;
  ASSERT_EQ(sources.size(), 2u);
  EXPECT_EQ(sources[0].name, "train.jsonl");
  EXPECT_EQ(sources[0].samples, 403u);
  EXPECT_EQ(sources[0].documents, 402u);
  EXPECT_EQ(sources[0].tooLong, 1u);
  EXPECT_EQ(sources[0].truncated, 1u);
  EXPECT_EQ(sources[0].duplicates, 1u);
  EXPECT_EQ(sources[0].endTrained, 402u);
  EXPECT_EQ(sources[1].untrained, 1u);
  EXPECT_EQ(sources[1].duplicates, 1u);
  EXPECT_EQ(sources[0].tokens + sources[1].tokens, data->file->stats().tokens);
  EXPECT_EQ(sources[0].targets + sources[1].targets, data->file->stats().targets);
  const std::string text = formatReport(dataReport(*data->file, &codec->tokenizer()), "t");
  EXPECT_NE(text.find("dropped 1 whose prompt alone fills max_document_len, end trained in 402, duplicates 1\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("dropped 1 of which nothing is trained"), std::string::npos) << text;
  EXPECT_EQ(sources[0].unread, "");
  EXPECT_NE(text.find(", not read: id, context\n"), std::string::npos) << text;
  EXPECT_NE(text.find("  tokens a document:\n"), std::string::npos) << text;
  // The same from the cache.
  EXPECT_EQ(prepare()->file->stats().sources, sources);
}

/// Files in their order, a folder's in the order of their names; what is there decides the digest.
TEST_F(PreparedDataTest, SeveralFilesAndFolders) {
  fs::create_directories(folder / "more");
  std::ofstream(folder / "more/b.jsonl") << "{\"instruction\":\"b\",\"output\":\"B\"}\n";
  std::ofstream(folder / "more/a.csv") << "instruction,output\na,A\n";
  std::ofstream(folder / "more/notes.pdf") << "x";
  std::ofstream(folder / "more/README.md") << "# A set";
  std::ofstream(folder / "more/dataset_infos.json") << "{}";
  fs::create_directories(folder / "more/older");
  fs::create_directories(folder / "more/.git");
  run.add_data_train("more");
  auto data = prepare();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->file->documents(), 42u);
  EXPECT_NE(data->notes.at(0).find("4 of 6 entries are left out"), std::string::npos) << data->notes.at(0);
  EXPECT_TRUE(data->notes.at(1).ends_with("more: a folder in it is left out; name what shall be read"))
      << data->notes.at(1);
  const Sha256Digest before = data->file->identity().data;
  std::ofstream(folder / "more/b.jsonl") << "{\"instruction\":\"b\",\"output\":\"C\"}\n";
  EXPECT_NE(prepare()->file->identity().data, before);
  run.mutable_data_columns()->set_output("other");
  EXPECT_NE(refusal().find("train.jsonl:1: field \"other\" is missing"), std::string::npos);
  run.clear_data_columns();
  std::ofstream(folder / "more/c.parquet") << "PAR1";
  EXPECT_NE(refusal().find("c.parquet: is Parquet; convert it"), std::string::npos);
  fs::create_directories(folder / "empty");
  run.add_data_train("empty");
  EXPECT_TRUE(refusal().ends_with("perhaps packed (.gz, .zst)")) << refusal();
  EXPECT_NE(refusal().find("empty: is a folder without data"), std::string::npos);
  fs::create_directories(folder / "empty/data");
  EXPECT_TRUE(refusal().ends_with("(.gz, .zst); folders in it are not looked into: name them")) << refusal();
}

/// Continued pre-training: pieces that fill a row, the end of text behind the last.
TEST_F(PreparedDataTest, PlainTextIsSplitAndEnds) {
  std::string text;
  for (int i = 0; i < 900; ++i)
    text += fmt::format("{} ", i);
  write("book.txt", text);
  run.set_data_train(0, "book.txt");
  auto data = prepare();
  ASSERT_TRUE(data.ok()) << data.status().message();
  std::vector<uint32_t> ids;
  ASSERT_TRUE(codec->tokenizer().encode(text, ids).ok());
  ids.push_back(*codec->tokenizer().eos());
  const auto &stats = data->file->stats();
  EXPECT_EQ(stats.tokens, ids.size());
  EXPECT_EQ(data->file->documents(), (ids.size() + 511) / 512);
  EXPECT_EQ(stats.targets, ids.size() - data->file->documents());
  EXPECT_EQ(stats.samples, 1u);
  EXPECT_EQ(stats.truncated, 0u);
  EXPECT_EQ(stats.endTrained, 1u);
}

/// A document of several stretches starts and ends once.
TEST_F(PreparedDataTest, ALongTextEndsOnce) {
  std::string text;
  while (text.size() < SampleSource::MaxStretch + 1000)
    text += "12 345\n";
  write("book.txt", text);
  run.set_data_train(0, "book.txt");
  auto data = prepare();
  ASSERT_TRUE(data.ok()) << data.status().message();
  EXPECT_EQ(data->file->stats().samples, 2u);
  EXPECT_EQ(data->file->stats().endTrained, 1u);
  EXPECT_EQ(data->file->stats().dropped, 0u);
}

/// What is told of long work, and that all cores give the same file.
TEST_F(PreparedDataTest, ManySamplesAreToldOfAndGiveTheSameFile) {
  struct Heard : WorkProgress {
    std::map<std::string, std::pair<uint64_t, uint64_t>> last;
    void at(std::string_view what, uint64_t done, uint64_t total) override {
      auto &[before, all] = last[std::string(what)];
      EXPECT_GE(done, before);
      EXPECT_TRUE(all == 0 || all == total);
      before = done, all = total;
    }
  } heard;
  std::string lines;
  for (int i = 0; i < 20000; ++i)
    lines += fmt::format("{{\"instruction\":\"Say {}\",\"output\":\"It is {}.\"}}\n", i % 19000, i % 19000);
  write("train.jsonl", lines);
  std::vector<std::byte> first;
  for (const char *name : {"a.tokens", "b.tokens"}) {
    DataRequest request = trainRequest();
    request.outputFile = (folder / name).string();
    request.progress = &heard;
    auto data = preparedData(request, &*codec);
    ASSERT_TRUE(data.ok()) << data.status().message();
    EXPECT_EQ(data->file->stats().sources[0].duplicates, 1000u);
    const auto bytes = data->file->bytes();
    EXPECT_TRUE(first.empty() || std::ranges::equal(first, bytes));
    first.assign(bytes.begin(), bytes.end());
    for (const char *what : {"tokenising", "packing"}) {
      EXPECT_EQ(heard.last[what].first, heard.last[what].second);
      EXPECT_GT(heard.last[what].second, 0u);
    }
    heard.last.clear();
  }
}

/// The demo's data in the repository: nothing dropped, nothing cut, every end trained.
TEST_F(PreparedDataTest, WordNetSamplesAreGood) {
  batch = testBatch(4, 512, codec->tokenizer().vocabSize());
  auto file = readSamples("recipes/data/wordnet_train.jsonl"), held = readSamples("recipes/data/wordnet_eval.jsonl");
  ASSERT_TRUE(file.ok() && held.ok());
  EXPECT_EQ(file->samples.size(), 1900u);
  EXPECT_EQ(held->samples.size(), 100u);
  TokenFileIdentity identity;
  identity.shape = shape().row;
  identity.vocabSize = shape().vocabSize;
  auto source = SampleSource::open("recipes/data/wordnet_train.jsonl");
  ASSERT_TRUE(source.ok()) << source.status().message();
  auto encoded = encodeSamples(std::span(&*source, 1), identity, *codec, folder.string(), nullptr);
  ASSERT_TRUE(encoded.ok()) << encoded.status().message();
  EXPECT_EQ(encoded->stats.truncated, 0u);
  EXPECT_EQ(encoded->documents.size(), 1900u);
  std::set<std::string> words;
  for (const auto &samples : {*file, *held})
    for (const Sample &sample : samples.samples)
      EXPECT_TRUE(words.insert(sample.input.substr(0, sample.input.find(' '))).second) << sample.input;
}

} // namespace
