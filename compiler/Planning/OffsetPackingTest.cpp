#include "compiler/Planning/OffsetPacking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace ft;

namespace {

void expectLegal(llvm::ArrayRef<Lifetime> lifetimes, const Packing &packing, int64_t alignment) {
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    EXPECT_EQ(packing.offsets[i] % alignment, 0);
    EXPECT_LE(packing.offsets[i] + lifetimes[i].size, packing.size);
    for (size_t j = 0; j < i; ++j) {
      bool together = lifetimes[i].first <= lifetimes[j].last && lifetimes[j].first <= lifetimes[i].last;
      bool apart = packing.offsets[i] + lifetimes[i].size <= packing.offsets[j] ||
                   packing.offsets[j] + lifetimes[j].size <= packing.offsets[i];
      EXPECT_TRUE(!together || apart) << i << " and " << j;
    }
  }
}

TEST(OffsetPacking, ReusesWhatHasDied) {
  Lifetime lifetimes[] = {{0, 1, 1000}, {1, 2, 500}, {2, 3, 1000}};
  Packing packing = packOffsets(lifetimes, 256);
  expectLegal(lifetimes, packing, 256);
  EXPECT_EQ(packing.largestLive, 1024 + 512);
  EXPECT_EQ(packing.size, 1024 + 512);
  EXPECT_EQ(packing.offsets[0], packing.offsets[2]);
}

TEST(OffsetPacking, FindsThePeak) {
  Lifetime lifetimes[] = {{0, 9, 256}, {3, 4, 256}, {4, 6, 512}};
  Packing packing = packOffsets(lifetimes, 256);
  EXPECT_EQ(packing.peakStep, 4);
  EXPECT_EQ(packing.largestLive, 1024);
}

TEST(OffsetPacking, OfNothingIsEmpty) {
  Packing packing = packOffsets({}, 256);
  EXPECT_EQ(packing.size, 0);
  EXPECT_EQ(packing.largestLive, 0);
}

/// The lifetimes of a training step: activations that live from their layer's forward to its backward, in nested
/// order, and short-lived ones at every step.
std::vector<Lifetime> trainingStep(int layers, std::mt19937 &random) {
  std::vector<Lifetime> lifetimes;
  int64_t end = 20 * layers;
  std::uniform_int_distribution<int64_t> size(1, 4000);
  int64_t kept[] = {size(random), size(random), size(random)},
          brief[] = {size(random), size(random), size(random), size(random)};
  for (int layer = 0; layer < layers; ++layer)
    for (int i = 0; i < 10; ++i) {
      int64_t forward = 10 * layer + i, backward = end - forward - 1;
      lifetimes.push_back({forward, forward + 1 + i % 3, brief[i % 4] * 256});
      lifetimes.push_back({backward, std::min(end, backward + 1 + i % 2), brief[(i + 1) % 4] * 256});
      if (i < 3)
        lifetimes.push_back({forward, backward, kept[i] * 256});
    }
  return lifetimes;
}

TEST(OffsetPacking, StaysWithinFivePercentOfTheBoundOnTrainingSteps) {
  std::mt19937 random(7);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<Lifetime> lifetimes = trainingStep(12 + trial, random);
    Packing packing = packOffsets(lifetimes, 256);
    expectLegal(lifetimes, packing, 256);
    EXPECT_LE(packing.size, 1.05 * packing.largestLive) << trial;
  }
}

TEST(OffsetPacking, IsLegalOnRandomLifetimes) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<Lifetime> lifetimes;
    for (int i = 0; i < 60; ++i) {
      int64_t first = random() % 100;
      lifetimes.push_back(
          {first, first + static_cast<int64_t>(random() % 30), 1 + static_cast<int64_t>(random() % 5000)});
    }
    Packing packing = packOffsets(lifetimes, 64);
    expectLegal(lifetimes, packing, 64);
    EXPECT_GE(packing.size, packing.largestLive);
  }
}

} // namespace
