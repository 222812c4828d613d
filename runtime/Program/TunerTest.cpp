// What is taken of a library's ways, on a clock that a test sets.
#include "runtime/Program/Tuner.h"
#include "runtime/Program/Clockwork.h"
#include "runtime/Program/TinyPlan.h"

#include <gtest/gtest.h>

#include <cstring>

using namespace ft;
using namespace ft::rt;

namespace {
/// A library whose product `handle` takes ms[handle][way], the first use of a way 50 ms more, and way `burst` as
/// `tired` says once it has run for a while.
class Library final : public Clockwork {
public:
  std::vector<std::vector<double>> ms;
  uint32_t burst = UINT32_MAX;
  double tired = 0;
  std::map<uint32_t, uint32_t> way;
  std::map<const void *, uint64_t> filled; ///< bytes by address
  uint64_t calls = 0;

  Expected<uint32_t> prepareGemm(const plan::Gemm &gemm) override { return uint32_t(gemm.m()); }
  Expected<uint32_t> waysOf(uint32_t handle) override { return uint32_t(ms[handle].size()); }
  Status takeWay(uint32_t handle, uint32_t index) override {
    if (ms[handle].size() < 2)
      return failed("there is no choice");
    way[handle] = index, inARow = 0;
    return {};
  }
  Status gemm(uint32_t, uint32_t handle, const void *a, const void *b, void *, void *) override {
    EXPECT_TRUE(filled.contains(a) && filled.contains(b)) << "measured on what nobody has written";
    const uint32_t taken = way[handle];
    now += taken == burst && inARow > 10 ? tired : ms[handle][taken];
    if (loaded.insert({handle, taken}).second)
      now += 50;
    ++inARow, ++calls;
    return {};
  }
  Status upload(uint32_t, void *to, const void *from, uint64_t bytes) override {
    filled[to] += bytes;
    std::memcpy(to, from, bytes); // inside of the arenas, or the sanitizer says so
    return {};
  }
  Expected<void *> reserve(plan::Arena::Space, uint64_t size, uint64_t) override {
    memory.emplace_back(size);
    return memory.back().data();
  }
  const DeviceInfo &info() const override { return big; }

  DeviceInfo big;

private:
  std::set<std::pair<uint32_t, uint32_t>> loaded;
  std::vector<std::vector<std::byte>> memory;
  uint64_t inARow = 0;
};

/// Products 0, 1, …: `uses[i]` steps of product i.
plan::Plan planOf(const std::vector<uint64_t> &uses) {
  plan::Plan plan;
  plan.mutable_target()->set_driver(plan::CUDA);
  plan::Arena &arena = *plan.add_arenas();
  arena.set_name("transient"), arena.set_space(plan::Arena::DEVICE), arena.set_size(6 << 10), arena.set_alignment(256);
  for (uint64_t i = 0; i < 3; ++i) {
    plan::Buffer &buffer = *plan.add_buffers();
    buffer.set_arena(0), buffer.set_offset(i << 11), buffer.set_size(1 << 11);
  }
  plan::Segment &segment = *plan.add_segments();
  for (uint64_t product = 0; product < uses.size(); ++product)
    for (uint64_t i = 0; i < uses[product]; ++i) {
      plan::Gemm &gemm = *segment.add_steps()->mutable_gemm();
      gemm.set_m(product), gemm.set_a_type(plan::BF16), gemm.set_b_type(plan::BF16), gemm.set_d_type(plan::BF16);
      for (const auto &[operand, buffer] :
           {std::pair(gemm.mutable_a(), 0), {gemm.mutable_b(), 1}, {gemm.mutable_d(), 2}})
        operand->set_buffer(uint32_t(buffer)), operand->set_rows(4), operand->set_row_bytes(256),
            operand->set_pitch(512);
    }
  return plan;
}

std::vector<TunedProduct> tune(Library &library, const plan::Plan &plan) {
  library.big.totalBytes = library.big.freeBytes = 1 << 30;
  auto arenas = Arenas::reserve(plan, library);
  EXPECT_TRUE(arenas.ok()) << arenas.status().message();
  auto found = tuneProducts(plan, *arenas, library, [](double) {});
  EXPECT_TRUE(found.ok()) << found.status().message();
  return *found;
}
} // namespace

TEST(TunerTest, TakesTheFastestWayOfEachProduct) {
  Library library;
  library.ms = {{1.0, 0.9, 0.8, 0.95}, {2.0}, {0.5, 0.6, 0.4999}};
  const std::vector<TunedProduct> found = tune(library, planOf({3, 1, 2}));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].taken, 2u);
  EXPECT_NEAR(found[0].firstMs, 1.0, 1e-9);
  EXPECT_NEAR(found[0].ms, 0.8, 1e-9);
  EXPECT_EQ(found[0].uses, 3u);
  EXPECT_EQ(found[1].ways, 1u);
  EXPECT_NEAR(found[1].ms, 2.0, 1e-9);
  EXPECT_EQ(found[2].taken, 0u) << "half a thousandth is no reason to leave the library's choice";
  EXPECT_EQ(library.way[0], 2u);
  EXPECT_EQ(library.way[2], 0u);
}

TEST(TunerTest, AWayThatSlowsDownUnderLoadIsNotTaken) {
  Library library;
  library.ms = {{1.0, 0.90, 0.93}};
  library.burst = 1, library.tired = 0.99;
  EXPECT_EQ(tune(library, planOf({1})).front().taken, 2u);
}

TEST(TunerTest, WhatTakesNoTimeIsLookedAtBriefly) {
  Library library;
  library.ms = {{10.0, 9.0}, {0.004, 0.003}};
  const std::vector<TunedProduct> found = tune(library, planOf({1, 1}));
  EXPECT_EQ(found[1].taken, 1u);
  EXPECT_LT(library.calls, 3000u) << "a long look at the light one takes 15,000 calls and more";
}
