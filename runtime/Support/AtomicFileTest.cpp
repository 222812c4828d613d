#include "runtime/Support/AtomicFile.h"

#include "runtime/Support/MappedFile.h"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
class AtomicFileTest : public testing::Test {
protected:
  void SetUp() override {
    folder = testing::TempDir() + "atomic-file-test";
    fs::remove_all(folder);
    fs::create_directory(folder);
  }
  std::string read(const std::string &path) {
    auto file = MappedFile::open(path);
    return file.ok() ? std::string(reinterpret_cast<const char *>(file->bytes().data()), file->size()) : "<missing>";
  }
  size_t fileCount() { return size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator())); }
  std::string folder;
};
} // namespace

TEST_F(AtomicFileTest, ReplacesWhole) {
  const std::string path = folder + "/a";
  ASSERT_TRUE(writeFileAtomically(path, "old").ok());
  ASSERT_TRUE(writeFileAtomically(path, "new bytes").ok());
  EXPECT_EQ(read(path), "new bytes");
  EXPECT_EQ(fileCount(), 1u);
}

TEST_F(AtomicFileTest, UncommittedLeavesNothing) {
  const std::string path = folder + "/a";
  ASSERT_TRUE(writeFileAtomically(path, "old").ok());
  {
    auto file = AtomicFile::create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->write("half").ok());
    EXPECT_EQ(read(path), "old");
    EXPECT_LE(fileCount(), 2u);
  }
  EXPECT_EQ(read(path), "old");
  EXPECT_EQ(fileCount(), 1u);
}

/// Where the file system can do so (tmpfs, ext4, XFS and Btrfs can), a process that is killed leaves nothing.
TEST_F(AtomicFileTest, WhatIsNotFinishedHasNoName) {
  const int probe = ::open(folder.c_str(), O_TMPFILE | O_RDWR, 0600);
  if (probe < 0)
    GTEST_SKIP() << "no files without a name in " << folder;
  ::close(probe);
  const std::string path = folder + "/a";
  const pid_t child = ::fork();
  if (child == 0) {
    auto file = AtomicFile::create(path);
    (void)file->write("half");
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(fileCount(), 0u);
  { // A process of the same number, in another container, that shares the folder.
    auto file = AtomicFile::create(path);
    ASSERT_TRUE(file.ok() && file->write("ours").ok());
    const std::string taken = fmt::format("{}.tmp.{}.0", path, ::getpid());
    std::ofstream(taken) << "theirs";
    ASSERT_TRUE(file->commit().ok());
    EXPECT_EQ(read(path), "ours");
    EXPECT_EQ(read(taken), "theirs");
    EXPECT_EQ(fileCount(), 2u);
    fs::remove(taken);
  }
  const mode_t before = ::umask(027);
  ASSERT_TRUE(writeFileAtomically(path, "whole").ok());
  ::umask(before);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0640));
}

TEST_F(AtomicFileTest, ReplacesNothingButFiles) {
  const std::string pipe = folder + "/pipe", inner = folder + "/inner";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0666), 0);
  fs::create_directory(inner);
  for (const std::string &path : {pipe, inner, std::string("/dev/null")}) {
    const Status status = writeFileAtomically(path, "x");
    EXPECT_EQ(status.code(), Code::BadInput);
    EXPECT_NE(status.message().find(path + ": is a "), std::string::npos) << status.message();
    EXPECT_FALSE(fs::is_regular_file(path)) << path;
  }
  EXPECT_EQ(fileCount(), 2u);
}

TEST_F(AtomicFileTest, WritesWhatALinkNames) {
  const std::string path = folder + "/a", link = folder + "/link", lost = folder + "/lost";
  ASSERT_TRUE(writeFileAtomically(path, "old").ok());
  fs::create_symlink("a", link);
  fs::create_symlink("nowhere", lost);
  ASSERT_TRUE(writeFileAtomically(link, "new").ok());
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(read(path), "new");
  ASSERT_TRUE(writeFileAtomically(lost, "new").ok());
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(lost)));
}

TEST_F(AtomicFileTest, StreamsAndPatches) {
  const std::string path = folder + "/a";
  auto file = AtomicFile::create(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->write("????, ").ok());
  ASSERT_TRUE(file->write("world").ok());
  ASSERT_TRUE(file->writeAt(0, std::as_bytes(std::span("good", 4))).ok());
  EXPECT_EQ(file->size(), 11u);
  ASSERT_TRUE(file->commit().ok());
  EXPECT_EQ(read(path), "good, world");
  EXPECT_NE(file->write("x").message().find("written after commit"), std::string::npos);
  EXPECT_NE(file->commit().message().find("committed twice"), std::string::npos);
}

TEST_F(AtomicFileTest, TwoWritersOfOnePathDoNotMix) {
  const std::string path = folder + "/a";
  auto first = AtomicFile::create(path), second = AtomicFile::create(path);
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE(first->write("first").ok());
  ASSERT_TRUE(second->write("second").ok());
  ASSERT_TRUE(first->commit().ok());
  EXPECT_EQ(read(path), "first");
  ASSERT_TRUE(second->commit().ok());
  EXPECT_EQ(read(path), "second");
  EXPECT_EQ(fileCount(), 1u);
}

TEST_F(AtomicFileTest, FailuresNameThePath) {
  const Status missing = writeFileAtomically(folder + "/no/such/folder/a", "x");
  EXPECT_EQ(missing.code(), Code::Failed);
  EXPECT_NE(missing.message().find("/no/such/folder/a: cannot create: No such file"), std::string::npos);
  fs::create_directory(folder + "/taken");
  const Status taken = writeFileAtomically(folder + "/taken", "x");
  EXPECT_NE(taken.message().find("/taken: is a folder; must be a file or a new name"), std::string::npos);
  EXPECT_EQ(fileCount(), 1u);
}

TEST_F(AtomicFileTest, FailedWriteIsReportedAndLeavesNothing) {
  // A size limit of one page stands in for a full disk.
  rlimit old{}, limit{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  limit = old;
  limit.rlim_cur = 4096;
  ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const Status status = writeFileAtomically(folder + "/a", std::string(10000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_NE(status.message().find("/a: cannot write: File too large"), std::string::npos) << status.message();
  EXPECT_EQ(fileCount(), 0u);
}
