#include "runtime/Training/ProcessRun.h"

#include "runtime/Communication/Moved.h"
#include "runtime/Communication/Sockets.h"
#include "runtime/Training/RankLog.h"
#include "runtime/Training/RankRun.h"

#include <algorithm>
#include <fmt/format.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;

namespace {
class Facts {
public:
  void add(std::string name, std::string value, Code code, std::string wayOut) {
    rendezvous::Fact &fact = all.emplace_back();
    fact.set_name(std::move(name));
    fact.set_value(std::move(value));
    fact.set_code(static_cast<uint32_t>(code));
    fact.set_way_out(std::move(wayOut));
  }
  std::vector<rendezvous::Fact> all;
};

std::string hexOf(const std::string &bytes) {
  return toHex({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
}

/// What this rank was told beside the plan, as far as it changes what ranks compute or when they meet.
std::string optionsOf(const RunOptions &options) {
  std::string text;
  for (const std::string &setting : options.settings)
    text += fmt::format("--set {} ", setting);
  if (options.maxSteps)
    text += fmt::format("--max-steps {} ", *options.maxSteps);
  if (options.verifySteps)
    text += fmt::format("--verify-steps {} ", options.verifySteps);
  if (options.initAdaptersNormal)
    text += "--init-adapters normal ";
  if (!options.collectives.empty())
    text += fmt::format("--collectives {} ", options.collectives);
  if (!options.adapter.empty())
    text += "--adapter … ";
  return text.empty() ? "none" : text.substr(0, text.size() - 1);
}

std::string digestOf(const PreparedData &data) { return data.file ? toHex(sha256(data.file->bytes())) : "none"; }

/// Those of a processor, or of the GPU. Their paths may differ from host to host.
std::string librariesOf(const PeerDevices *gpu) {
  std::vector<std::string> all;
  if (gpu)
    all = gpu->libraries();
  else
    for (const DeviceInfo &device : listCpuDevices().devices)
      all.insert(all.end(), device.libraries.begin(), device.libraries.end());
  std::string text;
  for (const std::string &library : all)
    text += (text.empty() ? "" : ", ") + library.substr(0, library.find(" ("));
  return text.empty() ? "none" : text;
}

/// Every rank opens the checkpoint for itself, and all must find the same one.
std::string checkpointOf(const RunInputs &inputs) {
  if (!inputs.resume)
    return "none";
  const CheckpointState &state = inputs.resume->state();
  return fmt::format("{}{} ({})", checkpointName(state.position.step), inputs.isFinished() ? " of a finished run" : "",
                     toHex(sha256(toJson(state))));
}

/// In the order of importance: the first that differs is named.
std::vector<rendezvous::Fact> factsOf(const RunInputs &inputs, const PeerDevices *gpu) {
  Facts facts;
  const char *samePlan = "compile once, and give every rank that plan.bin";
  facts.add("ftrun", FTC_VERSION, Code::CannotRun, "run the same ftrun on every host");
  facts.add("recipe", hexOf(inputs.plan().recipe_sha256()), Code::BadInput, samePlan);
  facts.add("plan", inputs.file->digest, Code::BadInput, samePlan);
  facts.add("set of options", optionsOf(inputs.options), Code::BadInput, "give every rank the same");
  facts.add("model", toHex(inputs.model->digest()), Code::BadInput, "give every rank the same files with --model");
  facts.add("packed training data", digestOf(inputs.train), Code::BadInput, "give every rank the same data");
  facts.add("packed held-out data", digestOf(inputs.held), Code::BadInput, "give every rank the same data");
  facts.add("checkpoint to continue from", checkpointOf(inputs), Code::BadInput,
            "give every rank the same --resume, and an output folder that all hosts see");
  facts.add("library", librariesOf(gpu), Code::CannotRun, "install the same version on every host");
  return std::move(facts.all);
}

bool boundToProcessors() {
  cpu_set_t own;
  CPU_ZERO(&own);
  return sched_getaffinity(0, sizeof own, &own) == 0 && CPU_COUNT(&own) < sysconf(_SC_NPROCESSORS_ONLN);
}

Expected<Company> findOthers(const Launch &launch, const Attendance &own, const Interrupts &interrupts) {
  const auto stop = [&] { return interrupts.requested(); };
  if (own.rank != 0)
    return join(launch, own, SocketChannels, stop);
  FT_ASSIGN_OR_RETURN(Descriptor listener, listenAt(launch.host, launch.interface, launch.port));
  return gather(std::move(listener), launch, own, SocketChannels, stop);
}

/// This rank cannot run. The others shall hear why; they are not waited for long.
Status tellProblem(Launch launch, Attendance own, const Interrupts &interrupts, const Status &problem) {
  launch.startTimeout = std::min(launch.startTimeout, std::chrono::seconds(15));
  own.problem = problem;
  (void)findOthers(launch, own, interrupts).status();
  return problem;
}

/// What this process runs on and exchanges with.
struct Means {
  std::shared_ptr<PeerDevices> gpu; ///< null where the plan is for CPUs
  const FtMover *mpi = nullptr;     ///< null where collectives go over the rendezvous's connections
};

/// As far as it can be opened alone.
Expected<Means> openMeans(const RunInputs &inputs, const Launch &launch) {
  Means means;
  if (inputs.plan().target().driver() == plan::CUDA) {
    FT_RETURN_IF_ERROR(checkHostMemory(inputs.plan(), /*ranks=*/1, freeHostBytes()));
    const bool named = if_nametoindex(launch.interface.c_str()) != 0; // else an address, which NCCL does not take
    const OwnGpu own{inputs.options.gpu, launch.localRank, named ? launch.interface : ""};
    FT_ASSIGN_OR_RETURN(means.gpu, openCudaProcess(inputs.plan(), own));
  } else if (inputs.options.collectives == "mpi") {
    FT_ASSIGN_OR_RETURN(means.mpi, loadMpi());
  }
  return means;
}

/// Ranks of a host share its processors, unless a launcher has bound each to its own.
void shareProcessors(RunInputs &inputs, uint32_t ranksOnHost, Journal &journal) {
  inputs.ranksOnHost = ranksOnHost;
  if (boundToProcessors())
    return;
  inputs.ranksOnProcessors = ranksOnHost;
  if (usableProcessors() < ranksOnHost)
    journal.line(fmt::format("note: {} ranks of this host share {} processors; as many ranks as processors at most are "
                             "faster",
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
/// what failed first.
Status settle(Status own, Communicator &communicator) {
  if (!own.ok() && own.code() != Code::Interrupted) {
    communicator.abort(own.message());
    const Status first = communicator.agree(Agreement::Max, 0).status();
    return first.message() == fmt::format("rank {}: {}", communicator.rank(), own.message()) ? own : first;
  }
  FT_ASSIGN_OR_RETURN(const uint64_t code, communicator.agree(Agreement::Rank0, static_cast<uint64_t>(own.code())));
  if (communicator.rank() != 0 && code == static_cast<uint64_t>(Code::Interrupted))
    return Status(Code::Interrupted, "interrupted; rank 0 has saved what there is");
  return own;
}
/// One rank, once all have come.
Status runAmong(const Launch &launch, RunInputs &inputs, const Means &means, Company company, Interrupts &interrupts,
                Console &lines, const RankLog &log) {
  Journal journal(lines, inputs.plan().run().logging_steps());
  if (!means.gpu)
    shareProcessors(inputs, company.ranksOnHost, journal);
  for (const Peer &peer : company.peers)
    inputs.hosts.push_back(peer.host);
  const plan::Mesh mesh(inputs.plan());
  Progress progress;
  const SocketOptions how = socketOptions(inputs.options, launch, interrupts, progress);
  const std::unique_ptr<Communicator> host = launch.rank == 0 ? openMeetingPlace(mesh, std::move(company), how)
                                                              : openFarRank(mesh, launch.rank, std::move(company), how);
  std::unique_ptr<Communicator> moved;
  if (means.mpi) {
    const auto mover = connectMpi(*means.mpi, launch.rank, launch.world);
    if (!mover.ok())
      return settle(mover.status(), *host);
    moved = openMoved(mesh, *host, *mover, &progress);
  }
  RanksInStep lockstep(interrupts, *host);
  RunOutputs outputs(inputs, interrupts, journal);
  RankContext context{launch.rank, inputs, lockstep, journal, launch.rank == 0 ? &outputs : nullptr};
  context.host = host.get(), context.collectives = moved.get(), context.peers = means.gpu.get();
  context.progress = &progress;
  context.onFolder = [&] {
    if (launch.rank != 0)
      log.moveTo(inputs.outputFolder(), launch.rank);
    return Status();
  };
  return settle(runRank(context), *host);
}
} // namespace

Status ft::rt::runProcess(const Launch &launch, const RunOptions &options, Interrupts &interrupts, Console &console) {
  const RankLog log;
  Console quiet(log.get());
  Console &lines = launch.rank == 0 ? console : quiet;
  Attendance own{launch.rank, launch.world, hostName(), static_cast<uint64_t>(getpid()), {}, {}};
  auto inputs = openInputs(options, lines);
  if (!inputs.ok())
    return tellProblem(launch, std::move(own), interrupts, inputs.status());
  const auto means = openMeans(*inputs, launch);
  if (!means.ok())
    return tellProblem(launch, std::move(own), interrupts, means.status());
  own.facts = factsOf(*inputs, means->gpu.get());
  FT_ASSIGN_OR_RETURN(Company company, findOthers(launch, own, interrupts));
  if (inputs->isFinished()) {
    lines.line(finishedLine(*inputs));
    return {};
  }
  return runAmong(launch, *inputs, *means, std::move(company), interrupts, lines, log);
}
