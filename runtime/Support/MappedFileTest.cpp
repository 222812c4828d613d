#include "runtime/Support/MappedFile.h"

#include "runtime/Support/AtomicFile.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace ft::rt;

TEST(MappedFile, ShowsTheBytes) {
  const std::string path = testing::TempDir() + "mapped-file-test";
  std::string text = "some bytes\n";
  ASSERT_TRUE(writeFileAtomically(path, text).ok());
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  MappedFile moved = std::move(*file);
  EXPECT_EQ(std::string(reinterpret_cast<const char *>(moved.bytes().data()), moved.size()), text);
  EXPECT_EQ(file->size(), 0u);
  EXPECT_EQ(moved.path(), path);
}

TEST(MappedFile, EmptyFileIsAnEmptySpan) {
  const std::string path = testing::TempDir() + "mapped-file-empty";
  ASSERT_TRUE(writeFileAtomically(path, "").ok());
  auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->size(), 0u);
}

/// Truncating, overwriting or removing the file changes nothing for who opened a copy.
TEST(MappedFile, ACopyIsNobodyElses) {
  const std::string path = testing::TempDir() + "mapped-file-copy";
  ASSERT_TRUE(writeFileAtomically(path, std::string(3000000, 'x')).ok());
  auto copy = MappedFile::openCopy(path);
  ASSERT_TRUE(copy.ok()) << copy.status().message();
  std::ofstream(path, std::ios::binary | std::ios::in).write("yyyy", 4);
  ASSERT_EQ(::truncate(path.c_str(), 100), 0);
  EXPECT_EQ(copy->path(), path);
  ASSERT_EQ(copy->size(), 3000000u);
  for (const std::byte byte : copy->bytes())
    ASSERT_EQ(byte, std::byte('x'));
  EXPECT_EQ(MappedFile::openCopy(path)->size(), 100u);
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_NE(MappedFile::openCopy(path).status().message().find("cannot open"), std::string::npos);
  EXPECT_NE(MappedFile::openCopy(testing::TempDir()).status().message().find("is a directory"), std::string::npos);
}

/// A folder that takes no files: the copy is in memory.
TEST(MappedFile, ACopyNeedsNoFolder) {
  auto copy = MappedFile::openCopy("/proc/self/cmdline");
  ASSERT_TRUE(copy.ok()) << copy.status().message();
  EXPECT_GT(copy->size(), 0u);
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  auto missing = MappedFile::open(testing::TempDir() + "no-such-file");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.status().code(), Code::BadInput);
  EXPECT_NE(missing.status().message().find("no-such-file: cannot open: No such file"), std::string::npos);
  auto folder = MappedFile::open(testing::TempDir());
  ASSERT_FALSE(folder.ok());
  EXPECT_NE(folder.status().message().find("is a directory; must be a regular file"), std::string::npos);
  const std::string fifo = testing::TempDir() + "mapped-file-fifo";
  ::mkfifo(fifo.c_str(), 0600);
  auto pipe = MappedFile::open(fifo);
  ASSERT_FALSE(pipe.ok());
  EXPECT_NE(pipe.status().message().find("must be a regular file"), std::string::npos);
}
