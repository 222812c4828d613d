// Random segments through schedule and memory, judged by the runtime's verifier, which shares no code with them.
#include "compiler/Planning/Schedule.h"

#include "compiler/Export/ExportPlan.h"
#include "compiler/Planning/AssignMemory.h"
#include "runtime/Plan/Verify.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

using namespace ft;

namespace {

/// Computes on device values of two blocks side by side, fetches blocks from pinned memory, brings them back, and
/// updates them there.
class RandomProgram {
public:
  explicit RandomProgram(unsigned seed) : random(seed) {}

  std::string text(int steps) {
    std::string header = "plan.arena device @activations {transient}\nplan.arena pinned @host\n";
    for (int i = 0; i < values; ++i) {
      header += fmt::format("plan.buffer @d{} in @activations activation {}\n", i, size(i));
      header += fmt::format("plan.buffer @h{} in @host optimizer_state {} {{initial_version = 1 : i64}}\n", i, size(i));
    }
    body = "plan.segment @update {\n";
    compute();
    for (int i = 0; i < steps; ++i)
      random() % 2 ? compute() : random() % 3 ? fetch() : random() % 2 ? bringBack() : updateThere();
    if (random() % 2)
      compute();
    return header + body + "}\n";
  }

private:
  static constexpr int values = 6;
  static int rowBytes(int value) { return 1024 << value % 3; }
  static int size(int value) { return 4 * 2 * rowBytes(value); }

  std::string block(const char *space, int value, int half, int read, int write) {
    return fmt::format("<buffer = @{}{}, offset = {}, rows = 4, rowBytes = {}, pitch = {}{}{}>", space, value,
                       half * rowBytes(value), rowBytes(value), 2 * rowBytes(value),
                       read ? fmt::format(", read = {}", read) : "", write ? fmt::format(", write = {}", write) : "");
  }
  void step(const std::string &text) {
    body += fmt::format("  plan.{} {{predicted_us = {}.0 : f64}}\n", text, random() % 20);
  }
  void launch(const std::string &operands) { step(fmt::format("launch \"s\" @k items 1 [{}]", operands)); }
  void copy(const std::string &from, const std::string &to) { step(fmt::format("copy \"s\" {} to {}", from, to)); }
  /// A device block that holds something, or none.
  std::optional<std::pair<int, int>> held() {
    const int start = random() % (2 * values);
    for (int i = 0; i < 2 * values; ++i)
      if (const int at = (start + i) % (2 * values); versions[at / 2][at % 2])
        return std::pair(at / 2, at % 2);
    return std::nullopt;
  }
  /// Writes a block, which it may read, or both of a value; may read a block of another.
  void compute() {
    const int value = random() % values, half = random() % 2;
    std::string operands;
    if (auto source = held(); random() % 4 && source && *source != std::pair(value, half))
      operands = "#plan.operand" +
                 block("d", source->first, source->second, versions[source->first][source->second], 0) + ", ";
    if (operands.empty() && random() % 2) {
      versions[value][0] = versions[value][1] = ++last;
      return launch(fmt::format("#plan.operand<buffer = @d{}, offset = 0, rows = 4, rowBytes = {}, pitch = {}, "
                                "write = {}>",
                                value, 2 * rowBytes(value), 2 * rowBytes(value), last));
    }
    int &version = versions[value][half];
    const int read = random() % 2 ? version : 0;
    version = ++last;
    launch(operands + "#plan.operand" + block("d", value, half, read, version));
  }
  void fetch() {
    const int value = random() % values, half = random() % 2;
    versions[value][half] = ++last;
    copy(block("h", value, half, 1, 0), block("d", value, half, 0, last));
  }
  void bringBack() {
    if (auto source = held()) {
      auto [value, half] = *source;
      copy(block("d", value, half, versions[value][half], 0), block("h", value, half, 0, 1));
    }
  }

  void updateThere() {
    const int value = random() % values, half = random() % 2;
    step(fmt::format("host_launch \"s\" @k items 1 [#plan.operand{}]", block("h", value, half, 1, 1)));
  }

  std::mt19937 random;
  std::string body;
  int versions[values][2] = {}, last = 1;
};

TEST(Schedule, TheVerifierAcceptsWhatItMakesOfRandomSegments) {
  mlir::MLIRContext context;
  context.loadDialect<plan::PlanDialect>();
  int overlapped = 0, beside = 0, events = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    const std::string text = RandomProgram(seed).text(4 + seed % 40);
    auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    schedule(*module, {1 + seed % 3});
    assignMemory(*module);
    plan::Plan plan;
    plan.mutable_target()->set_driver(plan::CUDA); // segments are captured
    PlanSections sections;
    ASSERT_TRUE(mlir::succeeded(exportModule(*module, plan, sections)));
    const rt::Status status = rt::verifyPlan(plan);
    ASSERT_TRUE(status.ok()) << "seed " << seed << ": " << status.message() << "\n" << text;
    overlapped += plan.streams_size() >= 2;
    beside += plan.streams_size() >= 4; // with one for the host
    events += plan.event_count();
  }
  EXPECT_GT(overlapped, 200);
  EXPECT_GT(beside, 100);
  EXPECT_GT(events, 300);
}

} // namespace
