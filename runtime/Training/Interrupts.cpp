#include "runtime/Training/Interrupts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iterator>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

using namespace ft::rt;

namespace {
/// A closed terminal, and what batch systems warn with ahead of the end: Slurm's --signal=USR1, Grid Engine's -notify,
/// LSF's USR2, a limit of processor time (every second from then on).
constexpr int warnings[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};

sigset_t handledSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  // Under nohup a closed terminal changes nothing; a blocked signal would arrive although it is ignored.
  for (const int warning : warnings) {
    struct sigaction inherited = {};
    if (sigaction(warning, nullptr, &inherited) == 0 && inherited.sa_handler != SIG_IGN)
      sigaddset(&set, warning);
  }
  return set;
}

/// Runs on the thread that is to stop, with the address of its flag.
void stopHere(int, siginfo_t *info, void *) {
  static_cast<std::atomic<bool> *>(info->si_value.sival_ptr)->store(true);
  while (true)
    pause();
}
} // namespace

Expected<std::unique_ptr<Interrupts>> Interrupts::create(std::function<void()> onSecond,
                                                         std::function<void()> onFirst) {
  std::unique_ptr<Interrupts> interrupts(new Interrupts(std::move(onSecond), std::move(onFirst)));
  const sigset_t set = handledSignals();
  interrupts->creator = pthread_self();
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
    // Kernel and shell may both say that the terminal is gone, and systems repeat themselves: never a second request.
    if (std::ranges::find(warnings, int(info.ssi_signo)) != std::end(warnings)) {
      int none = 0;
      if (count.compare_exchange_strong(none, 1))
        onFirst();
      continue;
    }
    if (count.fetch_add(1) + 1 < 2) {
      onFirst();
      continue;
    }
    freezeCreator();
    onSecond();
  }
}

void Interrupts::freezeCreator() {
  struct sigaction action = {};
  action.sa_sigaction = stopHere;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGRTMIN, &action, nullptr);
  sigval flag = {};
  flag.sival_ptr = &frozen;
  if (pthread_sigqueue(creator, SIGRTMIN, flag) != 0)
    return;
  for (int i = 0; i < 5000 && !frozen; ++i) // a write to a slow disk ends first
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
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
