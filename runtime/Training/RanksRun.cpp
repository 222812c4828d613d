#include "runtime/Training/RanksRun.h"

#include "runtime/Communication/Threads.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <mutex>
#include <thread>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
/// Where a rank's lines go: nowhere, until there is a folder.
class RankLog {
public:
  RankLog() : descriptor(open("/dev/null", O_WRONLY | O_CLOEXEC)) {}
  ~RankLog() { close(descriptor); }
  RankLog(const RankLog &) = delete;
  RankLog &operator=(const RankLog &) = delete;

  int get() const { return descriptor; }
  /// What a rank says of itself is not the result: without its log it goes on.
  void moveTo(const std::string &path) const {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0)
      return;
    dup2(file, descriptor);
    close(file);
  }

private:
  const int descriptor;
};

/// The status of the rank that failed first; that of rank 0 where none did.
class Outcome {
public:
  void note(const Status &status) {
    std::lock_guard lock(mutex);
    if (first.ok() && !status.ok() && status.code() != Code::Interrupted)
      first = status;
  }
  Status failure() const { return first; }

private:
  std::mutex mutex;
  Status first;
};
} // namespace

Status ft::rt::runRanks(const RunInputs &inputs, const Interrupts &interrupts, Journal &journal, RunOutputs &outputs) {
  const plan::Mesh mesh(inputs.plan());
  std::vector<std::unique_ptr<Communicator>> ends = openThreads(mesh);
  std::shared_ptr<PeerDevices> peers;
  if (inputs.plan().target().driver() == plan::CUDA) {
    FT_ASSIGN_OR_RETURN(peers, openCudaPeers(mesh, inputs.options.gpu.value_or(0)));
  } else if (usableProcessors() < inputs.world) {
    journal.line(fmt::format("note: {} ranks share {} processors; as many ranks as processors at most are faster",
                             inputs.world, usableProcessors()));
  }
  Outcome outcome;
  auto run = [&](RankContext context) {
    const Status status = runRank(context);
    outcome.note(status);
    if (!status.ok())
      context.host->abort(status.message());
    return status;
  };
  std::vector<std::thread> others;
  for (uint32_t rank = 1; rank < inputs.world; ++rank)
    others.emplace_back([&, rank] {
      const RankLog log;
      Console console(log.get());
      Journal own(console, inputs.plan().run().logging_steps());
      RanksInStep lockstep(interrupts, *ends[rank]);
      run({rank, inputs, lockstep, own, nullptr, &outputs.processArenas(), ends[rank].get(), peers.get(), [&] {
             log.moveTo(fmt::format("{}/rank-{}.log", outputs.path(), rank));
             return Status();
           }});
    });
  RanksInStep lockstep(interrupts, *ends[0]);
  const Status status = run({0, inputs, lockstep, journal, &outputs, nullptr, ends[0].get(), peers.get()});
  for (std::thread &other : others)
    other.join();
  const Status failure = outcome.failure();
  return failure.ok() ? status : failure;
}
