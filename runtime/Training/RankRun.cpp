#include "runtime/Training/RankRun.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Nf4.h"
#include "runtime/Plan/Shares.h"
#include "runtime/Plan/Staging.h"
#include "runtime/Support/Sha256.h"
#include "runtime/Support/Strings.h"
#include "runtime/Training/CollectingReader.h"
#include "runtime/Training/Generator.h"
#include "runtime/Weights/Load.h"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>

using namespace ft;
using namespace ft::rt;

namespace {
/// A rank between its opening and its end.
struct Rank {
  explicit Rank(const RankContext &context)
      : context(context), share{context.rank, context.inputs.world}, inputs(context.inputs), lockstep(context.lockstep),
        journal(context.journal), outputs(context.outputs) {
    if (inputs.resume)
      from = inputs.resume->state().position;
  }
  /// A checkpoint that is on its way is read from the program's memory.
  ~Rank() {
    if (outputs && outputs->checkpoints())
      outputs->checkpoints()->finish();
  }
  Rank(const Rank &) = delete;
  Rank &operator=(const Rank &) = delete;

  const RankContext &context;
  const BatchShare share;
  const RunInputs &inputs;
  Lockstep &lockstep;
  Journal &journal;
  RunOutputs *const outputs;
  RunPosition from;                           ///< the start, or where the checkpoint stands
  std::unique_ptr<Communicator> communicator; // outlives the program
  std::unique_ptr<RankProgram> program;
  std::unique_ptr<BatchFeed> trainFeed, heldFeed;
  std::optional<StepVerifier> verifier;
  std::optional<ShareSaving> shareSaving; ///< another rank's than rank 0's

