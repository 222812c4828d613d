// The lines of a run: a bar on a terminal, plain lines elsewhere, and metrics.jsonl.
#pragma once

#include "runtime/Metrics/Outlet.h"
#include "runtime/Metrics/StepMetrics.h"
#include "runtime/Support/Status.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ft::rt {

/// Prints to one file descriptor, whose reader the work never waits for (Outlet). Takes no large memory, so that it may
/// be used between steps.
class Console {
public:
  /// `descriptor` stays the caller's. A bar is drawn where it is a terminal. `hurry`: whether the program was asked to
  /// end, and must not wait for long at its own end either.
  explicit Console(int descriptor, std::function<bool()> hurry = {});

  /// A line of its own, without what would drive a terminal; a bar in its way is redrawn behind it.
  void line(std::string_view text);
  /// A step: a bar on a terminal, a line under the columns' names elsewhere, every `loggingSteps` steps.
  void step(const StepMetrics &metrics, uint64_t loggingSteps);
  bool isTerminal() const { return terminal; }
  /// On a terminal: a bar that `text` stands behind, until it is cleared.
  void bar(double share, std::string_view text);
  void clearBar();
  /// Ends the bar, so that what follows starts on a new line.
  void finish();
  /// Waits until what nobody has read yet is read; the destructor does it as well.
  void drain() { outlet.drain(); }

private:
  void bar(const std::string &drawn);

  int descriptor;
  bool terminal;
  bool headerShown = false, barShown = false;
  StepMetrics last;
  Outlet outlet;
};

/// Appends one JSON object a line to a file; each line is one write, so that readers and crashes see whole lines.
class JsonLines {
public:
  /// Creates the file or empties it. Fails with Failed, naming path and cause.
  static Expected<JsonLines> create(const std::string &path);
  /// Goes on behind what is there.
  static Expected<JsonLines> append(const std::string &path);
  JsonLines(JsonLines &&other) noexcept;
  JsonLines &operator=(JsonLines &&other) noexcept;
  ~JsonLines();

  Status write(std::string_view object);

private:
  JsonLines(int descriptor, std::string path) : descriptor(descriptor), path(std::move(path)) {}
  int descriptor;
  std::string path;
  bool torn = false; ///< the last line is not whole: a disk was full
};

} // namespace ft::rt
