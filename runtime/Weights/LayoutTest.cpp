#include "runtime/Weights/Layout.h"
#include "runtime/Weights/WeightsTesting.h"

namespace ft::rt {
namespace {

using namespace testing;

/// Offsets of all elements by definition.
std::vector<uint64_t> addresses(const plan::Tensor &tensor, uint64_t width) {
  std::vector<uint64_t> result{tensor.offset()};
  for (int i = 0; i < tensor.sizes_size(); ++i) {
    std::vector<uint64_t> next;
    for (uint64_t base : result)
      for (uint64_t k = 0; k < tensor.sizes(i); ++k)
        next.push_back(base + k * tensor.strides(i) * width);
    result = std::move(next);
  }
  return result;
}

TEST(Layout, RunsCoverEveryElementAtItsAddress) {
  struct Case {
    std::vector<uint64_t> shape, sizes, strides;
    uint64_t run;
  };
  for (const Case &c :
       {Case{{6, 4}, {6, 4}, {4, 1}, 24}, Case{{6, 4}, {6, 4}, {7, 1}, 4}, Case{{6, 4}, {2, 3, 4}, {40, 4, 1}, 12},
        Case{{6, 4}, {6, 4}, {1, 6}, 1}, Case{{24}, {2, 3, 1, 4}, {4, 8, 999, 1}, 4}, Case{{}, {}, {}, 1}}) {
    plan::Plan plan;
    plan::Tensor *tensor = addTensor(plan, "t", plan::Tensor::FROZEN, plan::F32, c.shape, addBuffer(plan, 1000), 8);
    setLayout(*tensor, c.sizes, c.strides);
    auto layout = Layout::of(plan, *tensor);
    ASSERT_TRUE(layout.ok()) << layout.status().message();
    EXPECT_EQ(layout->runElements(), c.run);
    std::vector<uint64_t> expected = addresses(*tensor, 4);
    EXPECT_EQ(layout->begin(), 8u);
    EXPECT_EQ(layout->end(), *std::max_element(expected.begin(), expected.end()) + 4);
    for (uint64_t from = 0; from < expected.size(); ++from)
      for (uint64_t number = 0; number <= expected.size() - from; ++number) {
        uint64_t next = from;
        layout->forRuns(from, number, [&](uint64_t offset, uint64_t index, uint64_t n) {
          EXPECT_EQ(index, next);
          for (uint64_t k = 0; k < n; ++k)
            EXPECT_EQ(offset + k * 4, expected[index + k]);
          next += n;
        });
        EXPECT_EQ(next, from + number);
      }
  }
}

TEST(Layout, GatherUndoesScatter) {
  plan::Plan plan;
  plan::Tensor *tensor = addTensor(plan, "t", plan::Tensor::FROZEN, plan::BF16, {6, 4}, addBuffer(plan, 200), 2);
  setLayout(*tensor, {2, 3, 4}, {40, 5, 1});
  auto layout = Layout::of(plan, *tensor);
  ASSERT_TRUE(layout.ok());
  Bytes buffer(200), dense(48), back(20 * 2);
  for (size_t i = 0; i < dense.size(); ++i)
    dense[i] = std::byte(i + 1);
  scatter(*layout, 0, 24, dense.data(), buffer.data());
  EXPECT_EQ(std::count(buffer.begin(), buffer.end(), std::byte(0)), 200 - 48);
  gather(*layout, 3, 20, buffer.data() + 2, 2, back.data());
  EXPECT_EQ(std::memcmp(back.data(), dense.data() + 6, 40), 0);
}

TEST(Layout, RefusesWhatAPlanMustNotSay) {
  auto statusOf = [](auto change) {
    plan::Plan plan;
    plan::Tensor *tensor = addTensor(plan, "t", plan::Tensor::FROZEN, plan::F32, {6, 4}, addBuffer(plan, 100), 4);
    change(*tensor);
    return Layout::of(plan, *tensor).status();
  };
  FT_EXPECT_OK(statusOf([](plan::Tensor &) {}));
  expectError(statusOf([](plan::Tensor &t) { t.set_dtype(plan::DTYPE_UNSPECIFIED); }), "tensor \"t\": dtype 0");
  expectError(statusOf([](plan::Tensor &t) { t.set_dtype(plan::DType(99)); }), "dtype 99");
  expectError(statusOf([](plan::Tensor &t) { t.set_buffer(1); }), "buffer 1 of 1");
  expectError(statusOf([](plan::Tensor &t) { t.add_sizes(1); }), "3 sizes but 2 strides");
  expectError(statusOf([](plan::Tensor &t) { t.set_sizes(0, 5); }), "different numbers of elements");
  expectError(statusOf([](plan::Tensor &t) { t.set_offset(8); }), "96 bytes from offset 8 leave buffer \"b0\" of 100");
  expectError(statusOf([](plan::Tensor &t) { t.set_offset(UINT64_MAX); }), "leave buffer");
  expectError(statusOf([](plan::Tensor &t) { t.set_strides(0, 3); }), "elements overlap");
  expectError(statusOf([](plan::Tensor &t) { t.set_strides(1, 0); }), "elements overlap");
  expectError(statusOf([](plan::Tensor &t) { t.set_strides(0, UINT64_MAX / 8); }), "exceed 64 bits");
}

TEST(Layout, KnowsWhichElementsLieInARange) {
  plan::Plan plan;
  const uint32_t buffer = addBuffer(plan, 4096);
  auto *tensor = addTensor(plan, "x", plan::Tensor::FROZEN, plan::BF16, {6, 10}, buffer, 64);
  for (const bool bordered : {false, true}) {
    setLayout(*tensor, {6, 10}, {bordered ? 16u : 10u, 1});
    auto layout = Layout::of(plan, *tensor);
    ASSERT_TRUE(layout.ok());
    EXPECT_TRUE(layout->isAscending());
    for (uint64_t begin = 0; begin < 400; begin += 2)
      for (uint64_t end = begin; end < 400; end += 6) {
        uint64_t first = 60, last = 0;
        layout->forRuns(0, 60, [&](uint64_t offset, uint64_t index, uint64_t n) {
          for (uint64_t i = 0; i < n; ++i)
            if (offset + 2 * i >= begin && offset + 2 * i < end)
              first = std::min(first, index + i), last = index + i + 1;
        });
        const auto found = layout->elementsIn(begin, end);
        if (first < last)
          EXPECT_EQ(found, std::pair(first, last)) << begin << ".." << end;
        else
          EXPECT_EQ(found.first, found.second);
      }
  }
  setLayout(*tensor, {6, 10}, {1, 6});
  auto turned = Layout::of(plan, *tensor);
  ASSERT_TRUE(turned.ok());
  EXPECT_FALSE(turned->isAscending());
  EXPECT_EQ(turned->elementsIn(80, 90), std::pair(uint64_t(0), uint64_t(60)));
}

} // namespace
} // namespace ft::rt
