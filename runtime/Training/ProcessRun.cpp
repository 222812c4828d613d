#include "runtime/Training/ProcessRun.h"

#include "runtime/Communication/Moved.h"
#include "runtime/Communication/Sockets.h"
#include "runtime/Training/ProcessFacts.h"
#include "runtime/Training/RankLog.h"
#include "runtime/Training/RankRun.h"

#include <algorithm>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <thread>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
bool boundToProcessors() {
  cpu_set_t own;
  CPU_ZERO(&own);
  return sched_getaffinity(0, sizeof own, &own) == 0 && CPU_COUNT(&own) < sysconf(_SC_NPROCESSORS_ONLN);
}

/// Those of this process, a thread each; processes have as many.
struct OwnRanks {
  OwnRanks(const Launch &launch, const RunOptions &options)
      : count(options.ranks.value_or(1)), first(launch.rank * count), world(launch.world * count) {}
  const uint32_t count, first, world;

  /// On the caller's thread for the first, on others for the rest.
  void forEach(const std::function<void(uint32_t rank)> &body) const {
    std::vector<std::thread> others;
    for (uint32_t rank = first + 1; rank < first + count; ++rank)
      others.emplace_back([&body, rank] { body(rank); });
    body(first);
    for (std::thread &other : others)
      other.join();
  }
};

/// Each rank of this process comes to rank 0 by itself, with connections of its own, or is rank 0: what is seen of a
/// rank does not depend on which process it is in.
Expected<std::vector<Company>> findOthers(const Launch &launch, const OwnRanks &own, const Attendance &process,
                                          const Interrupts &interrupts) {
  const std::function<bool()> stop = [&] { return interrupts.requested(); };
  Launch way = launch;
  Descriptor listener;
  if (own.first == 0) {
    FT_ASSIGN_OR_RETURN(listener, listenAt(launch.host, launch.interface, launch.port));
    way.host = hostOf(listener), way.interface.clear(); // other ranks of this process
  }
  std::vector<Expected<Company>> found;
  for (uint32_t i = 0; i < own.count; ++i)
    found.emplace_back(failed("has not come"));
  own.forEach([&](uint32_t rank) {
    Attendance self = process;
    self.rank = rank, self.world = own.world;
    found[rank - own.first] = rank == 0 ? gather(std::move(listener), launch, self, SocketChannels, stop)
                                        : join(way, self, SocketChannels, stop);
  });
  std::vector<Company> companies;
  for (Expected<Company> &company : found) {
    FT_RETURN_IF_ERROR(company.status());
    companies.push_back(std::move(*company));
  }
  return companies;
}

/// This process's ranks cannot run. The others shall hear why; they are not waited for long.
Status tellProblem(Launch launch, const OwnRanks &own, Attendance process, const Interrupts &interrupts,
                   const Status &problem) {
  launch.startTimeout = std::min(launch.startTimeout, std::chrono::seconds(15));
  process.problem = problem;
  (void)findOthers(launch, own, process, interrupts).status();
  return problem;
}

/// What this process runs on and exchanges with.
struct Means {
  std::shared_ptr<PeerDevices> gpu; ///< null where the plan is for CPUs
  const FtMover *mpi = nullptr;     ///< null where collectives go over the rendezvous's connections
};

/// As far as it can be opened alone.
Expected<Means> openMeans(const RunInputs &inputs, const Launch &launch, const OwnRanks &own) {
  Means means;
  if (inputs.plan().target().driver() == plan::CUDA) {
    FT_RETURN_IF_ERROR(checkHostMemory(inputs.plan(), own.count, freeHostBytes()));
    const bool named = if_nametoindex(launch.interface.c_str()) != 0; // else an address, which NCCL does not take
    const OwnGpus gpus{inputs.options.gpu, launch.localRank, named ? launch.interface : "", own.first, own.count};
    FT_ASSIGN_OR_RETURN(means.gpu, openCudaProcess(inputs.plan(), gpus));
  } else if (inputs.options.collectives == "mpi") {
    FT_ASSIGN_OR_RETURN(means.mpi, loadMpi());
  }
  return means;
}

/// Ranks of a host share its processors, unless a launcher has bound each process to its own.
void shareProcessors(RunInputs &inputs, uint32_t ranksOnHost, Journal *journal) {
  inputs.ranksOnHost = ranksOnHost;
  if (boundToProcessors())
    return;
  inputs.ranksOnProcessors = ranksOnHost;
  if (journal && usableProcessors() < ranksOnHost)
    journal->line(fmt::format("note: {} ranks of this host share {} processors; as many ranks as processors at most "
                              "are faster",
                              ranksOnHost, usableProcessors()));
}

SocketOptions socketOptions(const RunOptions &run, const Launch &launch, Interrupts &interrupts, Progress &progress) {
  SocketOptions options;
  options.patience.stallFactor = launch.stallFactor;
  options.progress = &progress;
  options.onOverdue = run.onOverdue;
  options.interrupted = [&interrupts] { return interrupts.requested(); };
  options.onInterrupt = [&interrupts] { interrupts.request(); };
  return options;
}

