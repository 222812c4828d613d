#include "runtime/Metrics/ProgressLine.h"

#include <gtest/gtest.h>

#include <pty.h>
#include <thread>
#include <unistd.h>

using namespace ft::rt;

namespace {
/// Until the other end is closed.
std::string readAll(int descriptor) {
  char part[8192];
  std::string text;
  for (ssize_t size; (size = read(descriptor, part, sizeof part)) > 0;)
    text.append(part, size_t(size));
  return text;
}

void work(Console &console, bool slowly) {
  ProgressLine progress(console);
  for (uint64_t done : {0, 500, 1000}) {
    progress.at("tokenising", done * 1000000, 1000000000);
    if (slowly && done < 1000)
      std::this_thread::sleep_for(std::chrono::milliseconds(550));
  }
}
} // namespace

TEST(ProgressLine, SaysHowFarAndHowFast) {
  EXPECT_EQ(formatProgress("tokenising", 900000000, 2000000000, 36),
            "tokenising: 45 % of 2.00 GB, 25.0 MB/s, eta 0:44");
  EXPECT_EQ(formatProgress("loading", 2000000000, 2000000000, 1.6), "loading: 2.00 GB in 1.6 s, 1.25 GB/s");
}

TEST(ProgressLine, IsALineElsewhereAndNothingOfShortWork) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Console console(ends[1]);
  work(console, /*slowly=*/false);
  work(console, /*slowly=*/true);
  close(ends[1]);
  const std::string text = readAll(ends[0]);
  EXPECT_TRUE(text.starts_with("tokenising: 1.00 GB in 1.")) << text;
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  close(ends[0]);
}

TEST(ProgressLine, IsABarOnATerminal) {
  int master, terminal;
  ASSERT_EQ(openpty(&master, &terminal, nullptr, nullptr, nullptr), 0);
  {
    Console console(terminal); // which opens it once more
    work(console, /*slowly=*/true);
  }
  close(terminal);
  const std::string text = readAll(master);
  EXPECT_NE(text.find("━ "), std::string::npos) << text;
  EXPECT_NE(text.find("tokenising: 50 % of 1.00 GB"), std::string::npos) << text;
  EXPECT_NE(text.find("\r\033[Ktokenising: 1.00 GB in 1."), std::string::npos) << text;
  close(master);
}
