#include "runtime/Weights/ReadAhead.h"
#include "runtime/Support/ScratchFile.h"

#include <fstream>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

using namespace ft::rt;

namespace {
constexpr size_t pageBytes = 4096, itemBytes = 1 << 20, itemCount = 32;

uint64_t residentPages() {
  uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident;
}

/// Reads all items in their order; the most pages that were resident behind one of them, above those before.
uint64_t mostResident(const MappedFile &mapped, bool release) {
  std::vector<ReadAhead::Parts> items;
  for (size_t i = 0; i < itemCount; ++i)
    items.push_back({mapped.bytes().subspan(i * itemBytes + 100, itemBytes - 200)}); // begins and ends within pages
  ReadAhead ahead(std::move(items));
  const uint64_t before = residentPages();
  uint64_t most = 0;
  for (size_t i = 0; i < itemCount; ++i) {
    size_t right = 0;
    {
      const ReadAhead::Reading reading = ahead.begin(i);
      for (size_t at = i * itemBytes; at < (i + 1) * itemBytes; at += pageBytes)
        right += mapped.bytes()[at] == std::byte('x');
    }
    EXPECT_EQ(right, itemBytes / pageBytes);
    if (release)
      ahead.release(i);
    most = std::max(most, residentPages() - before);
  }
  return most;
}
} // namespace

TEST(ReadAhead, WhatHasBeenReadIsLetGo) {
  auto file = ScratchFile::create(testing::TempDir());
  ASSERT_TRUE(file.ok()) << file.status().message();
  const std::string block(itemBytes, 'x');
  for (size_t i = 0; i < itemCount; ++i)
    ASSERT_TRUE(file->append(std::as_bytes(std::span(block))).ok());
  auto mapped = file->map("m");
  ASSERT_TRUE(mapped.ok()) << mapped.status().message();
  const uint64_t all = itemCount * itemBytes / pageBytes;
  EXPECT_LT(mostResident(*mapped, true), all / 4); // it reads what stays below as well
  EXPECT_GT(mostResident(*mapped, false), all * 3 / 4);
}
