#include "runtime/Metrics/Outlet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

using namespace ft::rt;

namespace {
/// A pipe that can be written to at all takes so much at once (POSIX: PIPE_BUF).
constexpr size_t pieceBytes = 4096;

bool isWritable(int descriptor, int timeoutMs) {
  pollfd reader = {descriptor, POLLOUT, 0};
  return poll(&reader, 1, timeoutMs) == 1;
}
} // namespace

Outlet::Outlet(int descriptor, std::function<bool()> hurry) : descriptor(descriptor), hurry(std::move(hurry)) {
  struct stat info = {};
  isSocket = fstat(descriptor, &info) == 0 && S_ISSOCK(info.st_mode);
  // A terminal says that it can be written to and then takes a part. Others share the descriptor's own flags.
  if (isatty(descriptor))
    own = open(fmt::format("/proc/self/fd/{}", descriptor).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  waiting.reserve(roomBytes);
}

Outlet::~Outlet() {
  drain();
  if (own >= 0)
    close(own);
}

/// What was taken now; -1 with EAGAIN where nothing was.
ssize_t Outlet::give(std::string_view text) {
  if (isSocket)
    return send(descriptor, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (own >= 0)
    return write(own, text.data(), text.size());
  if (!isWritable(descriptor, 0)) {
    errno = EAGAIN;
    return -1;
  }
  return write(descriptor, text.data(), std::min(text.size(), pieceBytes));
}

void Outlet::flush() {
  size_t written = 0;
  while (written < waiting.size() && !gone) {
    const ssize_t taken = give(std::string_view(waiting).substr(written));
    if (taken > 0)
      written += static_cast<size_t>(taken);
    else if (taken < 0 && errno == EAGAIN)
      break;
    else if (taken == 0 || errno != EINTR)
      gone = true; // a closed pipe, or a full disk, must not end the training
  }
  waiting.erase(0, gone ? waiting.size() : written);
}

void Outlet::put(std::string_view text) {
  if (gone)
    return;
  flush();
  if (leftOut > 0 && waiting.empty())
    waiting += fmt::format("\nnote: {} lines are left out here: nobody read them in time\n", std::exchange(leftOut, 0));
  if (waiting.size() + text.size() > roomBytes) {
    ++leftOut;
    return;
  }
  waiting += text;
  flush();
}

bool Outlet::isClear() {
  flush();
  return waiting.empty();
}

void Outlet::drain() {
  constexpr int sliceMs = 50;
  int waited = 0;
  do {
    put(""); // says what was left out
    while (!waiting.empty()) {
      if (hurry && hurry() && (waited += sliceMs) > patienceMs)
        return;
      (void)isWritable(own >= 0 ? own : descriptor, sliceMs);
      flush();
    }
  } while (leftOut > 0 && !gone);
}