  const plan::Plan &plan() const { return inputs.plan(); }
  /// Its part in checkpoints, or none.
  StepSaving *saving() {
    if (outputs)
      return outputs->checkpoints();
    return shareSaving ? &*shareSaving : nullptr;
  }
  SavingRank savingRank() const { return {context.rank, lockstep, context.host, context.snapshots}; }
  BufferReader reader() const { return collectingReader(*program, context.host, context.rank); }
};

/// The rank's processor; ranks on one CPU share its processors.
Expected<std::unique_ptr<Device>> openDevice(Rank &rank) {
  const RunOptions &options = rank.inputs.options;
  if (rank.context.peers) {
    FT_ASSIGN_OR_RETURN(RankDevice opened, rank.context.peers->open(*rank.context.host));
    rank.communicator = std::move(opened.communicator);
    return std::move(opened.device);
  }
  if (rank.plan().target().driver() == plan::CUDA)
    return openCudaDevice(options.gpu.value_or(0));
  const uint32_t threads =
      options.threads ? options.threads / rank.inputs.ranksHere : usableProcessors() / rank.inputs.ranksOnProcessors;
  return openCpuDevice(std::max<uint32_t>(threads, 1));
}

Status openProgram(Rank &rank) {
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
  // What is free was seen when the device was opened, for all ranks of the host: nobody reserves before.
  FT_RETURN_IF_ERROR(rank.lockstep.meet());
  Communicator *communicator = rank.communicator          ? rank.communicator.get()
                               : rank.context.collectives ? rank.context.collectives
                                                          : rank.context.host;
  const RankProgramOptions how{options.poison, options.profile, communicator, rank.context.progress,
                               rank.inputs.ranksOnHost};
  FT_ASSIGN_OR_RETURN(rank.program, RankProgram::load(*rank.inputs.file, std::move(*opened), how));
  return {};
}

/// Of the base, as the plan holds it.
uint64_t weightBytes(const plan::Plan &plan) {
  uint64_t bytes = 0;
  for (const plan::Tensor &tensor : plan.tensors())
    if (tensor.role() == plan::Tensor::FROZEN || tensor.role() == plan::Tensor::TRAINABLE) {
      const uint64_t elements =
          std::accumulate(tensor.shape().begin(), tensor.shape().end(), uint64_t(1), std::multiplies<uint64_t>());
      bytes += tensor.has_quantization() ? plan::Nf4Layout(elements, tensor.quantization().double_quant()).bytes
                                         : elements * plan::dtypeBytes(tensor.dtype());
    }
  return bytes;
}

/// All tensors as they are at the start; those of `before` from there.
Status loadWeights(Rank &rank, const TensorSource *before) {
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
  options.progress = &rank.journal.progress();
  LoadTarget target;
  if (program.device().hostAccessible())
    target.hostBuffer = [&](uint32_t buffer) { return reinterpret_cast<std::byte *>(arenas.bufferAddress(buffer)); };
  target.sink = [&](uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) {
    return arenas.write(buffer, offset, bytes);
  };
  for (int i = 0; i < rank.plan().arenas_size(); ++i)
    if (rank.plan().arenas(i).name() == plan::stagingArena)
      target.staging = arenas.arena(i);
  const auto start = std::chrono::steady_clock::now();
  FT_RETURN_IF_ERROR(loadModel(rank.plan(), *inputs.model, options, target));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const uint64_t bytes = weightBytes(rank.plan());
  rank.journal.line(fmt::format("{} {} of weights in {:.2f} s, {:.2f} GB/s",
                                inputs.model->isSeeded() ? "made" : "loaded", formatBytes(bytes), seconds,
                                double(bytes) * 1e-9 / seconds));
  if (program.has(plan::Segment::INITIALIZE))
    FT_RETURN_IF_ERROR(program.run(plan::Segment::INITIALIZE));
  return program.device().synchronize();
}

Status openFeeds(Rank &rank) {
  const RunInputs &inputs = rank.inputs;
  FT_ASSIGN_OR_RETURN(rank.trainFeed, BatchFeed::training(rank.plan(), inputs.train.file, rank.plan().run().seed(),
                                                          rank.share, rank.from.step, rank.from.nextRow));
  if (inputs.held.file && rank.program->has(plan::Segment::EVALUATE)) {
    FT_ASSIGN_OR_RETURN(rank.heldFeed, BatchFeed::evaluation(rank.plan(), inputs.held.file, rank.share));
  }
  return {};
}

/// Another rank's part in checkpoints, where it has one.
void openShare(Rank &rank) {
  if (rank.outputs || !rank.inputs.saves() || !plan::hasShares(rank.plan()))
    return;
  rank.shareSaving.emplace(*rank.program, rank.savingRank());
  if (rank.inputs.continuesInPlace())
    rank.shareSaving->continueFrom(rank.from.step);
}

/// Answers the recipe's instruction; every rank computes, and each has the answer.
Expected<std::string> answer(Rank &rank, uint64_t step) {
  const plan::Generate &generate = rank.plan().run().generate();
  const TextCodec &codec = *rank.inputs.codec;
  FT_ASSIGN_OR_RETURN(Generator generator, Generator::create(*rank.program));
  FT_ASSIGN_OR_RETURN(const Answer made, generator.generate(
                                             rank.inputs.prompt, generate.max_new_tokens(),
                                             [&](uint32_t id) { return codec.isEndOfTurn(id); }, rank.lockstep));
  const std::string text = codec.decode(made.ids);
  rank.journal.line(fmt::format("answer after step {} to \"{}{}{}\":\n  {}{}", step, generate.instruction(),
                                generate.input().empty() ? "" : " ", generate.input(), text, made.ended ? "" : " …"));
  return text;
}

/// Held-out loss and one answer, as they are now; what an early end leaves out is empty.
Expected<ModelView> look(Rank &rank, uint64_t step) {
  ModelView view;
  if (rank.heldFeed) {
    FT_ASSIGN_OR_RETURN(view.evaluation, evaluate(*rank.program, *rank.heldFeed, step, rank.lockstep));
    if (view.evaluation)
      rank.journal.evaluation(*view.evaluation);
  }
  if (!rank.inputs.generates())
    return view;
  FT_ASSIGN_OR_RETURN(const bool ended, rank.lockstep.ends());
  if (!ended) {
    FT_ASSIGN_OR_RETURN(view.answer, answer(rank, step));
  }
  return view;
}

/// What was seen before the first step, now or by the process that the run continues.
Expected<ModelView> lookBefore(Rank &rank) {
  if (rank.inputs.resume)
    return ModelView{rank.inputs.resume->state().before, rank.inputs.resume->state().answerBefore};
  FT_ASSIGN_OR_RETURN(ModelView view, look(rank, 0));
  if (rank.outputs && rank.outputs->checkpoints())
    rank.outputs->checkpoints()->setBefore(view.evaluation, view.answer);
  return view;
}

/// How often a step runs a segment, or the one beside it for few targets.
double runsOf(const plan::Plan &plan, plan::Segment::Kind kind) {
  double runs = kind == plan::Segment::UPDATE;
  for (uint64_t i = 0; i < std::max<uint64_t>(1, plan.batch().gradient_accumulation_steps()); ++i)
    runs += plan::microBatchKind(plan, i) == plan::wholeKindOf(kind);
  return runs;
}

/// Of a device all micro-batches count as of few targets, as soon as one was.
Expected<bool> ranForTargets(RankProgram &program, plan::Segment::Kind kind) {
  FT_ASSIGN_OR_RETURN(const Progress::Times times, program.exchangeTimes(plan::targetsKindOf(kind)));
  return times.own > 0;
}

/// What all ranks took. The host sees what a CPU does; of a device that runs behind it, the last run of each segment.
Expected<std::vector<RankTimes>> rankTimes(Rank &rank, const TrainingResult &training) {
  const RankContext &context = rank.context;
  RankProgram &program = *rank.program;
  const RunPosition &from = rank.from; // what another process did is not among this one's times
  const uint64_t steps = training.steps - from.step;
  const bool host = program.device().hostAccessible();
  if (!context.progress || !context.host || steps == 0 || !(host || program.timesExchanges()))
    return std::vector<RankTimes>();
  const auto aStep = [&](plan::Segment::Kind kind) -> Expected<Progress::Times> {
    Progress::Times times = context.progress->times(kind);
    if (!host) {
      FT_ASSIGN_OR_RETURN(const bool ofTargets, ranForTargets(program, kind));
      if (ofTargets)
        return Progress::Times();
      FT_ASSIGN_OR_RETURN(times, program.exchangeTimes(kind));
    }
    const double factor = host ? 1 / static_cast<double>(steps) : runsOf(rank.plan(), kind);
    return Progress::Times{times.own * factor, times.exposed * factor};
  };
  FT_ASSIGN_OR_RETURN(const RankTimes own, timesOf(steps, training.seconds - from.seconds, aStep));
  return gatherTimes(own, *context.host);
}

Expected<TrainingResult> train(Rank &rank) {
  const RunInputs &inputs = rank.inputs;
  const plan::Run &run = rank.plan().run();
  FT_ASSIGN_OR_RETURN(const Schedule schedule, Schedule::create(run, inputs.steps));
  TrainerOptions options;
  options.totalSteps = inputs.steps;
  options.stopAfter = inputs.options.stopAfter;
  options.evalSteps = run.eval_steps();
  options.beta1 = run.adam_beta1();
  options.beta2 = run.adam_beta2();
  options.from = rank.from;
  options.rowsPerStep = inputs.rowsPerStep();
  options.saving = rank.saving();
  if (inputs.options.verifySteps)
    options.verifier = &rank.verifier.emplace(*rank.program, inputs.options.verifySteps, rank.context.rank);
  if (!inputs.options.dumpGradients.empty())
    options.beforeFirstUpdate = [&rank] {
      return rank.outputs ? rank.outputs->dumpGradients(rank.reader()) : dumpGradients(rank.plan(), rank.reader(), "");
    };
  Trainer trainer(*rank.program, *rank.trainFeed, rank.heldFeed.get(), schedule, options, rank.journal, rank.lockstep);
  return trainer.run();
}

/// The step whose held-out loss is less than the last one's, and least of all; 0: none. Rank 0's.
uint64_t betterStep(Rank &rank, const ModelView &last) {
  Checkpoints &checkpoints = *rank.outputs->checkpoints();
  checkpoints.finish();
  const std::optional<BestStep> best = checkpoints.best();
  if (!best || !last.evaluation || best->loss >= last.evaluation->loss)
    return 0;
  const auto there = Checkpoint::open(rank.inputs.outputFolder() + "/" + checkpointName(best->step), rank.plan());
  if (there.ok())
    return best->step;
  rank.journal.line(fmt::format("note: the best step was {}, and its checkpoint is lost: {}; the run leaves the last",
                                best->step, there.status().message()));
  return 0;
}

/// A number that tells the states of two checkpoints apart.
uint64_t digestOf(const Checkpoint &checkpoint) {
  const auto digest = sha256(toJson(checkpoint.state()));
  uint64_t number = 0;
  std::memcpy(&number, digest.data(), sizeof number);
  return number;
}

/// Where an earlier step had the least held-out loss, its weights are what the run leaves.
Status loadBest(Rank &rank, RunResult &result) {
  const uint64_t mine = rank.outputs ? betterStep(rank, result.after) : 0;
  FT_ASSIGN_OR_RETURN(const uint64_t step, rank.lockstep.number(mine));
  if (step == 0)
    return {};
  const std::string path = rank.inputs.outputFolder() + "/" + checkpointName(step);
  const auto found = Checkpoint::open(path, rank.plan());
  const uint64_t digest = found.ok() ? digestOf(**found) : 0;
  FT_ASSIGN_OR_RETURN(const uint64_t written, rank.lockstep.number(digest));
  FT_ASSIGN_OR_RETURN(const bool everywhere, rank.lockstep.all(found.ok() && digest == written));
  if (!everywhere) {
    rank.journal.line(fmt::format("note: the best step was {}, and not every rank finds its checkpoint {}; the run "
                                  "leaves the last; ranks on several hosts need an --out that all of them see",
                                  step, path));
    return {};
  }
  const std::unique_ptr<Checkpoint> &best = *found;
  rank.journal.line(fmt::format("takes the weights of step {}, whose held-out loss is less, from {}", step, path));
  FT_RETURN_IF_ERROR(loadWeights(rank, best.get()));
  result.bestStep = step;
  FT_ASSIGN_OR_RETURN(result.after, look(rank, step));
  return {};
}
} // namespace

