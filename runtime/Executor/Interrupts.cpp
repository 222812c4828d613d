#include "runtime/Executor/Interrupts.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

using namespace ft::rt;

namespace {
sigset_t handledSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}
} // namespace

Expected<std::unique_ptr<Interrupts>> Interrupts::create(std::function<void()> onSecond) {
  std::unique_ptr<Interrupts> interrupts(new Interrupts(std::move(onSecond)));
  const sigset_t set = handledSignals();
  if (pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0)
    return cannotRun("this system does not let a program block SIGINT and SIGTERM");
  interrupts->signals = signalfd(-1, &set, SFD_CLOEXEC);
  interrupts->stop = eventfd(0, EFD_CLOEXEC);
  if (interrupts->signals < 0 || interrupts->stop < 0)
    return cannotRun(fmt::format("cannot watch SIGINT and SIGTERM: {}", std::strerror(errno)));
  interrupts->thread = std::thread([raw = interrupts.get()] { raw->watch(); });
  return interrupts;
}

void Interrupts::watch() {
  pollfd waits[] = {{signals, POLLIN, 0}, {stop, POLLIN, 0}};
  while (true) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR)
      return;
    if (waits[1].revents)
      return;
    signalfd_siginfo info;
    if (!(waits[0].revents & POLLIN) || read(signals, &info, sizeof info) != sizeof info)
      continue;
    if (count.fetch_add(1) + 1 >= 2)
      onSecond();
  }
}

Interrupts::~Interrupts() {
  if (thread.joinable()) {
    const uint64_t one = 1;
    if (write(stop, &one, sizeof one) == sizeof one)
      thread.join();
    else
      thread.detach();
  }
  const sigset_t set = handledSignals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  for (int descriptor : {signals, stop})
    if (descriptor >= 0)
      close(descriptor);
}
