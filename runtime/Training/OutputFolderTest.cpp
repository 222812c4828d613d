#include "runtime/Training/OutputFolder.h"

#include "runtime/Training/Leftovers.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
class OutputFolderTest : public testing::Test {
protected:
  void SetUp() override {
    fs::remove_all(path);
    plan.add_exports()->set_file("adapter_model.safetensors");
    plan.add_texts()->set_file("adapter_config.json");
  }
  void touch(const std::string &name, const std::string &text = "x") {
    fs::create_directories(fs::path(path + "/" + name).parent_path());
    std::ofstream(path + "/" + name) << text;
  }
  std::string refusal(bool overwrite = false) {
    auto folder = OutputFolder::prepare(path, plan, overwrite);
    EXPECT_TRUE(folder.ok() || folder.status().code() == Code::BadInput);
    return folder.ok() ? "" : folder.status().message();
  }
  const std::string path = testing::TempDir() + "output-folder-test";
  plan::Plan plan;
};

/// The system's, until the process "dies" ahead of a removal.
class MortalFiles final : public Files {
public:
  struct Death {};
  explicit MortalFiles(int removals) : left(removals) {}

  std::error_code remove(const std::string &path) override {
    if (left-- == 0)
      throw Death();
    return system.remove(path);
  }
  std::error_code create(const std::string &path, int &file) override { return system.create(path, file); }
  std::error_code write(int file, uint64_t offset, std::span<const std::byte> bytes) override {
    return system.write(file, offset, bytes);
  }
  std::error_code sync(int file) override { return system.sync(file); }
  void close(int file) override { system.close(file); }
  std::error_code makeFolder(const std::string &path) override { return system.makeFolder(path); }
  std::error_code syncFolder(const std::string &path) override { return system.syncFolder(path); }
  std::error_code rename(const std::string &from, const std::string &to) override { return system.rename(from, to); }
  std::vector<std::string> list(const std::string &path) override { return system.list(path); }

private:
  Files &system = systemFiles();
  int left;
};
} // namespace

TEST_F(OutputFolderTest, TakesNewEmptyAndUnfinishedFolders) {
  EXPECT_EQ(refusal(), "");
  EXPECT_TRUE(fs::is_directory(path));
  EXPECT_EQ(refusal(), "");
  touch("metrics.jsonl", "");
  EXPECT_EQ(refusal(), "");
  touch("metrics.jsonl", "{\"step\":1}\n{\"st");
  EXPECT_EQ(refusal(), "");
}

TEST_F(OutputFolderTest, TakesARunThatEndedAheadOfItsFirstStep) {
  touch("adapter_model.safetensors");
  touch("metrics.jsonl", "");
  touch("summary.json", R"({"interrupted":true,"steps":0})");
  EXPECT_EQ(refusal(), "");
  EXPECT_FALSE(fs::exists(path + "/adapter_model.safetensors"));
  for (const char *summary : {R"({"interrupted":true,"steps":1})", R"({"interrupted":false,"steps":0})", "{", "[]"}) {
    touch("summary.json", summary);
    EXPECT_NE(refusal().find("finished run"), std::string::npos) << summary;
  }
}

TEST_F(OutputFolderTest, ADeathWhileTakingTheFolderLeavesOneThatIsTaken) {
  plan.add_texts()->set_file("template.txt"); // behind metrics.jsonl in the alphabet
  auto dieAt = [&](int removals, const char *summary) {
    fs::remove_all(path);
    for (const char *name :
         {"adapter_config.json", "template.txt", "latest-checkpoint", "checkpoint-3/state.json",
          "checkpoint-3/optimizer.safetensors", "checkpoint-6.tmp.1.0/state.json", "failed-step-2/template.txt"})
      touch(name);
    touch("metrics.jsonl", "{\"step\":1}\n");
    if (summary)
      touch("summary.json", summary), touch("adapter_model.safetensors");
    MortalFiles files(removals);
    try {
      EXPECT_TRUE(OutputFolder::prepare(path, plan, /*overwrite=*/false, files).ok());
      return false;
    } catch (MortalFiles::Death) {
      return true;
    }
  };
  for (const char *summary : {static_cast<const char *>(nullptr), R"({"interrupted":true,"steps":0})"}) {
    int removals = 0;
    for (; dieAt(removals, summary); ++removals)
      EXPECT_EQ(refusal(), "") << "behind removal " << removals;
    EXPECT_GT(removals, 12);
    EXPECT_TRUE(fs::is_empty(path));
  }
}