/// Everything, once the rank is there.
static Status runAll(Rank &rank) {
  const RankContext &context = rank.context;
  Lockstep &lockstep = context.lockstep;
  FT_RETURN_IF_ERROR(openProgram(rank));
  if (context.arenas)
    context.arenas->add(*rank.program);
  FT_RETURN_IF_ERROR(lockstep.meet());
  if (rank.outputs)
    FT_RETURN_IF_ERROR(rank.outputs->check(*rank.program));
  const TensorSource *adapter = rank.inputs.adapter ? &*rank.inputs.adapter : nullptr;
  FT_RETURN_IF_ERROR(loadWeights(rank, rank.inputs.resume ? rank.inputs.resume.get() : adapter));
  FT_RETURN_IF_ERROR(openFeeds(rank));
  FT_RETURN_IF_ERROR(lockstep.meet());
  if (rank.outputs) // last of what may be refused, behind every rank's device and weights
    FT_RETURN_IF_ERROR(rank.outputs->open(*rank.program, rank.savingRank()));
  openShare(rank);
  FT_RETURN_IF_ERROR(lockstep.meet());
  if (context.onFolder)
    FT_RETURN_IF_ERROR(context.onFolder());

  RunResult result;
  result.training = resultAt(rank.from);
  FT_ASSIGN_OR_RETURN(result.before, lookBefore(rank));
  FT_ASSIGN_OR_RETURN(bool ended, lockstep.ends());
  if (!ended) {
    FT_ASSIGN_OR_RETURN(result.training, train(rank));
    FT_ASSIGN_OR_RETURN(result.ranks, rankTimes(rank, result.training));
    FT_ASSIGN_OR_RETURN(ended, lockstep.ends(result.training.bad.has_value()));
  }
  if (!ended) {
    FT_ASSIGN_OR_RETURN(result.after, look(rank, result.training.steps));
    FT_ASSIGN_OR_RETURN(ended, lockstep.ends());
  }
  if (!ended && rank.plan().run().load_best_model_at_end())
    FT_RETURN_IF_ERROR(loadBest(rank, result));
  const Status status = rank.outputs ? rank.outputs->finish(*rank.program, rank.reader(), result)
                                     : exportFiles(rank.plan(), rank.reader(), "").status();
  FT_RETURN_IF_ERROR(lockstep.meet()); // no rank's memory goes before it is measured
  return status;
}

Status ft::rt::runRank(const RankContext &context) {
  Rank rank(context);
  Status status = runAll(rank);
  // Told before anything is taken down: peers, and this rank's own device, may wait for what does not come any more.
  if (!status.ok() && status.code() != Code::Interrupted) {
    if (context.onFailed)
      context.onFailed(status);
    if (context.host)
      context.host->abort(status.message());
  }
  return status;
}
