#include "runtime/Metrics/Console.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

using namespace ft::rt;

namespace {
/// To the line's beginning, and the rest of it away.
const std::string clear = "\r\033[K";

unsigned terminalColumns(int descriptor) {
  winsize size{};
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}
} // namespace

Console::Console(int descriptor, std::function<bool()> hurry)
    : descriptor(descriptor), terminal(isatty(descriptor)), outlet(descriptor, std::move(hurry)) {}

void Console::line(std::string_view text) {
  std::string all = barShown ? clear : "";
  all += printable(text) + "\n";
  outlet.put(all);
  if (barShown)
    bar(formatBar(last, terminalColumns(descriptor)));
}

void Console::step(const StepMetrics &metrics, uint64_t loggingSteps) {
  last = metrics;
  if (terminal) {
    bar(formatBar(metrics, terminalColumns(descriptor)));
    barShown = true;
    return;
  }
  if (metrics.step % std::max<uint64_t>(1, loggingSteps) != 0 && metrics.step != metrics.totalSteps)
    return;
  if (!headerShown)
    line(stepHeader());
  headerShown = true;
  line(formatStep(metrics));
}

/// Of the moment: it waits for nobody.
void Console::bar(const std::string &drawn) {
  if (outlet.isClear())
    outlet.put(clear + drawn);
}

void Console::bar(double share, std::string_view text) {
  std::string behind = " ";
  behind += printable(text);
  bar(formatBar(share, behind, terminalColumns(descriptor)));
}

void Console::clearBar() {
  if (terminal)
    outlet.put(clear);
}

void Console::finish() {
  if (std::exchange(barShown, false))
    outlet.put("\n");
}

Expected<JsonLines> JsonLines::create(const std::string &path) {
  int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return failed(fmt::format("{}: cannot be created: {}", path, std::strerror(errno)));
  return JsonLines(descriptor, path);
}

Expected<JsonLines> JsonLines::append(const std::string &path) {
  int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor < 0)
    return failed(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  return JsonLines(descriptor, path);
}

JsonLines::JsonLines(JsonLines &&other) noexcept
    : descriptor(std::exchange(other.descriptor, -1)), path(std::move(other.path)) {}

JsonLines &JsonLines::operator=(JsonLines &&other) noexcept {
  std::swap(descriptor, other.descriptor);
  std::swap(path, other.path);
  return *this;
}

JsonLines::~JsonLines() {
  if (descriptor >= 0)
    close(descriptor);
}

Status JsonLines::write(std::string_view object) {
  const std::string text = (torn ? "\n" : "") + std::string(object) + "\n";
  // Where a disk fills, a part is written without an error: the rest tells it.
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t written = ::write(descriptor, rest.data(), rest.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return failed(fmt::format("{}: cannot be written: {}; is the disk full?", path, std::strerror(errno)));
    rest.remove_prefix(static_cast<size_t>(written));
    torn = !rest.empty();
  }
  return {};
}
