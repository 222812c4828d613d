#include "runtime/Checkpoint/CheckpointTesting.h"
#include "runtime/Checkpoint/CheckpointWriter.h"
#include "runtime/Support/Sha256.h"

#include <filesystem>
#include <fmt/format.h>
#include <fstream>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
class CheckpointTest : public testing::Test {
protected:
  void SetUp() override {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  void write(uint64_t step) {
    EXPECT_TRUE(writeCheckpoint(plan, readerAt(step), stateAt(step), folder, systemFiles()).ok());
  }
  std::string path(uint64_t step, const std::string &file = "") const {
    return folder + "/" + checkpointName(step) + (file.empty() ? "" : "/" + file);
  }
  void change(const std::string &file, const std::function<void(std::string &)> &edit) {
    std::string text = contentOf(file);
    edit(text);
    std::ofstream(file, std::ios::binary) << text;
  }
  std::string refusal(uint64_t step) {
    const auto checkpoint = Checkpoint::open(path(step), plan);
    EXPECT_FALSE(checkpoint.ok());
    EXPECT_EQ(checkpoint.status().code(), Code::BadInput);
    return checkpoint.status().message();
  }

  plan::Plan plan = checkpointPlan();
  const std::string folder = testing::TempDir() + "checkpoint-test";
};

void expectError(const Status &status, const std::string &part) {
  EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
}
} // namespace

TEST_F(CheckpointTest, ComesBackAsItWas) {
  write(7);
  EXPECT_TRUE(holdsItsStep(path(7), plan));
  EXPECT_EQ(contentOf(folder + "/" + latestFile), "checkpoint-7\n");
  EXPECT_EQ(contentOf(path(7, "adapter_config.json")), "{\"r\": 3}\n");
  const auto moments = SafetensorsFile::open(path(7, momentsFile));
  ASSERT_TRUE(moments.ok());
  EXPECT_NE(moments->tensor("base.q_proj.lora_A.weight.exp_avg_sq"), nullptr);
  EXPECT_EQ(moments->tensors().size(), 4u);
}