/// How the run ended is rank 0's to say, and every process's exit code says it. Where ranks failed, all say the same:
/// what failed first; but for a process of that rank alone, which is named anyway.
Status settle(Status own, Communicator &communicator, bool alone) {
  if (!own.ok() && own.code() != Code::Interrupted) {
    communicator.abort(own.message());
    const Status first = communicator.agree(Agreement::Max, 0).status();
    const bool mine = first.message() == fmt::format("rank {}: {}", communicator.rank(), own.message());
    return !mine ? first : alone ? own : Status(own.code(), first.message());
  }
  FT_ASSIGN_OR_RETURN(const uint64_t code, communicator.agree(Agreement::Rank0, static_cast<uint64_t>(own.code())));
  if (communicator.rank() != 0 && code == static_cast<uint64_t>(Code::Interrupted))
    return Status(Code::Interrupted, "interrupted; rank 0 has saved what there is");
  return own;
}

/// What the ranks of this process share.
struct Shared {
  const Launch &launch;
  const OwnRanks &own;
  const RunInputs &inputs;
  const Means &means;
  Interrupts &interrupts;
  RunOutputs *outputs; ///< where rank 0 is among them
};

/// One rank, once all have come.
Status runAmong(const Shared &shared, uint32_t rank, Company company, Journal &journal, const RankLog &log) {
  const RunInputs &inputs = shared.inputs;
  const plan::Mesh mesh(inputs.plan());
  Progress progress;
  const SocketOptions how = socketOptions(inputs.options, shared.launch, shared.interrupts, progress);
  const std::unique_ptr<Communicator> host =
      rank == 0 ? openMeetingPlace(mesh, std::move(company), how) : openFarRank(mesh, rank, std::move(company), how);
  const bool alone = shared.own.count == 1;
  std::unique_ptr<Communicator> moved;
  if (shared.means.mpi) {
    const auto mover = connectMpi(*shared.means.mpi, rank, shared.own.world);
    if (!mover.ok())
      return settle(mover.status(), *host, alone);
    moved = openMoved(mesh, *host, *mover, &progress);
  }
  RanksInStep lockstep(shared.interrupts, *host);
  RankContext context{rank, inputs, lockstep, journal, rank == 0 ? shared.outputs : nullptr};
  if (rank != 0 && shared.outputs)
    context.arenas = &shared.outputs->processArenas();
  context.host = host.get(), context.collectives = moved.get(), context.peers = shared.means.gpu.get();
  context.progress = &progress;
  context.onFolder = [&] {
    if (rank != 0)
      log.moveTo(inputs.outputFolder(), rank);
    return Status();
  };
  return settle(runRank(context), *host, alone);
}

/// How the ranks of this process ended. Where they have failed all say the same, and the one whose failure it is knows
/// the code.
Status outcomeOf(const std::vector<Status> &ranks) {
  const Status *outcome = &ranks.front();
  for (const Status &status : ranks)
    if (!status.ok() && (outcome->ok() || status.code() < outcome->code()))
      outcome = &status;
  return *outcome;
}

Status runOwnRanks(const Launch &launch, const OwnRanks &own, RunInputs &inputs, const Means &means,
                   std::vector<Company> companies, Interrupts &interrupts, Console &console) {
  Journal rankZeros(console, inputs.plan().run().logging_steps());
  if (!means.gpu)
    shareProcessors(inputs, companies.front().ranksOnHost, own.first == 0 ? &rankZeros : nullptr);
  for (const Peer &peer : companies.front().peers)
    inputs.hosts.push_back(peer.host);
  std::optional<RunOutputs> outputs;
  if (own.first == 0)
    outputs.emplace(inputs, interrupts, rankZeros);
  const Shared shared{launch, own, inputs, means, interrupts, outputs ? &*outputs : nullptr};
  std::vector<Status> ended(own.count);
  own.forEach([&](uint32_t rank) {
    const RankLog log;
    Console quiet(log.get());
    Journal others(quiet, inputs.plan().run().logging_steps());
    ended[rank - own.first] =
        runAmong(shared, rank, std::move(companies[rank - own.first]), rank == 0 ? rankZeros : others, log);
  });
  return outcomeOf(ended);
}
} // namespace

Status ft::rt::runProcess(const Launch &launch, const RunOptions &options, Interrupts &interrupts, Console &console) {
  if (uint64_t(launch.world) * options.ranks.value_or(1) > mostRanks)
    return badInput(fmt::format("--ranks {}: {} started {} processes; all together must be at most {} ranks",
                                *options.ranks, launch.launcher, launch.world, mostRanks));
  const OwnRanks own(launch, options);
  const RankLog nowhere;
  Console quiet(nowhere.get());
  Console &lines = own.first == 0 ? console : quiet;
  Attendance process{own.first, own.world, hostName(), static_cast<uint64_t>(getpid()), {}, {}};
  auto inputs = openInputs(options, lines);
  if (!inputs.ok())
    return tellProblem(launch, own, std::move(process), interrupts, inputs.status());
  const auto means = openMeans(*inputs, launch, own);
  if (!means.ok())
    return tellProblem(launch, own, std::move(process), interrupts, means.status());
  process.facts = factsOf(*inputs, means->gpu.get());
  FT_ASSIGN_OR_RETURN(std::vector<Company> companies, findOthers(launch, own, process, interrupts));
  if (inputs->isFinished()) {
    lines.line(finishedLine(*inputs));
    return {};
  }
  return runOwnRanks(launch, own, *inputs, *means, std::move(companies), interrupts, console);
}
