#include "runtime/Metrics/ProgressLine.h"

#include "runtime/Metrics/StepMetrics.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft::rt;

namespace {
/// Decimal units, as rates of disks are given.
std::string decimalBytes(double bytes) {
  return bytes >= 1e9 ? fmt::format("{:.2f} GB", bytes * 1e-9) : fmt::format("{:.1f} MB", bytes * 1e-6);
}
} // namespace

std::string ft::rt::formatProgress(std::string_view what, uint64_t done, uint64_t total, double seconds) {
  const double rate = double(done) / std::max(seconds, 1e-9);
  if (done >= total)
    return fmt::format("{}: {} in {:.1f} s, {}/s", what, decimalBytes(double(total)), seconds, decimalBytes(rate));
  return fmt::format("{}: {} % of {}, {}/s, eta {}", what, done * 100 / total, decimalBytes(double(total)),
                     decimalBytes(rate), clockTime(double(total - done) / std::max(rate, 1e-9)));
}

void ProgressLine::at(std::string_view what, uint64_t done, uint64_t total) {
  const Clock::time_point now = Clock::now();
  if (work != what) {
    work = what;
    begin = shown = now;
  }
  auto since = [now](Clock::time_point then) { return std::chrono::duration<double>(now - then).count(); };
  const bool ended = done >= total;
  if (ended)
    work.clear();
  const double seconds = since(begin);
  // The eye takes ten bars a second, a log a line in ten seconds; a second is not long.
  if (ended ? seconds < 1 : since(shown) < (console.isTerminal() ? 0.1 : 10))
    return;
  shown = now;
  const std::string text = formatProgress(what, done, total, seconds);
  if (!ended && console.isTerminal()) {
    console.bar(double(done) / double(total), text);
    return;
  }
  console.clearBar();
  console.line(text);
}