TEST_F(CheckpointTest, TheStateComesBackBitForBit) {
  CheckpointState state = stateAt(3);
  state.seed = UINT64_MAX;
  state.position = {3, 24, true, 0.1 + 0.2, 1e-300, 1u << 31, 5};
  state.before = EvaluationMetrics{0, 1.0 / 3, 99, 0.5};
  state.answerBefore = "a \"word\"\n";
  state.best = BestStep{2, 2.0 / 3, "/elsewhere/checkpoint-2"};
  state.products = {"oneDNN x"};
  state.files = {{"a.safetensors", 12, 0xfedcba9876543210u}};
  const auto read = parseCheckpointState(toJson(state), "state.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(toJson(*read), toJson(state));
  EXPECT_EQ(read->position.lossSum, 0.1 + 0.2);
  EXPECT_EQ(read->before->loss, 1.0 / 3);
  EXPECT_EQ(read->facts, state.facts);
  EXPECT_EQ(read->files[0].checksum, 0xfedcba9876543210u);
  for (const char *field : {"version", "position", "facts", "files", "step", "next_row", "xxh3"}) {
    std::string text = toJson(state);
    text.replace(text.find(std::string("\"") + field + "\""), 2, "\"X");
    expectError(parseCheckpointState(text, "state.json").status(), field);
  }
  expectError(parseCheckpointState("[]", "state.json").status(), "is a JSON array; must be an object");
  expectError(parseCheckpointState("{\"version\": 2}", "state.json").status(), "version is 2");
}

TEST_F(CheckpointTest, RefusesDamageByName) {
  for (const char *file : {"adapter_model.safetensors", momentsFile, "adapter_config.json"}) {
    write(4);
    change(path(4, file), [](std::string &text) { text[text.size() / 2] ^= 1; });
    EXPECT_NE(refusal(4).find(fmt::format("{}: its checksum is", path(4, file))), std::string::npos) << refusal(4);
    write(4);
    change(path(4, file), [](std::string &text) { text.pop_back(); });
    EXPECT_NE(refusal(4).find("bytes; had"), std::string::npos) << refusal(4);
    write(4);
    fs::remove(path(4, file));
    EXPECT_NE(refusal(4).find(file), std::string::npos) << refusal(4);
  }
  for (const char *file : {stateFile, completeFile}) {
    write(4);
    change(path(4, file), [](std::string &text) { text[5] ^= 1; });
    EXPECT_NE(refusal(4).find(fmt::format("{}: does not belong to {}", path(4, stateFile), path(4, completeFile))),
              std::string::npos)
        << refusal(4);
    // It was complete once, and is not to be taken for one that never was.
    EXPECT_EQ(completeCheckpoints(folder), (std::vector<uint64_t>{4}));
    fs::remove(path(4, file));
    EXPECT_NE(refusal(4).find(file), std::string::npos) << refusal(4);
    EXPECT_EQ(completeCheckpoints(folder).empty(), file == std::string(completeFile));
    if (file == std::string(stateFile))
      fs::remove_all(path(4, ""));
  }
}

TEST_F(CheckpointTest, RefusesTensorsOfAnotherPlan) {
  write(4);
  plan.mutable_tensors(0)->set_shape(0, 5), plan.mutable_tensors(0)->set_shape(1, 3);
  EXPECT_NE(refusal(4).find("base.q_proj.lora_A.weight\" has shape [3, 5]; the plan needs [5, 3]"), std::string::npos);
  plan = checkpointPlan();
  plan.mutable_tensors(1)->set_key("base.k_proj.lora_A.weight");
  EXPECT_NE(refusal(4).find("base.k_proj.lora_A.weight.exp_avg\" [3, 5] is missing"), std::string::npos) << refusal(4);
  EXPECT_NE(refusal(4).find("base.q_proj.lora_A.weight.exp_avg\" [3, 5] is not in the plan"), std::string::npos);
}

TEST_F(CheckpointTest, RefusesAnotherNameAndATensorInTwoFiles) {
  write(4);
  fs::rename(path(4, ""), folder + "/best"); // a name of its user's
  EXPECT_TRUE(Checkpoint::open(folder + "/best", plan).ok());
  fs::rename(folder + "/best", folder + "/checkpoint-7");
  EXPECT_NE(refusal(7).find("is of step 4, and its folder is called checkpoint-7"), std::string::npos) << refusal(7);
  CheckpointState state = stateAt(4);
  write(4);
  const auto files = (*Checkpoint::open(path(4, ""), plan))->state().files;
  fs::copy_file(path(4, momentsFile), path(4, "twice.safetensors"));
  state.files = files;
  state.files.push_back({"twice.safetensors", files.back().bytes, files.back().checksum});
  const std::string text = toJson(state);
  std::ofstream(path(4, stateFile)) << text;
  std::ofstream(path(4, completeFile)) << toHex(sha256(text)) << "\n";
  EXPECT_NE(refusal(4).find("is in " + path(4, momentsFile) + " too"), std::string::npos) << refusal(4);
}

TEST_F(CheckpointTest, OthersCheckpointsStay) {
  fs::create_directories(folder + "/checkpoint-3");
  std::ofstream(folder + "/checkpoint-3/trainer_state.json") << "{}";
  write(5), write(6);
  EXPECT_TRUE(removeOldCheckpoints(folder, 1, {}, systemFiles()).ok());
  EXPECT_EQ(completeCheckpoints(folder), (std::vector<uint64_t>{6}));
  EXPECT_TRUE(fs::exists(folder + "/checkpoint-3/trainer_state.json"));
  const Status status = writeCheckpoint(plan, readerAt(3), stateAt(3), folder, systemFiles());
  EXPECT_NE(status.message().find("make room for"), std::string::npos) << status.message();
  EXPECT_TRUE(fs::exists(folder + "/checkpoint-3/trainer_state.json"));
}

TEST_F(CheckpointTest, NamesAreExact) {
  EXPECT_EQ(checkpointStep("checkpoint-20"), 20u);
  for (const char *name : {"checkpoint-", "checkpoint-020", "checkpoint-2x", "checkpoint-20.tmp.1.0", "heckpoint-20",
                           "checkpoint--1", "checkpoint-20.damaged"})
    EXPECT_FALSE(checkpointStep(name)) << name;
  EXPECT_TRUE(isUnfinishedCheckpoint("checkpoint-20.tmp.1.0"));
  EXPECT_FALSE(isUnfinishedCheckpoint("notes.tmp.1.0"));
}

TEST_F(CheckpointTest, KeepsTheNewestAndTheBest) {
  for (uint64_t step : {5, 10, 15, 100})
    write(step);
  EXPECT_TRUE(removeOldCheckpoints(folder, 2, 10, systemFiles()).ok());
  EXPECT_EQ(completeCheckpoints(folder), (std::vector<uint64_t>{10, 100}));
  EXPECT_TRUE(removeOldCheckpoints(folder, 1, 10, systemFiles()).ok());
  EXPECT_EQ(completeCheckpoints(folder), (std::vector<uint64_t>{10, 100}));
  EXPECT_TRUE(removeOldCheckpoints(folder, 1, {}, systemFiles()).ok());
  EXPECT_EQ(completeCheckpoints(folder), (std::vector<uint64_t>{100}));
}

TEST_F(CheckpointTest, TheWriterTellsWhatBecameOfEach) {
  CheckpointWriter writer(systemFiles(), folder);
  EXPECT_FALSE(writer.wait());
  writer.start({plan, readerAt(3), stateAt(3)});
  auto outcome = writer.wait();
  ASSERT_TRUE(outcome && outcome->written.ok());
  EXPECT_EQ(outcome->step, 3u);
  EXPECT_FALSE(writer.wait()) << "told once";
  CheckpointWriter elsewhere(systemFiles(), folder + "/absent");
  elsewhere.start({plan, readerAt(3), stateAt(3)});
  outcome = elsewhere.wait();
  ASSERT_TRUE(outcome);
  expectError(outcome->written, ": cannot create: No such file or directory");
}
