#include "runtime/Training/ResultRoom.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <sys/resource.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// A file of one f32 tensor of so many numbers, and a text.
plan::Plan planOf(uint64_t numbers) {
  plan::Plan plan;
  plan.add_tensors()->add_shape(numbers);
  plan::ExportFile *file = plan.add_exports();
  file->set_file("model.safetensors");
  plan::ExportTensor *exported = file->add_tensors();
  exported->set_tensor(0), exported->set_dtype(plan::F32);
  plan.add_texts()->set_content(std::string(5000, 'x'));
  return plan;
}
} // namespace

TEST(ResultRoom, CountsTensorsHeadersAndTextsInBlocks) {
  EXPECT_EQ(resultBytes(planOf(1024)), 8192u /*summary*/ + 8192u /*numbers, header*/ + 8192u /*text*/);
}

TEST(ResultRoom, RefusesAFileThatMayNotGrowAsLong) {
  rlimit old = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {4095, old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Status refused = checkResultRoom("out", testing::TempDir(), 0, planOf(1024));
  const Status taken = checkResultRoom("out", testing::TempDir(), 0, planOf(1023));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  EXPECT_EQ(refused.code(), Code::CannotRun);
  EXPECT_EQ(refused.message(), "--out out: model.safetensors takes 4.00 KiB, and this process may write no file beyond "
                               "4.00 KiB; raise ulimit -f");
  EXPECT_TRUE(taken.ok()) << taken.message();
}

TEST(ResultRoom, WhatIsReplacedMakesRoom) {
  const plan::Plan plan = planOf(uint64_t(1) << 58);
  EXPECT_EQ(checkResultRoom("out", testing::TempDir(), 0, plan).code(), Code::CannotRun);
  EXPECT_TRUE(checkResultRoom("out", testing::TempDir(), uint64_t(1) << 61, plan).ok());
}

TEST(ResultRoom, IsHeldInAFileWithoutAName) {
  const std::string folder = testing::TempDir() + "result-room-test";
  std::filesystem::create_directory(folder);
  {
    ReservedRoom room(folder, 1 << 20);
    EXPECT_TRUE(room.bytes() == 1 << 20 || room.bytes() == 0) << room.bytes(); // 0: a file system that keeps none
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    room.release();
    EXPECT_EQ(room.bytes(), 0u);
  }
  EXPECT_EQ(ReservedRoom(folder, uint64_t(1) << 60).bytes(), 0u);
  EXPECT_EQ(ReservedRoom(folder + "/absent", 1).bytes(), 0u);
  std::filesystem::remove(folder);
}
