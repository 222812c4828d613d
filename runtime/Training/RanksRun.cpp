#include "runtime/Training/RanksRun.h"

#include "runtime/Communication/Threads.h"
#include "runtime/Training/RankLog.h"

#include <fmt/format.h>
#include <latch>
#include <mutex>
#include <thread>

using namespace ft;
using namespace ft::rt;

namespace {
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
    const Exchange how = inputs.options.collectives == "nccl" ? Exchange::Nccl : Exchange::Peers;
    FT_ASSIGN_OR_RETURN(peers, openCudaPeers(mesh, inputs.options.gpu.value_or(0), how));
  } else if (usableProcessors() < inputs.world) {
    journal.line(fmt::format("note: {} ranks share {} processors; as many ranks as processors at most are faster",
                             inputs.world, usableProcessors()));
  }
  Outcome outcome;
  // A rank that has failed leaves while others may still enqueue work that reads its memory and waits for its events.
  std::latch ended(inputs.world);
  auto run = [&](RankContext context) {
    context.onFailed = [&](const Status &status) { outcome.note(status); };
    context.beforeFreed = [&] { ended.arrive_and_wait(); };
    return runRank(context);
  };
  std::vector<std::thread> others;
  for (uint32_t rank = 1; rank < inputs.world; ++rank)
    others.emplace_back([&, rank] {
      const RankLog log;
      Console console(log.get());
      Journal own(console, inputs.plan().run().logging_steps());
      RanksInStep lockstep(interrupts, *ends[rank]);
      Progress progress;
      (void)run({rank, inputs, lockstep, own, nullptr, &outputs.processArenas(), ends[rank].get(), nullptr, peers.get(),
                 &outputs.processSnapshots(),
                 [&] {
                   log.moveTo(outputs.path(), rank);
                   return Status();
                 },
                 &progress});
    });
  RanksInStep lockstep(interrupts, *ends[0]);
  Progress progress;
  const Status status = run({0,
                             inputs,
                             lockstep,
                             journal,
                             &outputs,
                             nullptr,
                             ends[0].get(),
                             nullptr,
                             peers.get(),
                             &outputs.processSnapshots(),
                             {},
                             &progress});
  for (std::thread &other : others)
    other.join();
  const Status failure = outcome.failure();
  return failure.ok() ? status : failure;
}
