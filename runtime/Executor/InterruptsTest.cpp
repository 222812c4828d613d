#include "runtime/Executor/Interrupts.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <unistd.h>

using namespace ft::rt;

namespace {
template <typename Condition> bool soon(Condition condition) {
  for (int i = 0; i < 2000 && !condition(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}
} // namespace

TEST(Interrupts, FirstSignalIsARequestSecondCallsBack) {
  std::atomic<int> ended{0};
  auto interrupts = Interrupts::create([&] { ++ended; });
  ASSERT_TRUE(interrupts.ok()) << interrupts.status().message();
  EXPECT_FALSE((*interrupts)->requested());
  kill(getpid(), SIGTERM);
  EXPECT_TRUE(soon([&] { return (*interrupts)->requested(); }));
  EXPECT_EQ(ended.load(), 0);
  kill(getpid(), SIGINT);
  EXPECT_TRUE(soon([&] { return ended.load() == 1; }));
}

TEST(Interrupts, EndsWithoutASignal) {
  auto interrupts = Interrupts::create([] { FAIL(); });
  ASSERT_TRUE(interrupts.ok());
  interrupts->reset();
}
