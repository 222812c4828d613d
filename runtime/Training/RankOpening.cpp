// From a plan on disk to a rank that may train.
#include "runtime/Training/Rank.h"

#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Staging.h"
#include "runtime/Support/Strings.h"
#include "runtime/Weights/Load.h"
#include "runtime/Weights/SlotQueue.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <optional>

using namespace ft;
using namespace ft::rt;

namespace {

/// The rank's processor; ranks on one CPU share its processors.
Expected<std::unique_ptr<Device>> openDevice(Rank &rank) {
  const RunOptions &options = rank.inputs.options;
  if (rank.context.peers) {
    FT_ASSIGN_OR_RETURN(RankDevice opened, rank.context.peers->open(*rank.context.host));
    rank.communicator = std::move(opened.communicator);
    rank.ncclBytes = opened.ncclBytes;
    return std::move(opened.device);
  }
  if (rank.plan().target().driver() == plan::CUDA)
    return openCudaDevice(options.gpu.value_or(0));
  const uint32_t threads =
      options.threads ? options.threads / rank.inputs.ranksHere : usableProcessors() / rank.inputs.ranksOnProcessors;
  return openCpuDevice(std::max<uint32_t>(threads, 1));
}

/// Tells whoever watches this rank of each chunk that is there.
class WatchedLoading final : public WorkProgress {
public:
  WatchedLoading(WorkProgress &shown, Progress *watched) : shown(shown), watched(watched), loading(watched) {}
  void at(std::string_view what, uint64_t done, uint64_t total) override {
    if (watched)
      watched->loaded();
    shown.at(what, done, total);
  }

private:
  WorkProgress &shown;
  Progress *const watched;
  const Progress::Loading loading;
};

} // namespace

Status ft::rt::openProgram(Rank &rank) {
  const RunOptions &options = rank.inputs.options;
  const plan::Target &target = rank.plan().target();
  const bool cuda = target.driver() == plan::CUDA;
  if (!cuda && options.gpu)
    return badInput(fmt::format("--gpu {}: the plan is for target {}; leave --gpu out, or compile the recipe for a GPU "
                                "with ftc compile --gpu NAME",
                                *options.gpu, target.name()));
  auto opened = openDevice(rank);
  if (!opened.ok())
    return Status(opened.status().code(),
                  fmt::format("the plan is for target {}: {}", target.name(), opened.status().message()));
  if (rank.inputs.resume)
    (*opened)->preferProducts(rank.inputs.resume->state().products);
  else if (rank.inputs.algorithms)
    (*opened)->preferProducts(rank.inputs.algorithms->products);
  // What is free was seen when the device was opened, for all ranks of the host: nobody reserves before.
  FT_RETURN_IF_ERROR(rank.lockstep.meet());
  Communicator *communicator = rank.communicator          ? rank.communicator.get()
                               : rank.context.collectives ? rank.context.collectives
                                                          : rank.context.host;
  const RankProgramOptions how{options.poison,        options.profile,         communicator,
                               rank.context.progress, rank.inputs.ranksOnHost, rank.ncclBytes};
  FT_ASSIGN_OR_RETURN(rank.program, RankProgram::load(*rank.inputs.file, std::move(*opened), how));
  return {};
}

/// Weights are made in pinned memory of the host, as much as is on its way to the device at a time.
static void uploadTo(RankProgram &program, LoadTarget &target) {
  static_assert(RankProgram::LoadMarks >= SlotQueue::MostSlots);
  Device &device = program.device();
  target.staging = program.loadStaging();
  target.sink = [&, &arenas = program.arenas()](uint32_t buffer, uint64_t offset, std::span<const std::byte> from) {
    return device.upload(0, arenas.bufferAddress(buffer) + offset, from.data(), from.size());
  };
  target.arrived = [&] { return device.synchronize(); };
  const uint32_t first = program.firstLoadMark();
  target.mark = [&device, first](uint32_t slot) { return device.record(0, first + slot); };
  target.reached = [&device, first](uint32_t slot) { return device.synchronizeEvent(first + slot); };
}

Status ft::rt::loadWeights(Rank &rank, const TensorSource *before) {
  const RunInputs &inputs = rank.inputs;
  RankProgram &program = *rank.program;
  const Arenas &arenas = program.arenas();
  LoadOptions options;
  options.seed = rank.plan().run().seed();
  options.rank = rank.context.rank;
  options.initAdaptersNormal = inputs.options.initAdaptersNormal;
  options.before = before;
  options.section = [&](uint32_t index) {
    return index < inputs.file->sections.size() ? inputs.file->section(index) : std::span<const std::byte>();
  };
  options.threads = inputs.options.threads;
  std::optional<WatchedLoading> progress(std::in_place, rank.journal.progress(), rank.context.progress);
  options.progress = &*progress;
  const auto start = std::chrono::steady_clock::now();
  LoadTarget target;
  if (program.device().hostAccessible())
    target.hostBuffer = [&](uint32_t buffer) { return reinterpret_cast<std::byte *>(arenas.bufferAddress(buffer)); };
  else
    uploadTo(program, target);
  FT_RETURN_IF_ERROR(loadModel(rank.plan(), *inputs.model, options, target));
  progress.reset();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const uint64_t bytes = weightBytes(rank.plan());
  rank.journal.line(fmt::format("{} {} of weights in {:.2f} s, {:.2f} GB/s",
                                inputs.model->isSeeded() ? "made" : "loaded", formatBytes(bytes), seconds,
                                double(bytes) * 1e-9 / seconds));
  if (program.has(plan::Segment::INITIALIZE))
    FT_RETURN_IF_ERROR(program.run(plan::Segment::INITIALIZE));
  return program.device().synchronize();
}

Status ft::rt::openFeeds(Rank &rank) {
  const RunInputs &inputs = rank.inputs;
  FT_ASSIGN_OR_RETURN(rank.trainFeed, BatchFeed::training(rank.plan(), inputs.train.file, rank.plan().run().seed(),
                                                          rank.share, rank.from.step, rank.from.nextRow));
  if (inputs.held.file && rank.program->has(plan::Segment::EVALUATE)) {
    FT_ASSIGN_OR_RETURN(rank.heldFeed, BatchFeed::evaluation(rank.plan(), inputs.held.file, rank.share));
  }
  return {};
}

void ft::rt::openShare(Rank &rank) {
  if (rank.outputs || !rank.inputs.saves() || !plan::hasShares(rank.plan()))
    return;
  rank.shareSaving.emplace(*rank.program, rank.savingRank());
  if (rank.inputs.continuesInPlace())
    rank.shareSaving->continueFrom(rank.from.step);
}
