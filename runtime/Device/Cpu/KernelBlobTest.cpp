#include "runtime/Device/Cpu/KernelBlob.h"

#include <gtest/gtest.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// Images of `ret`, one byte each, repeated.
class KernelBlobTest : public testing::Test {
protected:
  void add(plan::Image::Format format, const char *arch, std::initializer_list<uint64_t> entries) {
    plan::Image *image = plan.add_images();
    image->set_format(format), image->set_arch(arch);
    for (uint64_t entry : entries)
      image->add_entry_offsets(entry);
  }
  Expected<KernelBlob> load(const std::string &level) {
    std::vector<ImageView> views;
    for (const plan::Image &image : plan.images())
      views.push_back({&image, code});
    return KernelBlob::load(plan, views, level);
  }
  void SetUp() override {
    for (const char *name : {"first", "second"})
      plan.add_kernels()->set_name(name);
  }
  plan::Plan plan;
  const std::vector<std::byte> code = std::vector<std::byte>(64, std::byte(0xC3));
};
} // namespace

TEST_F(KernelBlobTest, TakesTheHighestLevelThatRuns) {
  add(plan::Image::CPU_BLOB, "x86-64-v4", {0, 16});
  add(plan::Image::CPU_BLOB, "x86-64-v3", {0, 16});
  auto low = load("x86-64-v3"), high = load("x86-64-v4");
  ASSERT_TRUE(low.ok() && high.ok());
  EXPECT_EQ(low->arch(), "x86-64-v3");
  EXPECT_EQ(high->arch(), "x86-64-v4");
  EXPECT_EQ(reinterpret_cast<char *>(high->entry(1)) - reinterpret_cast<char *>(high->entry(0)), 16);
  high->entry(1)(nullptr, 0, 0); // it is executable
}

TEST_F(KernelBlobTest, RefusesWhatThisProcessorDoesNotRun) {
  add(plan::Image::CPU_BLOB, "x86-64-v4", {0, 16});
  add(plan::Image::PTX, "sm_90", {});
  auto blob = load("x86-64-v3");
  ASSERT_FALSE(blob.ok());
  EXPECT_EQ(blob.status().code(), Code::CannotRun);
  EXPECT_NE(blob.status().message().find("for x86-64-v4, sm_90; this processor runs x86-64-v3"), std::string::npos)
      << blob.status().message();
}

TEST_F(KernelBlobTest, RefusesEntriesOutsideTheImage) {
  add(plan::Image::CPU_BLOB, "x86-64-v3", {0, 64});
  auto blob = load("x86-64-v3");
  ASSERT_FALSE(blob.ok());
  EXPECT_EQ(blob.status().code(), Code::BadInput);
  EXPECT_NE(blob.status().message().find("kernel second starts at byte 64"), std::string::npos);
  plan.clear_images();
  add(plan::Image::CPU_BLOB, "x86-64-v3", {0});
  EXPECT_NE(load("x86-64-v3").status().message().find("has 1 entry offsets"), std::string::npos);
}
