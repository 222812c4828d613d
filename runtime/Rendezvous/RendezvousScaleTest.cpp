// The start of a large world: 1,024 ranks, each a thread of another process, come to this one.
#include "runtime/Rendezvous/Rendezvous.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace ft::rt;

namespace {
constexpr uint32_t ranks = 1024, channels = 2;

/// Largest resident size so far, in bytes.
uint64_t peakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (uint64_t kib = 0; word == "VmHWM:" && status >> kib)
      return kib * 1024;
  return 0;
}

Attendance rank(uint32_t number) {
  Attendance own;
  own.rank = number, own.world = ranks, own.host = "node-" + std::to_string(number / 8), own.process = number;
  for (const char *name : {"recipe", "plan", "model", "data", "library"}) {
    ft::rendezvous::Fact &fact = own.facts.emplace_back();
    fact.set_name(name), fact.set_value(std::string(64, 'f')), fact.set_code(1), fact.set_way_out(std::string(80, 'w'));
  }
  return own;
}
} // namespace

TEST(RendezvousScaleTest, AThousandRanksInThirtySecondsAndFiftyMegabytes) {
  const std::function<bool()> never = [] { return false; };
  Launch launch;
  launch.host = "127.0.0.1", launch.world = ranks;
  auto listener = listenAt(launch.host, "", 0);
  ASSERT_TRUE(listener.ok());
  launch.port = portOf(*listener);
  const pid_t others = fork();
  if (others == 0) {
    raiseDescriptorLimit();
    std::atomic<uint32_t> good = 0;
    std::vector<std::thread> threads;
    for (uint32_t number = 1; number < ranks; ++number)
      threads.emplace_back([&, number] {
        auto company = join(launch, rank(number), channels, never);
        good += company.ok() && company->ranksOnHost == 8;
      });
    for (std::thread &thread : threads)
      thread.join();
    _exit(good == ranks - 1 ? 0 : 1);
  }
  const auto start = Clock::now();
  auto company = gather(std::move(*listener), launch, rank(0), channels, never);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  EXPECT_TRUE(company.ok()) << company.status().message();
  int status = 0;
  waitpid(others, &status, 0);
  EXPECT_EQ(status, 0) << "a rank did not get through";
  EXPECT_LT(seconds, 30);
  EXPECT_LT(peakBytes(), 50u << 20);
  RecordProperty("seconds", std::to_string(seconds));
  std::printf("%u ranks in %.2f s; rank 0 took %.1f MB at most\n", ranks, seconds, double(peakBytes()) / 1e6);
}
