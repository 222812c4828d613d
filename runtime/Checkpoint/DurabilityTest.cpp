// One stated outcome for each moment at which a disk can fail or the power can go.
#include "runtime/Checkpoint/CheckpointTesting.h"
#include "runtime/Checkpoint/FakeDisk.h"

#include <filesystem>
#include <fmt/format.h>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
class DurabilityTest : public testing::Test {
protected:
  /// Of checkpoint 10 while it alone is there, then of 20; then the older goes.
  std::pair<Status, Status> writeTwo(FakeDisk &disk) {
    Status first = writeCheckpoint(plan, readerAt(10), stateAt(10), "/run", disk);
    firstOperations = disk.operations();
    Status second = writeCheckpoint(plan, readerAt(20), stateAt(20), "/run", disk);
    secondOperations = disk.operations();
    if (second.ok())
      (void)removeOldCheckpoints("/run", 1, {}, disk);
    return {first, second};
  }

  uint64_t newest() const {
    const std::vector<uint64_t> steps = completeCheckpoints(folder);
    return steps.empty() ? 0 : steps.back();
  }

  /// What must hold of every folder that a disk can leave.
  void expectWhole(uint64_t least, const std::string &when) {
    EXPECT_GE(newest(), least) << when;
    for (const uint64_t step : completeCheckpoints(folder))
      EXPECT_TRUE(holdsItsStep(folder + "/" + checkpointName(step), plan)) << when;
    std::string name = contentOf(folder + "/" + latestFile);
    if (name.empty())
      return;
    name.pop_back();
    EXPECT_TRUE(Checkpoint::open(folder + "/" + name).ok()) << when << ": latest-checkpoint names " << name;
  }

  const plan::Plan plan = checkpointPlan();
  const std::string folder = testing::TempDir() + "durability-test";
  uint64_t firstOperations = 0, secondOperations = 0;
};
} // namespace

TEST_F(DurabilityTest, ThePowerMayGoAtAnyOperation) {
  FakeDisk whole;
  const auto [first, second] = writeTwo(whole);
  ASSERT_TRUE(first.ok() && second.ok()) << first.message() << second.message();
  ASSERT_GT(whole.operations(), 40u);
  const uint64_t firstDone = firstOperations, secondDone = secondOperations;
  for (uint64_t at = 0; at <= whole.operations(); ++at) {
    FakeDisk disk;
    disk.cutPower(at);
    (void)writeTwo(disk);
    const uint64_t least = at >= secondDone ? 20 : at >= firstDone ? 10 : 0;
    for (uint32_t draw = 0; draw < 12; ++draw) {
      disk.recover(folder,
                   draw == 0   ? FakeDisk::Survivors::Synced
                   : draw == 1 ? FakeDisk::Survivors::Everything
                               : FakeDisk::Survivors::Drawn,
                   draw);
      expectWhole(least, fmt::format("power cut at operation {}, draw {}", at, draw));
    }
  }
}

TEST_F(DurabilityTest, AFolderMayBeRenamedInPart) {
  FakeDisk whole;
  (void)writeTwo(whole);
  bool halves = false;
  for (uint64_t at = 0; at <= whole.operations(); ++at) {
    FakeDisk disk;
    disk.cutPower(at, true);
    (void)writeTwo(disk);
    disk.recover(folder, FakeDisk::Survivors::Synced);
    expectWhole(at >= firstOperations ? 10 : 0, fmt::format("half a rename at operation {}", at));
    halves |= fs::exists(folder + "/checkpoint-20/optimizer.safetensors") !=
              fs::exists(folder + "/checkpoint-20/adapter_model.safetensors");
  }
  EXPECT_TRUE(halves) << "no rename was ever half";
}

TEST_F(DurabilityTest, AFullDiskCostsTheCheckpointAndNothingElse) {
  FakeDisk whole;
  (void)writeTwo(whole);
  const uint64_t begin = firstOperations, end = secondOperations;
  for (const uint64_t number : {uint64_t(1), UINT64_MAX}) // and room again, or full for good
    for (uint64_t at = begin; at < end; ++at) {
      FakeDisk disk;
      disk.fill(at, number);
      const auto [first, second] = writeTwo(disk);
      ASSERT_TRUE(first.ok());
      disk.recover(folder, FakeDisk::Survivors::Everything);
      const std::string when = fmt::format("full at operation {} of {}", at, end);
      expectWhole(10, when);
      // What room for a folder's name is missing for is removed by the next run.
      if (!second.ok() && newest() == 10 && number == 1) {
        EXPECT_EQ(systemFiles().list(folder), (std::vector<std::string>{"checkpoint-10", latestFile})) << when;
      }
      EXPECT_TRUE(second.ok() || second.code() == Code::Failed) << when;
      if (number != 1)
        continue;
      // With room again the next one is written.
      EXPECT_TRUE(writeCheckpoint(plan, readerAt(30), stateAt(30), "/run", disk).ok()) << when;
      disk.recover(folder, FakeDisk::Survivors::Synced);
      expectWhole(30, when);
    }
}

/// The model of a disk is one that forgets: what nobody synced is gone.
TEST_F(DurabilityTest, TheFakeDiskForgets) {
  FakeDisk disk;
  int file = -1;
  const std::byte byte{7};
  ASSERT_FALSE(disk.create("/run/a", file) || disk.write(file, 0, {&byte, 1}));
  disk.recover(folder, FakeDisk::Survivors::Everything);
  EXPECT_EQ(fs::file_size(folder + "/a"), 1u);
  disk.recover(folder, FakeDisk::Survivors::Synced);
  EXPECT_FALSE(fs::exists(folder + "/a"));
  ASSERT_FALSE(disk.syncFolder("/run"));
  disk.recover(folder, FakeDisk::Survivors::Synced);
  EXPECT_EQ(fs::file_size(folder + "/a"), 0u);
  ASSERT_FALSE(disk.sync(file));
  disk.recover(folder, FakeDisk::Survivors::Synced);
  EXPECT_EQ(fs::file_size(folder + "/a"), 1u);
}
