// RunMutants PLAN COUNT SEED FOLDER: changes a plan COUNT times, each time in one to three places and with right
// checksums, and runs each for one step in a process of its own. A plan may be refused, or run; it must not end a
// process by a signal, run for a minute, or be refused after the start. Exits 1 where one does, and leaves it in
// FOLDER.
#include "runtime/Training/Run.h"
#include "test/plans/MutatePlan.h"

#include "runtime/Plan/PlanFile.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace ft::rt;
namespace fs = std::filesystem;

/// Built under sanitizers, what they report ends the process by a signal, not with the exit code of a refusal; memory
/// that is not there is refused as without them.
extern "C" const char *__asan_default_options() {
  return "abort_on_error=1:allocator_may_return_null=1:detect_leaks=0";
}
extern "C" const char *__ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }

namespace {

/// What of the file is not the message.
std::vector<Section> sectionsOf(const PlanFile &file) { return {file.sections.begin() + 1, file.sections.end()}; }

/// In a child: its exit code is the run's.
[[noreturn]] void runOnce(const std::string &plan, const std::string &out) {
  constexpr unsigned seconds = 60;
  alarm(seconds);
  const int nowhere = open("/dev/null", O_WRONLY);
  RunOptions options;
  options.plan = plan;
  options.model = "seeded:1";
  options.out = out;
  options.overwrite = true;
  options.stopAfter = 1;
  options.threads = 1;
  auto interrupts = Interrupts::create([] {});
  Console console(nowhere);
  const ft::rt::Status status = interrupts.ok() ? runPlan(options, **interrupts, console) : interrupts.status();
  _exit(static_cast<int>(status.code()));
}

/// The exit code; −signal where a signal ended it.
int outcomeOf(const std::string &plan, const std::string &out) {
  const pid_t child = fork();
  if (child == 0)
    runOnce(plan, out);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child)
    return -1000;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: RunMutants PLAN COUNT SEED FOLDER\n");
    return 1;
  }
  const auto original = readPlanFile(argv[1]);
  if (!original.ok()) {
    fmt::print(stderr, "RunMutants: {}\n", original.status().message());
    return 1;
  }
  const uint64_t count = std::strtoull(argv[2], nullptr, 10), seed = std::strtoull(argv[3], nullptr, 10);
  const fs::path folder = argv[4];
  fs::create_directories(folder);
  const std::string mutant = (folder / "mutant.bin").string(), out = (folder / "out").string();
  const test::PlanMutator mutator;
  std::map<int, uint64_t> outcomes;
  for (uint64_t i = 0; i < count; ++i) {
    std::mt19937_64 random(seed + i);
    const auto choose = [&](uint64_t below) { return random() % below; };
    const ft::plan::Plan plan = mutator.mutated(original->plan, 1 + choose(3), choose);
    if (const Status status = writePlanFile(mutant, plan, sectionsOf(*original)); !status.ok()) {
      fmt::print(stderr, "RunMutants: {}\n", status.message());
      return 1;
    }
    const int outcome = outcomeOf(mutant, out);
    ++outcomes[outcome];
    if (outcome >= 0 && outcome <= static_cast<int>(Code::Failed))
      continue;
    fmt::print("seed {}: {}\n", seed + i,
               outcome < 0 ? fmt::format("signal {}", -outcome) : fmt::format("exit code {}", outcome));
    fs::copy_file(mutant, folder / fmt::format("mutant-{}.bin", seed + i), fs::copy_options::overwrite_existing);
  }
  bool bad = false;
  for (const auto &[outcome, times] : outcomes) {
    fmt::print("{} {}: {}\n", outcome < 0 ? "signal" : "exit code", std::abs(outcome), times);
    bad |= outcome < 0 || outcome > static_cast<int>(Code::Failed);
  }
  return bad ? 1 : 0;
}
