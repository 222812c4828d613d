// ftrun: executes a plan.
#include "runtime/Device/Device.h"
#include "runtime/Support/LastResort.h"
#include "runtime/Support/StandardStreams.h"
#include "runtime/Support/Strings.h"
#include "runtime/Training/Leftovers.h"
#include "runtime/Training/Run.h"
#include "runtime/Training/RunSettings.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <unistd.h>

using namespace ft::rt;

namespace {
void printDevices(const DeviceList &list) {
  for (const DeviceInfo &device : list.devices) {
    std::string targets;
    for (const std::string &target : device.targets)
      targets += (targets.empty() ? "" : ", ") + target;
    fmt::print("{}\n  arch {}, memory {}, free {}\n  target names: {}\n", device.name, device.arch,
               formatBytes(device.totalBytes), formatBytes(device.freeBytes), targets.empty() ? "none" : targets);
    for (const std::string &library : device.libraries)
      fmt::print("  library {}\n", library);
    for (const std::string &missing : device.missing)
      fmt::print("  missing: {}\n", missing);
  }
  for (const std::string &missing : list.missing)
    fmt::print("missing: {}\n", missing);
}

/// The folder that a second interrupt must leave clean, told by the run when it knows it.
class OutputPlace {
public:
  void set(const std::string &path) {
    std::lock_guard lock(mutex);
    folder = path;
  }
  /// Whether there is one.
  bool clean() {
    std::lock_guard lock(mutex);
    if (!folder.empty())
      removeUnfinishedFiles(folder);
    return !folder.empty();
  }

private:
  std::mutex mutex;
  std::string folder;
};

void addOptions(CLI::App &app, RunOptions &options, bool &devices) {
  app.add_option("plan", options.plan, "plan.bin, made by ftc compile");
  app.add_option("--model", options.model,
                 "folder or file of the base model (safetensors, GGUF), owner/name of the Hub's cache, or seeded:SEED");
  app.add_option("--adapter", options.adapter, "folder of a PEFT adapter to start from");
  app.add_option("--data", options.data,
                 "training data instead of the recipe's: a file or folder (JSON, JSONL, CSV, TSV, text), tokens or "
                 "synthetic:SEED");
  app.add_option("--out", options.out, "output folder (default: out/<recipe name>)");
  app.add_option("--tune", options.tune,
                 "measure how each product is computed fastest on this GPU, and write that into this file; nothing is "
                 "trained");
  app.add_option("--algorithms", options.algorithms,
                 "how products are computed: a file of --tune, or algorithms.json of an earlier run");
  app.add_flag("--overwrite", options.overwrite, "replace what an earlier run left in the output folder");
  // An empty variable of a script is no wish.
  const auto named = [](const std::string &text) { return text.empty() ? "is empty; name a path" : ""; };
  for (const char *path : {"--model", "--adapter", "--data", "--out", "--tune", "--algorithms"})
    app.get_option(path)->check(named);
  app.add_option(
         "--resume", options.resume,
         "auto: continue from the newest checkpoint of --out; PATH: from that checkpoint, or that run's newest; "
         "none: start anew (default)")
      ->check(named);
  const CLI::Range steps(uint64_t(1), mostSteps);
  app.add_option("--max-steps", options.maxSteps, "steps of the schedule, instead of the recipe's")->check(steps);
  app.add_option("--stop-after", options.stopAfter, "stop after so many steps of the schedule")->check(steps);
  app.add_option("--threads", options.threads, "CPU threads (default: every usable processor)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--gpu", options.gpu, "number of the GPU, or of the first of several (default: 0)")
      ->check(CLI::Range(0, 1023));
  app.add_option("--ranks", options.ranks,
                 "ranks of the plan, as threads of this process (default: all; of each process of a launcher: 1)")
      ->check(CLI::Range(1, 1024));
  app.add_option(
         "--collectives", options.collectives,
         "who moves what ranks exchange: of GPUs of one process peers, which read each other's memory (default), "
         "or nccl; of CPU ranks in several processes mpi (default: rank 0)")
      ->check(CLI::IsMember({"peers", "nccl", "mpi"}));
  app.add_option("--set", options.settings, "name=value of a run-time field, for example learning_rate=1e-4");
  app.add_option("--dump-gradients", options.dumpGradients, "write the first step's gradients into this folder")
      ->check(named);
  app.add_option_function<std::string>(
         "--init-adapters", [&](const std::string &how) { options.initAdaptersNormal = how == "normal"; },
         "zero: adapters start as PEFT's (default); normal: B from N(0, 0.02^2), for gradient tests")
      ->check(CLI::IsMember({"zero", "normal"}));
  app.add_option(
         "--verify-steps", options.verifySteps,
         "run every N-th step twice from the same state and compare bits: finds a processor that computes wrong")
      ->check(steps);
  app.add_flag("--poison", options.poison, "fill memory with NaN around its use; results must not change");
  app.add_flag("--profile", options.profile, "measure the time of every step of the plan");
  app.add_flag("--devices", devices, "list processors and GPUs with their target names, and what is missing");
}
} // namespace