TEST_F(OutputFolderTest, WhatNoRunHasWrittenStays) {
  touch("metrics.jsonl", "{}\n");
  EXPECT_NE(refusal().find("no run of ftrun wrote"), std::string::npos);
  touch("metrics.jsonl", "{\"step\":1}\n");
  touch("adapter_model.safetensors");
  EXPECT_NE(refusal().find("holds adapter_model.safetensors, and no finished run"), std::string::npos);
  touch("failed-step-analysis/notes.md");
  EXPECT_EQ(refusal(true), "");
  EXPECT_TRUE(fs::exists(path + "/failed-step-analysis/notes.md"));
  EXPECT_FALSE(fs::exists(path + "/adapter_model.safetensors"));
}

TEST_F(OutputFolderTest, ASecondRunIntoTheFolderIsRefused) {
  auto first = OutputFolder::prepare(path, plan, false);
  ASSERT_TRUE(first.ok());
  for (bool overwrite : {false, true})
    EXPECT_NE(refusal(overwrite).find("another run writes there"), std::string::npos);
  first = badInput("ended");
  EXPECT_EQ(refusal(), "");
}

TEST_F(OutputFolderTest, RefusesFinishedAndForeignOnes) {
  touch("summary.json");
  EXPECT_NE(refusal().find("finished run"), std::string::npos);
  fs::remove_all(path);
  touch("thesis.tex");
  EXPECT_NE(refusal().find("no run of ftrun wrote"), std::string::npos);
  EXPECT_NE(refusal().find(path), std::string::npos);
}

TEST_F(OutputFolderTest, OverwriteRemovesOwnFilesOnly) {
  for (const char *name : {"summary.json", "metrics.jsonl", "adapter_model.safetensors", "adapter_config.json",
                           "failed-step-3/adapter_model.safetensors", "thesis.tex"})
    touch(name);
  EXPECT_EQ(refusal(true), "");
  EXPECT_TRUE(fs::exists(path + "/thesis.tex"));
  for (const char *name :
       {"summary.json", "metrics.jsonl", "adapter_model.safetensors", "adapter_config.json", "failed-step-3"})
    EXPECT_FALSE(fs::exists(path + "/" + name)) << name;
}

TEST_F(OutputFolderTest, OverwriteRemovesWhatARunOfAnotherKindLeft) {
  const std::vector<std::string> full = {"config.json", "model.safetensors", "rank-1.log", "recipe.resolved.textproto"};
  const std::vector<std::string> others = {"thesis.tex", "rank-x.log", "model-00001-of-00002.safetensors"};
  auto fill = [&](const std::string &summary) {
    fs::remove_all(path);
    for (const auto *names : {&full, &others})
      for (const std::string &name : *names)
        touch(name);
    touch("metrics.jsonl", "{\"step\":1}\n");
    if (!summary.empty())
      touch("summary.json", summary);
  };
  auto expectReplaced = [&] {
    for (const std::string &name : full)
      EXPECT_FALSE(fs::exists(path + "/" + name)) << name;
    for (const std::string &name : others)
      EXPECT_TRUE(fs::exists(path + "/" + name)) << name;
  };
  fill(R"({"plan_sha256":"1"})");
  EXPECT_EQ(refusal(true), "");
  expectReplaced();
  fill(R"({"plan_sha256":"1"})");
  fs::remove(path + "/recipe.resolved.textproto");
  EXPECT_EQ(refusal(true), "");
  expectReplaced();
  fill(""); // one that died ahead of its summary
  EXPECT_NE(refusal().find("holds model.safetensors, and no finished run"), std::string::npos);
  EXPECT_EQ(refusal(true), "");
  expectReplaced();

  for (int removals = 0, died = 1; died; ++removals) {
    fill(R"({"plan_sha256":"1"})");
    MortalFiles files(removals);
    died = 0;
    try {
      EXPECT_TRUE(OutputFolder::prepare(path, plan, /*overwrite=*/true, files).ok());
    } catch (MortalFiles::Death) {
      died = 1;
    }
    EXPECT_EQ(refusal(true), "") << "behind removal " << removals;
    expectReplaced();
  }
}

