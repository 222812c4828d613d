// Where a rank tells what it does.
#pragma once

#include "runtime/Metrics/Console.h"

#include <optional>

namespace ft::rt {

/// Lines for people, and metrics.jsonl where there is one. Rank 0 writes to the user's console and into the output
/// folder; another rank's console is a file of its own. Takes no large memory, so that it may be used between steps.
class Journal {
public:
  /// A step is told every `loggingSteps` steps. `console` stays the caller's.
  Journal(Console &console, uint64_t loggingSteps) : console(console), loggingSteps(loggingSteps) {}

  /// From here on every step and evaluation goes into that file as well. Fails as JsonLines does.
  Status keepMetrics(const std::string &path);

  void line(std::string_view text) { console.line(text); }
  Status step(const StepMetrics &metrics);
  Status evaluation(const EvaluationMetrics &metrics);
  /// Behind the last step.
  void finish() { console.finish(); }

private:
  Console &console;
  const uint64_t loggingSteps;
  std::optional<JsonLines> lines;
};

} // namespace ft::rt
