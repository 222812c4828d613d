#include "runtime/Support/Parallel.h"

#include <chrono>
#include <gtest/gtest.h>
#include <numeric>
#include <optional>

using namespace ft::rt;

namespace {
/// Takes the numbers below `count`; those from `failing` on are refused by `part`.
struct Numbers {
  uint64_t count, failing;
  std::string part = "";
  std::vector<uint64_t> given;

  Status refuse(const char *own, uint64_t number) const {
    return part == own && number >= failing ? badInput(std::to_string(number)) : Status();
  }
  Status run() {
    uint64_t next = 0;
    auto take = [&]() -> Expected<std::optional<uint64_t>> {
      FT_RETURN_IF_ERROR(refuse("take", next));
      return next < count ? std::optional(next++) : std::nullopt;
    };
    auto work = [&](uint64_t &number, std::vector<int> &scratch) {
      scratch.resize(10);
      if (number % 7 == 0) // some take longer
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      return refuse("work", number);
    };
    auto give = [&](uint64_t number) {
      given.push_back(number);
      return refuse("give", number);
    };
    return inOrder<std::vector<int>>(take, work, give);
  }
};

TEST(Parallel, GivesInTheOrderThatItTook) {
  Numbers numbers{500, 500};
  ASSERT_TRUE(numbers.run().ok());
  std::vector<uint64_t> all(500);
  std::iota(all.begin(), all.end(), 0u);
  EXPECT_EQ(numbers.given, all);
  Numbers none{0, 0};
  EXPECT_TRUE(none.run().ok());
}

/// Whoever fails, and however many do: the first in the order counts, and nothing behind it is given.
TEST(Parallel, TheFirstFailureInOrderEndsIt) {
  for (const char *part : {"take", "work", "give"})
    for (uint64_t failing : {0, 1, 123}) {
      Numbers numbers{500, failing, part};
      EXPECT_EQ(numbers.run().message(), std::to_string(failing)) << part;
      EXPECT_EQ(numbers.given.size(), failing + (std::string(part) == "give")) << part;
    }
}

TEST(Parallel, UntilFailureNamesTheFirst) {
  std::atomic<uint64_t> done = 0;
  EXPECT_TRUE(parallelUntilFailure(1000, [&](uint64_t) {
                ++done;
                return Status();
              }).ok());
  EXPECT_EQ(done, 1000u);
  const Status status =
      parallelUntilFailure(1000, [&](uint64_t i) { return i >= 40 ? badInput(std::to_string(i)) : Status(); });
  EXPECT_EQ(status.message(), "40");
}
} // namespace
