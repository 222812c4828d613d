#include "runtime/Support/StandardStreams.h"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <initializer_list>
#include <poll.h>
#include <unistd.h>

void ft::rt::keepStandardStreams() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(descriptor, F_GETFD) < 0)
      (void)!open("/dev/null", O_RDWR); // takes the lowest free number, which is this one
}

bool ft::rt::standardOutputIsLost() {
  const bool failedNow = std::fflush(stdout) != 0;
  if (!failedNow && std::ferror(stdout) == 0)
    return false;
  pollfd reader = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&reader, 1, /*timeout=*/0) != 1 || (reader.revents & POLLERR) == 0;
}
