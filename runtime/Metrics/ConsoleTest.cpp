#include "runtime/Metrics/Console.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace ft::rt;

namespace {
std::string readFile(const std::string &path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

StepMetrics someStep(uint64_t step) {
  StepMetrics m;
  m.step = step, m.totalSteps = 5, m.loss = 2.5, m.stepMs = 10;
  return m;
}
} // namespace

TEST(Console, PrintsPlainLinesEveryLoggingStepsAndTheLast) {
  int pipeEnds[2];
  ASSERT_EQ(pipe(pipeEnds), 0);
  Console console(pipeEnds[1]);
  for (uint64_t step = 1; step <= 5; ++step)
    console.step(someStep(step), 2);
  console.finish();
  close(pipeEnds[1]);
  char text[4096];
  const std::string got(text, read(pipeEnds[0], text, sizeof text));
  close(pipeEnds[0]);
  EXPECT_EQ(got, stepHeader() + "\n" + formatStep(someStep(2)) + "\n" + formatStep(someStep(4)) + "\n" +
                     formatStep(someStep(5)) + "\n");
}

TEST(Console, LinesDoNotDriveTheTerminal) {
  int pipeEnds[2];
  ASSERT_EQ(pipe(pipeEnds), 0);
  Console console(pipeEnds[1]);
  console.line("a\x1b[2Jb\nc");
  close(pipeEnds[1]);
  char text[64];
  const std::string got(text, read(pipeEnds[0], text, sizeof text));
  close(pipeEnds[0]);
  EXPECT_EQ(got, "a\\x1b[2Jb\nc\n");
}

TEST(JsonLines, AppendsWholeLines) {
  const std::string path = testing::TempDir() + "lines.jsonl";
  {
    auto lines = JsonLines::create(path);
    ASSERT_TRUE(lines.ok());
    ASSERT_TRUE(lines->write("{\"a\":1}").ok());
    ASSERT_TRUE(lines->write("{\"a\":2}").ok());
  }
  EXPECT_EQ(readFile(path), "{\"a\":1}\n{\"a\":2}\n");
}

TEST(JsonLines, NamesThePathThatItCannotCreate) {
  auto lines = JsonLines::create("/nonexistent/folder/metrics.jsonl");
  ASSERT_FALSE(lines.ok());
  EXPECT_EQ(lines.status().code(), Code::Failed);
  EXPECT_EQ(lines.status().message(),
            "/nonexistent/folder/metrics.jsonl: cannot be created: No such file or directory");
}

TEST(JsonLines, ReportsAFullDisk) {
  auto lines = JsonLines::create("/dev/full");
  if (!lines.ok())
    GTEST_SKIP() << "no /dev/full";
  Status status = lines->write("{}");
  EXPECT_EQ(status.code(), Code::Failed);
  EXPECT_NE(status.message().find("/dev/full"), std::string::npos);
}