/// Who waits in a team of threads looks for a tenth of a millisecond, then sleeps: where something else runs on the
/// machine, a waiting thread must not keep the processor from the one that it waits for. The OpenMP runtime's own
/// patience is 50 times longer. It reads the environment when it is opened, which is later; what the user says there
/// wins.
static void chooseWaiting() {
  if (!std::getenv("OMP_WAIT_POLICY"))
    setenv("GOMP_SPINCOUNT", "6000", /*overwrite=*/0);
}

/// Which ranks say something, where there are several processes.
static std::string speaker(const RunOptions &options) {
  if (!options.launch)
    return "";
  const uint32_t count = options.ranks.value_or(1), first = options.launch->rank * count;
  return count == 1 ? fmt::format(" (rank {})", first) : fmt::format(" (ranks {} to {})", first, first + count - 1);
}

/// The line that says why.
static void complain(const RunOptions &options, const std::string &message) {
  fmt::print(stderr, "ftrun{}: {}\n", speaker(options), printable(message));
}

/// Of the process, should nobody read the line that says why.
static std::atomic<int> endCode = 0;

/// From here on the process ends within three seconds, with that code.
static void endSoon(int code) {
  endCode = code;
  std::signal(SIGALRM, [](int) { _exit(endCode); });
  alarm(3);
}

/// `alone` is whether no other process waits for this one.
static Status launchAndRun(RunOptions &options, std::atomic<bool> &alone, Interrupts &interrupts, Console &console) {
  FT_ASSIGN_OR_RETURN(options.launch, readLaunch([](const char *name) { return std::getenv(name); }));
  alone = !options.launch;
  return options.tune.empty() ? runPlan(options, interrupts, console) : tunePlan(options, console);
}

int main(int argc, char **argv) {
  keepStandardStreams();
  chooseWaiting();
  RunOptions options;
  bool devices = false;
  CLI::App app(
      "ftrun executes a fine-tuning plan.\nExit codes: 0 ok, 1 bad input, 2 cannot run here, 3 failed after the "
      "start, 4 interrupted and saved, 130 interrupted twice.");
  app.set_version_flag("--version", "ftrun " FTC_VERSION);
  addOptions(app, options, devices);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(Code::BadInput);
  }
  if (devices) {
    printDevices(listCpuDevices());
    printDevices(listCudaDevices());
    if (!standardOutputIsLost())
      return 0;
    fmt::print(stderr, "ftrun: standard output cannot be written; is the disk full?\n");
    return static_cast<int>(Code::Failed);
  }
  if (options.plan.empty()) {
    fmt::print(stderr, "ftrun: no plan; usage: ftrun plan.bin --model PATH, where ftc compile makes plan.bin\n");
    return static_cast<int>(Code::BadInput);
  }
  OutputPlace place;
  std::atomic<bool> endsAtOnce = false; // nothing is made yet, and nobody waits
  options.onFolder = [&](const std::string &folder) {
    endsAtOnce = false;
    place.set(folder);
  };
  endOnUncaught("ftrun", [&] { return static_cast<int>(place.clean() ? Code::Failed : Code::CannotRun); });
  const auto stop = [&] {
    // Should the stopped thread hold a lock that cleaning needs, the process ends all the same.
    endSoon(130);
    place.clean();
    _exit(130); // other threads still run: nothing of theirs may be destroyed
  };
  // Reading text and loading weights may take many minutes, and whoever asks for an end does not wait as long.
  auto interrupts = Interrupts::create(stop, [&] {
    if (!endsAtOnce)
      return;
    endSoon(static_cast<int>(Code::Interrupted));
    fmt::print(stderr, "{}ftrun: interrupted before the first step; nothing was trained\n",
               isatty(STDERR_FILENO) ? "\n" : "");
    _exit(static_cast<int>(Code::Interrupted)); // as above
  });
  std::mutex ending;
  options.onOverdue = [&](const std::string &reason) {
    ending.lock(); // for good: one rank says it
    complain(options, reason);
    place.clean();
    _exit(static_cast<int>(Code::Failed)); // as above
  };
  Console console(STDOUT_FILENO, [&] { return interrupts.ok() && (*interrupts)->requested(); });
  Status status = interrupts.ok() ? launchAndRun(options, endsAtOnce, **interrupts, console) : interrupts.status();
  // A launcher that ends what is left of a run must not change how this process says that it ended.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU})
    std::signal(number, SIG_IGN);
  console.finish();
  console.drain();
  if (interrupts.ok() && (*interrupts)->requested())
    endSoon(static_cast<int>(status.code()));
  if (!status.ok())
    complain(options, status.message());
  return static_cast<int>(status.code());
}
