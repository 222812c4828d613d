#include "runtime/Support/LastResort.h"

#include "runtime/Support/Strings.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <unistd.h>

namespace ft::rt {

namespace {

constexpr int lateCode = 3;
constexpr unsigned patienceSeconds = 3;

struct Ending {
  std::string program;
  std::function<int()> code;
  std::atomic<bool> ended = false;
};

/// std::set_terminate takes no argument.
Ending &ending() {
  static Ending instance;
  return instance;
}

void print(const char *what, const char *wayOut) {
  std::fprintf(stderr, "%s: %s%s\n", ending().program.c_str(), what, wayOut);
}

void printException() {
  try {
    if (const std::exception_ptr current = std::current_exception())
      std::rethrow_exception(current);
    print("ended for a reason that it does not know", "");
  } catch (const std::bad_alloc &) { // nothing may be allocated now
    print("the machine gives this process no more memory", "; end other programs, or raise what ulimit -v says");
  } catch (const std::system_error &error) {
    print(printable(error.what()).c_str(), error.code() == std::errc::resource_unavailable_try_again
                                               ? "; the machine gives this process no more threads (ulimit -u)"
                                               : "");
  } catch (const std::exception &error) {
    print(printable(error.what()).c_str(), "");
  } catch (...) {
    print("ended for a reason that it does not know", "");
  }
}

[[noreturn]] void end() {
  if (ending().ended.exchange(true)) // another thread ends it already
    for (;;)
      pause();
  printException();
  _exit(ending().code()); // other threads still run: nothing of theirs may be destroyed
}

/// A library with a C++ runtime of its own, or without one, knows no handler of ours. Its heap may be what is broken:
/// where cleaning does not come to an end, the process does all the same.
void onAbort(int) {
  if (ending().ended.exchange(true))
    for (;;)
      pause();
  std::signal(SIGALRM, [](int) { _exit(lateCode); });
  alarm(patienceSeconds);
  print("a library ended the process, most often for want of memory",
        "; end other programs, or raise what ulimit -v says");
  _exit(ending().code());
}

} // namespace

void endOnUncaught(const char *program, std::function<int()> code) {
  ending().program = program;
  ending().code = std::move(code);
  std::set_terminate(end);
  std::signal(SIGABRT, onAbort);
}

} // namespace ft::rt
