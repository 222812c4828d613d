#include "runtime/Plan/PlanFile.h"

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/TestCollectives.h"
#include "runtime/Plan/Verify.h"
#include "runtime/Support/Sha256.h"

#include <cstring>
#include <fstream>
#include <google/protobuf/stubs/logging.h>
#include <gtest/gtest.h>
#include <random>

#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace ft;
using namespace ft::rt;
using namespace ft::rt::test;

namespace {

class PlanFileTest : public testing::Test {
protected:
  void SetUp() override {
    path = testing::TempDir() + "plan-file-test.bin";
    bytes = write(samplePlan());
  }

  std::string write(const plan::Plan &plan) {
    const Status status = writePlanFile(path, plan, sections.written());
    EXPECT_TRUE(status.ok()) << status.message();
    auto file = MappedFile::open(path);
    return {reinterpret_cast<const char *>(file->bytes().data()), file->size()};
  }

  Status read(const std::string &content) {
    std::remove(path.c_str()); // not truncated: some file systems flush what replaces content
    std::ofstream(path, std::ios::binary) << content;
    return readPlanFile(path).status();
  }

  /// Reads `content` with correct digests for whatever a test has changed in it.
  Status readSealed(std::string content) {
    uint32_t count = 0;
    std::memcpy(&count, content.data() + 24, 4);
    for (uint32_t i = 0; i < count && 64 + 32 * i <= content.size(); ++i) {
      uint64_t offset = 0, size = 0;
      std::memcpy(&offset, content.data() + 40 + 32 * i, 8);
      std::memcpy(&size, content.data() + 48 + 32 * i, 8);
      if (offset > content.size() || size > content.size() - offset)
        continue;
      const uint64_t checksum = XXH3_64bits(content.data() + offset, size);
      std::memcpy(content.data() + 56 + 32 * i, &checksum, 8);
    }
    const auto digest = sha256(std::string_view(content).substr(0, content.size() - 32));
    std::memcpy(content.data() + content.size() - 32, digest.data(), 32);
    return read(content);
  }

  template <typename T> std::string with(size_t offset, T value) const {
    std::string changed = bytes;
    std::memcpy(changed.data() + offset, &value, sizeof(value));
    return changed;
  }

  void expectError(const Status &status, const std::string &part, Code code = Code::BadInput) {
    ASSERT_FALSE(status.ok()) << part;
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message().rfind(path + ": ", 0), 0u) << status.message();
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }

  SampleSections sections;
  std::string path, bytes;
};

constexpr size_t table = 32; // of entries {kind, flags, offset, size, checksum}

} // namespace

TEST_F(PlanFileTest, RoundTrip) {
  auto file = readPlanFile(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->plan.ByteSizeLong(), samplePlan().ByteSizeLong());
  ASSERT_EQ(file->sections.size(), 3u);
  EXPECT_EQ(std::memcmp(file->section(1).data(), sections.image.data(), 64), 0);
  EXPECT_EQ(file->section(2).size(), 128u);
  EXPECT_EQ(file->sections[2].kind, SectionKind::Constants);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->section(1).data()) % 4096, 0u);
  EXPECT_EQ(file->digest, toHex(sha256(std::string_view(bytes).substr(0, bytes.size() - 32))));
  EXPECT_TRUE(verifyPlan(file->plan).ok());
  EXPECT_EQ(write(file->plan), bytes);
}

TEST_F(PlanFileTest, WritingIsDeterministic) {
  // Maps keep their own order in memory; the file does not show it.
  plan::Plan a = samplePlan(), b = samplePlan();
  auto &mapA = *a.mutable_exports(0)->mutable_metadata(), &mapB = *b.mutable_exports(0)->mutable_metadata();
  for (int i = 0; i < 200; ++i)
    mapA[std::to_string(i)] = "x", mapB[std::to_string(199 - i)] = "x";
  EXPECT_EQ(write(a), write(b));
  EXPECT_NE(write(a), bytes);
}

