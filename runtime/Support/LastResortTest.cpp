#include "runtime/Support/LastResort.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace ft::rt {
namespace {

template <typename Exception> [[noreturn]] void endsBy(Exception exception) {
  endOnUncaught("prog", [] { return 2; });
  std::thread([&] { throw exception; }).join();
  std::abort();
}

TEST(LastResort, SaysWhatEndsAProgram) {
  EXPECT_EXIT(endsBy(std::bad_alloc()), testing::ExitedWithCode(2), "^prog: the machine gives .* no more memory; ");
  EXPECT_EXIT(endsBy(std::system_error(EAGAIN, std::generic_category(), "thread")), testing::ExitedWithCode(2),
              "^prog: thread: .*no more threads");
  EXPECT_EXIT(endsBy(std::runtime_error("a\x1b"
                                        "b")),
              testing::ExitedWithCode(2), "^prog: a\\\\x1bb");
  EXPECT_EXIT(endsBy(7), testing::ExitedWithCode(2), "^prog: ended for a reason that it does not know");
}

TEST(LastResort, SaysThatALibraryEndsAProgram) {
  auto aborts = [](std::function<int()> code) {
    endOnUncaught("prog", std::move(code));
    std::abort();
  };
  EXPECT_EXIT(aborts([] { return 2; }), testing::ExitedWithCode(2), "^prog: a library ended the process");
  EXPECT_EXIT(aborts([]() -> int {
                for (;;)
                  pause();
              }),
              testing::ExitedWithCode(3), "^prog: a library ended the process");
}

TEST(LastResort, AnExceptionThatSomebodyCatchesEndsNothing) {
  endOnUncaught("prog", [] { return 2; });
  EXPECT_THROW(throw std::bad_alloc(), std::bad_alloc);
}

} // namespace
} // namespace ft::rt