TEST_F(OutputFolderTest, OverwriteKeepsModelsThatNoRunOfOursMade) {
  for (const char *name : {"config.json", "model.safetensors", "rank-1.log"})
    touch(name);
  touch("metrics.jsonl", "{\"step\":1}\n"); // as others write them
  touch("summary.json", "{}");
  EXPECT_EQ(refusal(true), "");
  for (const char *name : {"config.json", "model.safetensors", "rank-1.log"})
    EXPECT_TRUE(fs::exists(path + "/" + name)) << name;
}

TEST_F(OutputFolderTest, CheckpointsOfOthersStay) {
  touch("checkpoint-500/trainer_state.json");
  for (bool overwrite : {false, true})
    EXPECT_NE(refusal(overwrite).find("holds checkpoint-500, which no run of ftrun made"), std::string::npos);
  EXPECT_TRUE(fs::exists(path + "/checkpoint-500/trainer_state.json"));
  fs::remove_all(path);
  for (const char *name : {"checkpoint-3/state.json", "checkpoint-3/optimizer.safetensors", "checkpoint-6/complete",
                           "checkpoint-6.tmp.1.0/state.json"})
    touch(name);
  fs::create_directory(path + "/checkpoint-9");
  EXPECT_EQ(refusal(true), "");
  EXPECT_TRUE(fs::is_empty(path));
}

TEST_F(OutputFolderTest, NotesBesideAFailedStepStay) {
  touch("failed-step-3/adapter_model.safetensors");
  touch("failed-step-3/notes.md");
  EXPECT_EQ(refusal(true), "");
  EXPECT_TRUE(fs::exists(path + "/failed-step-3/notes.md"));
  EXPECT_FALSE(fs::exists(path + "/failed-step-3/adapter_model.safetensors"));
}

TEST_F(OutputFolderTest, RefusesADiskWithoutRoomForTheResultsAndLeavesWhatIsThere) {
  plan::Tensor *tensor = plan.add_tensors();
  tensor->add_shape(uint64_t(1) << 30), tensor->add_shape(uint64_t(1) << 24);
  plan::ExportTensor *exported = plan.mutable_exports(0)->add_tensors();
  exported->set_tensor(0), exported->set_dtype(plan::F32);
  auto refused = OutputFolder::prepare(path + "/new", plan, false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), Code::CannotRun);
  EXPECT_NE(refused.status().message().find("the results take 64.00 PiB, and "), std::string::npos)
      << refused.status().message();
  EXPECT_FALSE(fs::exists(path));
  touch("summary.json");
  EXPECT_FALSE(OutputFolder::prepare(path, plan, true).ok());
  EXPECT_TRUE(fs::exists(path + "/summary.json"));
}

