#include "runtime/Training/RankRun.h"

#include "runtime/Plan/Kinds.h"
#include "runtime/Training/Rank.h"
#include "runtime/Training/Resume.h"
#include "runtime/Training/RunReport.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

namespace {

/// How often a step behind another runs a segment, or the one beside it for few targets.
double runsOf(const plan::Plan &plan, plan::Segment::Kind kind) {
  const bool finishes = plan::has(plan, plan::Segment::FINISH_FIRST);
  double runs = kind == plan::Segment::UPDATE;
  for (uint64_t i = 0; i < std::max<uint64_t>(1, plan.batch().gradient_accumulation_steps()); ++i) {
    const plan::Segment::Kind whole = plan::microBatchKind(plan, i);
    runs += (i == 0 && finishes ? plan::finishingKindOf(whole) : whole) == plan::wholeKindOf(kind);
  }
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
  if (schedule.warmupSteps() >= inputs.steps)
    rank.journal.line(
        fmt::format("note: warm-up takes {} steps, and the run has {}: the learning rate never reaches {}; "
                    "shorten warmup_steps or warmup_ratio",
                    schedule.warmupSteps(), inputs.steps, run.learning_rate()));
  if (run.learning_rate() < 1e-9)
    rank.journal.line(
        fmt::format("note: learning_rate is {}: next to no weight moves; is its exponent right?", run.learning_rate()));
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

/// Everything, once the rank is there.
Status runAll(Rank &rank) {
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
  FT_RETURN_IF_ERROR(checkBaseWeights(rank.inputs));
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
  if (rank.inputs.options.profile && !rank.outputs)
    rank.journal.line(formatProfile(rank.program->profile()));
  const Status status = rank.outputs ? rank.outputs->finish(*rank.program, rank.reader(), result)
                                     : exportFiles(rank.plan(), rank.reader(), "").status();
  // Others may still hand over what is saved: they hear of a failure, and do not meet who has left them.
  if (status.ok() || status.code() == Code::Interrupted)
    FT_RETURN_IF_ERROR(lockstep.meet()); // no rank's memory goes before it is measured
  return status;
}

} // namespace

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
  if (context.beforeFreed)
    context.beforeFreed();
  return status;
}
