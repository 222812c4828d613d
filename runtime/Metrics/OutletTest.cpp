#include "runtime/Metrics/Outlet.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <pty.h>
#include <sys/socket.h>
#include <termios.h>
#include <thread>
#include <unistd.h>
#include <utility>

using namespace ft::rt;

namespace {
const std::string someLine(100, 'x');

/// Two ends of a connection: what is written to the second is read from the first.
struct Ends {
  int read = -1, write = -1;
  explicit Ends(const char *kind) {
    int ends[2] = {-1, -1};
    if (std::string_view(kind) == "pipe")
      EXPECT_EQ(pipe(ends), 0);
    else if (std::string_view(kind) == "socket")
      EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    else
      EXPECT_EQ(openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), 0);
    read = ends[0], write = ends[1];
  }
  ~Ends() {
    if (read >= 0)
      close(read);
    if (write >= 0)
      close(write);
  }
};

/// Lines until nobody takes one: the ends hold some, the outlet some, the rest is left out.
size_t fill(Outlet &outlet) {
  size_t lines = 0;
  for (; lines < 20000; ++lines)
    outlet.put(someLine + "\n");
  return lines;
}

/// Until the text ends with `last`.
std::string readUntil(int descriptor, const std::string &last) {
  std::string text;
  char part[8192];
  while (text.find(last) == text.npos) {
    const ssize_t size = read(descriptor, part, sizeof part);
    if (size <= 0)
      break;
    text.append(part, size_t(size));
  }
  return text;
}
} // namespace

class OutletOf : public testing::TestWithParam<const char *> {};

TEST_P(OutletOf, NeverWaitsAndSaysWhatIsLeftOut) {
  Ends ends(GetParam());
  std::atomic<bool> hurry = false;
  Outlet outlet(ends.write, [&] { return hurry.load(); });
  fill(outlet); // 2 MB, which nobody reads
  EXPECT_FALSE(outlet.isClear());
  std::string got;
  std::thread reader([&] { got = readUntil(ends.read, "in time"); });
  outlet.drain();
  reader.join();
  const size_t note = got.find("note: ");
  ASSERT_NE(note, got.npos);
  EXPECT_GT(std::stoul(got.substr(note + 6)), 10000u);
  EXPECT_NE(got.find(" lines are left out here: nobody read them in time"), got.npos);
  EXPECT_EQ(got.substr(0, someLine.size()), someLine);
  EXPECT_TRUE(outlet.isClear());
}

TEST_P(OutletOf, WaitsNoLongerThanASecondOnceAskedToEnd) {
  Ends ends(GetParam());
  Outlet outlet(ends.write, [] { return true; });
  fill(outlet);
  const auto begin = std::chrono::steady_clock::now();
  outlet.drain();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
  EXPECT_FALSE(outlet.isClear());
}

INSTANTIATE_TEST_SUITE_P(Ends, OutletOf, testing::Values("pipe", "socket", "terminal"));

TEST(Outlet, APausedTerminalHoldsNobody) {
  Ends ends("terminal");
  Outlet outlet(ends.write, [] { return true; });
  ASSERT_EQ(tcflow(ends.write, TCOOFF), 0); // Ctrl-S
  outlet.put("a\n");
  EXPECT_FALSE(outlet.isClear());
  ASSERT_EQ(tcflow(ends.write, TCOON), 0);
  EXPECT_TRUE(outlet.isClear());
}

TEST(Outlet, LinesOfADescriptorThatDoesNotBlockAreNotLost) {
  Ends ends("pipe");
  ASSERT_EQ(fcntl(ends.write, F_SETFL, O_NONBLOCK), 0); // as another program that shares it may
  Outlet outlet(ends.write);
  for (int i = 0; i < 1000; ++i) // more than a pipe holds
    outlet.put(someLine + "\n");
  std::string got;
  std::thread reader([&] { got = readUntil(ends.read, "end"); });
  outlet.put("end");
  outlet.drain();
  reader.join();
  EXPECT_EQ(got.size(), 1000 * (someLine.size() + 1) + 3);
}

TEST(Outlet, GoesOnWithoutAReader) {
  std::signal(SIGPIPE, SIG_IGN);
  Ends ends("pipe");
  close(std::exchange(ends.read, -1));
  Outlet outlet(ends.write);
  fill(outlet);
  EXPECT_TRUE(outlet.isClear());
}
