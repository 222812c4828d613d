#include "runtime/Plan/KernelSeal.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

using namespace ft;
using namespace ft::plan;

namespace {
/// Two kernels for the device and one for its host, and an image of the two.
Plan samplePlan() {
  Plan plan;
  for (const char *name : {"first", "hosts", "second"}) {
    Kernel *kernel = plan.add_kernels();
    kernel->set_name(name), kernel->set_items(8), kernel->set_host(std::string(name) == "hosts");
    kernel->add_operands()->set_bytes(64);
  }
  Image *image = plan.add_images();
  image->set_arch("x86-64-v3");
  for (const uint64_t offset : {0, 16})
    image->add_entry_offsets(offset);
  return plan;
}

std::string refusal(const Plan &plan, const std::string &bytes) {
  return checkKernelSeal(plan, plan.images(0), std::as_bytes(std::span(bytes))).message();
}
} // namespace

TEST(KernelSeal, TakesTheKernelsThatTheCodeIsOf) {
  const Plan plan = samplePlan();
  EXPECT_EQ(refusal(plan, "code" + kernelSeal(plan, plan.images(0))), "");
  EXPECT_EQ(refusal(plan, "code"), "");
  EXPECT_EQ(refusal(plan, ""), "");
}

TEST(KernelSeal, RefusesCodeOfOtherKernels) {
  const std::string bytes = "code" + kernelSeal(samplePlan(), samplePlan().images(0));
  struct Lie {
    std::function<void(Plan &)> tell;
    const char *message;
  };
  const Lie lies[] = {
      {[](Plan &p) { p.mutable_images(0)->mutable_entry_offsets()->SwapElements(0, 1); },
       "its code is of another kernel than \"first\" at byte 16"},
      {[](Plan &p) { p.mutable_images(0)->set_entry_offsets(1, 17); }, "than \"second\" at byte 17"},
      {[](Plan &p) { p.mutable_kernels()->SwapElements(0, 2); }, "than \"second\" at byte 0"},
      {[](Plan &p) { p.mutable_kernels(0)->mutable_operands(0)->set_bytes(32); }, "than \"first\" at byte 0"},
      {[](Plan &p) { p.mutable_kernels(2)->mutable_operands(0)->set_index_limit(1); }, "than \"second\" at byte 16"},
      {[](Plan &p) { p.mutable_kernels(2)->set_items(7); }, "than \"second\" at byte 16"},
      {[](Plan &p) { p.mutable_kernels(1)->set_host(false), p.mutable_images(0)->add_entry_offsets(32); },
       "has code for another number of kernels than the plan's 3"},
  };
  for (const Lie &lie : lies) {
    Plan plan = samplePlan();
    lie.tell(plan);
    EXPECT_NE(refusal(plan, bytes).find(lie.message), std::string::npos) << refusal(plan, bytes);
  }
  Plan hosts = samplePlan(); // what the host runs is none of this image's
  hosts.mutable_kernels(1)->set_items(9);
  EXPECT_EQ(refusal(hosts, bytes), "");
  EXPECT_NE(refusal(samplePlan(), "FTKERNEL").find("another number of kernels"), std::string::npos);
}
