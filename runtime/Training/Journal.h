// Where a rank tells what it does.
#pragma once

#include "runtime/Metrics/ProgressLine.h"

#include <cstdint>
#include <optional>
#include <string_view>

namespace ft::rt {

/// Lines for people, and metrics.jsonl where there is one. Rank 0 writes to the user's console and into the output
/// folder; another rank's console is a file of its own. Takes no large memory, so that it may be used between steps.
class Journal {
public:
  /// A step is told every `loggingSteps` steps. `console` stays the caller's.
  Journal(Console &console, uint64_t loggingSteps) : console(console), loggingSteps(loggingSteps) {}

  /// From here on every step and evaluation goes into that file as well. Fails as JsonLines does; lines that cannot be
  /// written later are told of once, and cost no run.
  Status keepMetrics(const std::string &path);
  /// The same of a run that continues behind `step`: what the file says of later ones is of steps that are done again.
  /// `evaluated`: whether the evaluation behind that step is among what stays.
  Status continueMetrics(const std::string &path, uint64_t step, bool evaluated);

  void line(std::string_view text) { console.line(text); }
  /// Of work in front of the steps.
  WorkProgress &progress() { return work; }
  void step(const StepMetrics &metrics);
  void evaluation(const EvaluationMetrics &metrics);
  /// Lines that metrics.jsonl lacks, since they could not be written.
  uint64_t lostLines() const { return lost; }
  /// Behind the last step.
  void finish() { console.finish(); }

private:
  void keep(const std::string &object);

  Console &console;
  ProgressLine work{console};
  const uint64_t loggingSteps;
  std::optional<JsonLines> lines;
  uint64_t lost = 0;
};

} // namespace ft::rt
