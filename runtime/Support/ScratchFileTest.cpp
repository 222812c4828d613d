#include "runtime/Support/ScratchFile.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string_view>

using namespace ft::rt;

namespace {
std::span<const std::byte> bytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

void check(Expected<ScratchFile> file, const std::string &place) {
  ASSERT_TRUE(file.ok()) << file.status().message();
  ASSERT_TRUE(file->append(bytesOf("abc")).ok());
  ASSERT_TRUE(file->append(bytesOf("def")).ok());
  ASSERT_TRUE(file->writeAt(8, bytesOf("x")).ok()); // what nobody wrote is zero
  EXPECT_EQ(file->size(), 6u);
  std::string text(3, '.');
  ASSERT_TRUE(file->readAt(2, std::as_writable_bytes(std::span(text))).ok());
  EXPECT_EQ(text, "cde");
  EXPECT_FALSE(file->readAt(7, std::as_writable_bytes(std::span(text))).ok());
  const Status beyond = file->writeAt(UINT64_MAX, bytesOf("g")); // no file has such a place
  EXPECT_NE(beyond.message().find("a scratch file in " + place + " cannot be written"), std::string::npos);
  auto mapped = file->map("name");
  ASSERT_TRUE(mapped.ok()) << mapped.status().message();
  const ScratchFile gone = std::move(*file);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char *>(mapped->bytes().data()), mapped->size()),
            std::string_view("abcdef\0\0x", 9));
  EXPECT_EQ(mapped->path(), "name");
}

TEST(ScratchFile, HasNoNameInItsFolder) {
  const std::string folder = testing::TempDir() + "scratch-file";
  std::filesystem::create_directories(folder);
  check(ScratchFile::create(folder), folder);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
}

TEST(ScratchFile, IsInMemoryWhereAFolderTakesNone) {
  check(ScratchFile::create("/proc/self"), "memory");
  check(ScratchFile::inMemory(), "memory");
}

uint64_t residentPages() {
  std::ifstream file("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  file >> size >> resident;
  return resident;
}

/// What is larger than memory can be read from front to back.
TEST(ScratchFile, WhatIsReleasedIsNotResident) {
  auto file = ScratchFile::create(testing::TempDir());
  ASSERT_TRUE(file.ok());
  const std::string block(size_t(1) << 20, 'x');
  for (int i = 0; i < 64; ++i)
    ASSERT_TRUE(file->append(bytesOf(block)).ok());
  auto mapped = file->map("m");
  ASSERT_TRUE(mapped.ok());
  auto sum = [&] {
    size_t count = 0;
    for (size_t at = 0; at < mapped->size(); at += 4096)
      count += mapped->bytes()[at] == std::byte('x');
    return count;
  };
  const uint64_t before = residentPages();
  EXPECT_EQ(sum(), 16384u);
  EXPECT_GT(residentPages(), before + 12000);
  mapped->release(mapped->bytes());
  EXPECT_LT(residentPages(), before + 4000);
  EXPECT_EQ(sum(), 16384u); // it comes back
}
} // namespace
