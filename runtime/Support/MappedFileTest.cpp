#include "runtime/Support/MappedFile.h"

#include "runtime/Support/AtomicFile.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

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
