#include "runtime/Training/Interrupts.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <initializer_list>
#include <unistd.h>

using namespace ft::rt;

namespace {
template <typename Condition> bool soon(Condition condition) {
  for (int i = 0; i < 2000 && !condition(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return condition();
}
} // namespace

TEST(InterruptsDeathTest, FirstSignalIsARequestSecondStopsTheCreator) {
  EXPECT_EXIT(
      {
        std::atomic<uint64_t> turns{0};
        auto interrupts = Interrupts::create([&] {
          const uint64_t now = turns;
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          _exit(turns == now ? 7 : 8); // the creator stands still
        });
        if (!interrupts.ok() || (*interrupts)->requested())
          _exit(1);
        kill(getpid(), SIGTERM);
        if (!soon([&] { return (*interrupts)->requested(); }))
          _exit(2);
        kill(getpid(), SIGINT);
        while (true)
          ++turns;
      },
      testing::ExitedWithCode(7), "");
}

TEST(InterruptsDeathTest, AClosedTerminalAndABatchSystemsWarningAreOneRequestUnlessTheyAreIgnored) {
  auto child = [](int number, bool ignored) {
    signal(number, ignored ? SIG_IGN : SIG_DFL);
    auto interrupts = Interrupts::create([] { _exit(1); });
    if (!interrupts.ok())
      _exit(2);
    for (int i = 0; i < 2; ++i) {
      kill(getpid(), number);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    _exit((*interrupts)->requested() == ignored ? 3 : 0);
  };
  for (const int number : {SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU}) {
    EXPECT_EXIT(child(number, false), testing::ExitedWithCode(0), "") << number;
    EXPECT_EXIT(child(number, true), testing::ExitedWithCode(0), "") << number;
  }
}

TEST(InterruptsDeathTest, TheFirstOfAnyKindMayEndTheProcess) {
  auto child = [](std::initializer_list<int> numbers) {
    std::atomic<int> firsts{0};
    auto interrupts = Interrupts::create([&] { _exit(firsts + 10); }, [&] { ++firsts; });
    if (!interrupts.ok())
      _exit(2);
    for (const int number : numbers) {
      kill(getpid(), number);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    _exit(firsts);
  };
  EXPECT_EXIT(child({SIGTERM}), testing::ExitedWithCode(1), "");
  EXPECT_EXIT(child({SIGUSR1, SIGHUP}), testing::ExitedWithCode(1), "");
  EXPECT_EXIT(child({SIGINT, SIGINT}), testing::ExitedWithCode(11), "");
}

TEST(InterruptsDeathTest, ARequestFromElsewhereIsNoSignal) {
  EXPECT_EXIT(
      {
        auto interrupts = Interrupts::create([] { _exit(1); });
        if (!interrupts.ok())
          _exit(2);
        (*interrupts)->request();
        (*interrupts)->request();
        if (!(*interrupts)->requested())
          _exit(3);
        kill(getpid(), SIGTERM); // its own first
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        _exit(0);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Interrupts, EndsWithoutASignal) {
  auto interrupts = Interrupts::create([] { FAIL(); });
  ASSERT_TRUE(interrupts.ok());
  interrupts->reset();
}