TEST_F(PlanFileTest, PlansOfSeveralRanksAreRead) {
  const Status status = read(write(shardedPlan()));
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(PlanFileTest, OtherFilesAreRefused) {
  expectError(read(""), "is not a plan file");
  expectError(read(std::string("FTPLAN\0\2", 8)), "is not a plan file");
  expectError(read(std::string(5000, 'x')), "is not a plan file: it does not start with \"FTPLAN\\0\\1\"");
}

TEST_F(PlanFileTest, TruncatedAnywhereIsRefused) {
  expectError(read(bytes.substr(0, 20)), "is cut off: has 20 bytes, a header alone needs 64");
  expectError(read(bytes.substr(0, bytes.size() - 1)), "is cut off: has");
  for (size_t size = 0; size < bytes.size(); size += 13)
    ASSERT_FALSE(read(bytes.substr(0, size)).ok()) << size;
  expectError(read(bytes + "x"), "is too long: has");
}

TEST_F(PlanFileTest, AnyFlippedByteIsRefused) {
  std::mt19937 random(3);
  // Each byte of header, table and digest; one in 17 of the others.
  for (size_t i = 0; i < bytes.size(); i += i < 160 || i + 40 > bytes.size() ? 1 : 17) {
    std::string changed = bytes;
    changed[i] = char(changed[i] ^ (1 << random() % 8));
    ASSERT_FALSE(read(changed).ok()) << "byte " << i;
  }
  std::string section = bytes;
  section[4096 * 2 + 3] ^= 1;
  expectError(read(section), "section 1 (IMAGE) is damaged: its checksum differs");
  std::string padding = bytes;
  padding[4095] ^= 1;
  expectError(read(padding), "is damaged: its SHA-256 differs");
}

TEST_F(PlanFileTest, ContainerVersionsAndFlags) {
  expectError(readSealed(with<uint32_t>(8, 2)), "has container version 2; this program reads version 1",
              Code::CannotRun);
  expectError(readSealed(with<uint32_t>(12, 4)), "has container flags 0x4; this program knows none", Code::CannotRun);
  expectError(readSealed(with<uint32_t>(table + 36, 1)), "section 1 has kind 2 and flags 0x1", Code::CannotRun);
  expectError(readSealed(with<uint32_t>(table + 32, 9)), "section 1 has kind 9 and flags 0x0", Code::CannotRun);
}

TEST_F(PlanFileTest, MalformedTables) {
  expectError(readSealed(with<uint32_t>(24, 0)), "has 0 sections; must be in [1, 4096]");
  expectError(readSealed(with<uint32_t>(24, 5000)), "has 5000 sections; must be in [1, 4096]");
  expectError(readSealed(with<uint32_t>(24, 4096)), "the table of 4096 sections ends behind the file");
  expectError(readSealed(with<uint32_t>(table, 2)), "section 0 has kind IMAGE; section 0, and only that, must be PLAN");
  expectError(readSealed(with<uint32_t>(table + 32, 1)), "section 1 has kind PLAN; section 0, and only that");
  expectError(readSealed(with<uint64_t>(table + 40, 12288)), "section 1 (IMAGE) starts at 12288; must start at 8192");
  expectError(readSealed(with<uint64_t>(table + 40, ~uint64_t(0) - 8)), "section 1 (IMAGE) starts at 1844674407370955");
  expectError(readSealed(with<uint64_t>(table + 48, ~uint64_t(0))),
              "section 1 (IMAGE) of 18446744073709551615 bytes at "
              "8192 ends behind byte");
  expectError(readSealed(with<uint64_t>(table + 80, 64)), "64 bytes lie between the last section and the digest");
}

TEST_F(PlanFileTest, MessageThatDoesNotParse) {
  std::string changed = bytes;
  std::fill(changed.begin() + 4096, changed.begin() + 4200, '\xff');
  expectError(readSealed(changed), "section 0 is no plan message");
}

TEST_F(PlanFileTest, FailedChecksNameTheFile) {
  plan::Plan plan = samplePlan();
  plan.add_features("ragged-rows");
  expectError(read(write(plan)), "needs the feature \"ragged-rows\", which this program does not know",
              Code::CannotRun);
}

TEST_F(PlanFileTest, PtxEndsWithNul) {
  plan::Plan plan = samplePlan();
  setCuda(plan);
  plan.mutable_target()->set_arch("sm_90");
  for (plan::Kernel &kernel : *plan.mutable_kernels())
    kernel.set_threads(128), kernel.set_items_per_block(1);
  plan.mutable_images(0)->set_arch("sm_90");
  plan.mutable_images(0)->set_format(plan::Image::PTX);
  plan.mutable_images(0)->clear_entry_offsets();
  expectError(read(write(plan)), "images[0]: PTX in section 1 does not end with NUL");
  sections.image.back() = '\0';
  const Status status = read(write(plan));
  EXPECT_TRUE(status.ok()) << status.message();
}

/// Files that are sealed but malformed: no crash, no read outside the file (run under ASan by hand), and every one is
/// refused or accepted as a legal plan, which verifyPlan then takes without crashing.
TEST_F(PlanFileTest, FuzzedMessages) {
  std::mt19937 random(5);
  int accepted = 0, parsed = 0;
  const std::string message = samplePlan().SerializeAsString();
  google::protobuf::LogSilencer silence;
  for (int trial = 0; trial < 20000; ++trial) {
    std::string changed = message;
    for (int edits = 1 + int(random() % 3); edits > 0; --edits) {
      const size_t at = random() % changed.size();
      switch (random() % 5) {
      case 0:
        changed[at] = char(random());
        break;
      case 1:
        changed[at] = char(changed[at] ^ (1 << random() % 8));
        break;
      case 2:
        changed.erase(at, 1 + random() % 8);
        break;
      case 3:
        changed.insert(at, changed.substr(random() % changed.size(), random() % 16));
        break;
      default: // the largest and smallest values of a varint
        changed.replace(at, 1, random() % 2 ? "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" : std::string(1, '\0'));
      }
      if (changed.empty())
        changed = message;
    }
    plan::Plan plan;
    if (!plan.ParseFromString(changed))
      continue;
    ++parsed;
    const Status status = checkPlan(plan, sections.all());
    if (status.ok()) {
      ++accepted;
      (void)verifyPlan(plan).ok();
    } else {
      ASSERT_FALSE(status.message().empty());
    }
  }
  EXPECT_GT(parsed, 2000);
  EXPECT_GT(accepted, 100);
}

TEST_F(PlanFileTest, FuzzedContainers) {
  std::mt19937 random(6);
  for (int trial = 0; trial < 3000; ++trial) {
    std::string changed = bytes;
    for (int edits = 1 + int(random() % 3); edits > 0; --edits) {
      const uint64_t values[] = {0, 1, random(), ~uint64_t(0), ~uint64_t(0) - random() % 8192, changed.size()};
      std::memcpy(changed.data() + 8 + 4 * (random() % 28), &values[random() % 6], random() % 2 ? 4 : 8);
    }
    if (random() % 4 == 0)
      changed.resize(64 + random() % (changed.size() - 64));
    (void)readSealed(changed).ok();
  }
}