TEST_F(OutputFolderTest, RefusesWhatNobodyMayTake) {
  touch("checkpoint-5/state.json", "{}");
  touch("checkpoint-5/complete");
  fs::create_directory_symlink("checkpoint-5", path + "/newest");
  for (const char *name : {"checkpoint-5", "checkpoint-5/.", "newest"}) {
    const std::string message = OutputFolder::check(path + "/" + name, plan, /*overwrite=*/true).message();
    EXPECT_NE(message.find("is a checkpoint of the run in "), std::string::npos) << name << ": " << message;
  }
  EXPECT_TRUE(fs::exists(path + "/checkpoint-5/complete"));

  fs::create_symlink("nowhere", path + "/dangling");
  fs::create_symlink("loop", path + "/loop");
  for (const char *name : {"dangling", "loop"}) {
    const std::string message = OutputFolder::check(path + "/" + name, plan, /*overwrite=*/true).message();
    EXPECT_NE(message.find("which is not there; make that folder, or name another"), std::string::npos) << message;
  }
  fs::create_directory(path + "/checkpoint-7"); // a name alone is none
  EXPECT_TRUE(OutputFolder::check(path + "/checkpoint-7", plan, false).ok());
}

TEST_F(OutputFolderTest, SaysFirstThatAnotherRunWritesThere) {
  auto running = OutputFolder::prepare(path, plan, false);
  ASSERT_TRUE(running.ok());
  touch("checkpoint-8/complete");
  touch("checkpoint-8/state.json");
  for (const Status &refused : {OutputFolder::check(path, plan, false), OutputFolder::checkReopen(path, plan, 6, {})})
    EXPECT_NE(refused.message().find("another run writes there"), std::string::npos) << refused.message();
}

TEST_F(OutputFolderTest, WhatWasDamagedEarlierStays) {
  for (const char *folder : {"checkpoint-3.damaged", "checkpoint-3.damaged.2", "checkpoint-3"})
    touch(std::string(folder) + "/state.json", folder);
  ASSERT_TRUE(OutputFolder::reopen(path, plan, 2, {3}).ok());
  for (const char *folder : {"checkpoint-3.damaged", "checkpoint-3.damaged.2", "checkpoint-3.damaged.3"})
    EXPECT_TRUE(fs::exists(path + "/" + folder + "/state.json")) << folder;
}

TEST_F(OutputFolderTest, RefusesAFile) {
  std::ofstream(path) << "x";
  EXPECT_NE(refusal().find(path + " is no folder"), std::string::npos);
  auto below = OutputFolder::prepare(path + "/a/b", plan, false);
  EXPECT_NE(below.status().message().find("/a/b: " + path + " is no folder"), std::string::npos)
      << below.status().message();
  fs::remove(path);
}

TEST_F(OutputFolderTest, RemovesWhatEarlierProcessesLeftUnfinished) {
  const std::vector<std::string> ours = {"summary.json.tmp.77.0", "latest-checkpoint.tmp.1.12"},
                                 theirs = {"notes.md.tmp.77.0", "summary.json.tmp", "summary.json.tmp.77.x"};
  auto fill = [&] {
    for (const auto *names : {&ours, &theirs})
      for (const std::string &name : *names)
        touch(name);
  };
  auto expectOursGone = [&] {
    for (const std::string &name : ours)
      EXPECT_FALSE(fs::exists(path + "/" + name)) << name;
    for (const std::string &name : theirs)
      EXPECT_TRUE(fs::exists(path + "/" + name)) << name;
  };
  fill();
  ASSERT_TRUE(OutputFolder::prepare(path, plan, /*overwrite=*/true).ok());
  expectOursGone();
  fill();
  ASSERT_TRUE(OutputFolder::reopen(path, plan, 1, {}).ok());
  expectOursGone();
}

TEST_F(OutputFolderTest, RemovesWhatThisProcessLeftUnfinished) {
  const std::string own = fmt::format("a.safetensors.tmp.{}.0", getpid());
  touch(own);
  touch("failed-step-1/" + own);
  touch("a.safetensors.tmp.1.0");
  removeUnfinishedFiles(path);
  EXPECT_FALSE(fs::exists(path + "/" + own));
  EXPECT_FALSE(fs::exists(path + "/failed-step-1/" + own));
  EXPECT_TRUE(fs::exists(path + "/a.safetensors.tmp.1.0"));
}
