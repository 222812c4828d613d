// What a recipe leaves open is settled by planning: of choices in an order that does not depend on memory, the first
// whose plan fits.
#include "compiler/Pipeline/Candidates.h"
#include "compiler/Pipeline/LayerCosts.h"
#include "compiler/Pipeline/Options.h"
#include "compiler/Pipeline/Pipeline.h"
#include "runtime/Plan/Memory.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

using namespace ft;

/// A plan that takes more of the host's memory must be so much faster: predictions may be wrong by less.
constexpr double worthwhile = 0.98;

static bool fits(const Compilation &c) { return rt::fitOf(c.plan).fits(); }

/// Deterministic first; the other engine as well where the recipe leaves that open and the target has two.
static std::vector<Choices> enginesToTry(const Inputs &inputs, const Choices &choices) {
  std::vector<Choices> engines{choices};
  if (inputs.recipe.fields.deterministic() == recipe::Deterministic::AUTO && choices.libraryAttention &&
      planningOptions(inputs, choices).deterministic) {
    engines.push_back(choices);
    engines.back().deterministic = false;
  }
  return engines;
}

/// Who holds what by the number of alternatives, then the engine, then where transposes lie.
static std::vector<Choices> alternativesOf(const Inputs &inputs, const Choices &choices) {
  std::vector<Choices> all;
  for (const Choices &split : splitsToTry(inputs, choices))
    for (const Choices &engine : enginesToTry(inputs, split))
      for (const Choices &transposes : transposesToTry(inputs, engine))
        all.push_back(transposes);
  return all;
}

namespace {
/// What a search is for.
struct Asked {
  const Inputs &inputs;
  MeasuredCosts &measured;
  std::string dumpDir;
  /// Most plans are expected not to fit: each is counted before it is made, and none is verified.
  bool counts = false;
  /// A plan that does not fit is no answer.
  bool fittingOnly = false;

  /// The same where the plan is one of several that are compared, and says something if it does not fit.
  Asked onTheWay() const { return {inputs, measured, "", counts}; }
  rt::Expected<Compilation> plan(const Choices &choices) const {
    return counts ? estimate(inputs, choices) : planExactly(inputs, choices, dumpDir);
  }
};
} // namespace

/// Whether nothing fits that `choices` may become, with any engine.
static bool isHopelessWhateverIsOpen(const Asked &asked, const Choices &choices) {
  return llvm::all_of(enginesToTry(asked.inputs, choices), [&](const Choices &engine) {
    return llvm::all_of(leastOf(asked.inputs, engine),
                        [&](const Choices &least) { return isHopeless(asked.inputs, least, asked.measured); });
  });
}

/// Of what may be taken, by count.
static Choices countedLeast(const Asked &asked, const Choices &engine) {
  const std::vector<Choices> all = leastOf(asked.inputs, engine);
  const Choices *least = &all.front();
  uint64_t needs = UINT64_MAX;
  for (const Choices &next : all) {
    const rt::Expected<LayerCosts> costs = asked.measured.of(next, {next.recompute});
    const bool maybe = costs.ok() && (!opensPark(asked.inputs) || costs->isHidden(next.recompute));
    if (maybe && costs->needs(next.recompute) < needs)
      least = &next, needs = costs->needs(next.recompute);
  }
  return *least;
}

static rt::Status nothingFits() { return rt::cannotRun("no plan of these choices fits"); }

/// The first that fits, or the last.
static rt::Expected<Compilation> planInTurn(const Asked &asked, const Choices &choices) {
  const std::vector<Choices> all = alternativesOf(asked.inputs, choices);
  for (const Choices &next : all) {
    const bool isLast = &next == &all.back(), isNeeded = isLast && !asked.fittingOnly;
    const bool counts = asked.counts || &next != &all.front();
    if (!isNeeded && counts && isHopeless(asked.inputs, next, asked.measured))
      continue;
    rt::Expected<Compilation> compiled = asked.plan(next);
    if (!compiled.ok() || fits(*compiled) || isLast)
      return compiled;
  }
  return nothingFits();
}

/// What was settled, and what it costs beside the fastest that there is.
static void addNotes(const Inputs &inputs, const Candidate &fastest, Compilation &c) {
  const recipe::Recipe &r = inputs.recipe.fields;
  plan::Stats &stats = *c.plan.mutable_stats();
  const double slower = stats.predicted_step_us() / fastest.us;
  const double saved = double(fastest.needs) - double(rt::fitOf(c.plan).needs());
  const std::string cost =
      slower < 1.0005
          ? "none is predicted to be faster"
          : fmt::format("predicted step ×{:.3f} of the fastest, which needs {:.2f} GiB more", slower, saved / 0x1p30);
  if (r.micro_batch_size() == recipe::MicroBatchSize::AUTO)
    stats.add_notes(fmt::format("micro_batch_size AUTO took {}, in {} micro-batches a step: {}", c.choices.rows,
                                c.choices.accumulationSteps, cost));
  if (r.gradient_checkpointing() == recipe::GradientCheckpointing::AUTO)
    stats.add_notes(fmt::format("gradient_checkpointing AUTO took {}: {}",
                                policyText(c.choices.recompute, inputs.model.layers), cost));
  if (opensPark(inputs))
    stats.add_notes(fmt::format("activation_offload AUTO took {}, all of it hidden by prediction: {}",
                                parkText(c.choices.recompute.park), cost));
}

static double usOf(const Compilation &c) { return c.plan.stats().predicted_step_us(); }

/// Of candidates in the order of counted time, the fastest that fits, each judged by its own plan. Not planned are
/// those that are counted to be slower than a plan that was found, or faster than `least`, or whose counted memory is
/// too much.
static rt::Expected<std::optional<Compilation>> fastestOf(const Asked &asked, llvm::ArrayRef<Candidate> candidates,
                                                          double least) {
  constexpr double rounding = 1e-6; // of what is counted
  const Inputs &inputs = asked.inputs;
  const uint64_t has = memoryOf(inputs);
  std::optional<Compilation> best;
  for (const Candidate &candidate : candidates) {
    if (best && usOf(*best) <= (1 + rounding) * candidate.us)
      break;
    const bool isLast = &candidate == &candidates.back();
    const bool tooMuch =
        isLast ? surelyTooMuch(inputs, candidate.choices, candidate.needs) : has && candidate.needs > has;
    if (candidate.us < least || tooMuch)
      continue;
    FT_ASSIGN_OR_RETURN(Compilation c, asked.plan(candidate.choices));
    // Plans of each of its policies alone wait for nothing that the host holds; this one may after all.
    const bool waits = opensPark(inputs) && waitsForParked(c.plan);
    if (fits(c) && !waits && (!best || usOf(c) < usOf(*best)))
      best.emplace(std::move(c)); // not assigned: a module goes before the context that holds its types
  }
  return best;
}

/// By predicted time. Of the second engine candidates are left out that would be faster than all of the first, which
/// more memory would have given. Where not even the least fits, that is what is planned, and no other is counted.
static rt::Expected<Compilation> planFastest(const Asked &asked, const Choices &choices) {
  if (isHopelessWhateverIsOpen(asked, choices)) {
    if (asked.fittingOnly)
      return nothingFits();
    return asked.plan(countedLeast(asked, enginesToTry(asked.inputs, choices).back()));
  }
  double slowest = 0;
  std::optional<Candidate> fastest, last;
  for (const Choices &engine : enginesToTry(asked.inputs, choices)) {
    FT_ASSIGN_OR_RETURN(const std::vector<Candidate> candidates, candidatesOf(asked.inputs, engine, asked.measured));
    if (!fastest)
      fastest = candidates.front();
    FT_ASSIGN_OR_RETURN(std::optional<Compilation> best, fastestOf(asked, candidates, slowest));
    if (best) {
      addNotes(asked.inputs, *fastest, *best);
      return std::move(*best);
    }
    slowest = candidates.back().us;
    last = candidates.back();
  }
  if (asked.fittingOnly)
    return nothingFits();
  return asked.plan(last->choices);
}

static rt::Expected<Compilation> planShare(const Asked &asked, Choices choices, double hostFraction) {
  choices.hostFraction = hostFraction;
  return isOpen(asked.inputs) ? planFastest(asked, choices) : planInTurn(asked, choices);
}

/// Whether a plan of what `choices` may become fits the device: the one that needs least, but where that may not be
/// taken.
static rt::Expected<bool> anyFits(const Asked &asked, Choices choices, double hostFraction) {
  if (opensPark(asked.inputs)) {
    FT_ASSIGN_OR_RETURN(const Compilation some, planShare(asked.onTheWay(), choices, hostFraction));
    return rt::fitOf(some.plan).fitsDevice();
  }
  choices.hostFraction = hostFraction;
  for (const Choices &least : leastOf(asked.inputs, enginesToTry(asked.inputs, choices).back())) {
    FT_ASSIGN_OR_RETURN(const Compilation some, estimate(asked.inputs, least));
    if (rt::fitOf(some.plan).fitsDevice())
      return true;
  }
  return false;
}

/// The least share that fits, within a sixteenth, where a plan takes what memory there is, so that what it leaves over
/// says nothing of another share. All must fit.
static rt::Expected<Compilation> bisectShare(const Asked &asked, const Choices &choices) {
  constexpr int halvings = 4;
  double tooLittle = 0, enough = 1;
  for (int i = 0; i < halvings; ++i) {
    const double middle = (tooLittle + enough) / 2;
    FT_ASSIGN_OR_RETURN(const bool fits, anyFits(asked, choices, middle));
    (fits ? enough : tooLittle) = middle;
  }
  FT_ASSIGN_OR_RETURN(Compilation least, planShare(asked, choices, enough));
  if (enough < 1 && !rt::fitOf(least.plan).fitsDevice()) // counted to be too much, and by less than counts are wrong
    return planShare(asked, choices, 1);
  return least;
}

/// The least share of optimizer states on the host that fits: what is over divided by what all of it would save, and
/// what rounding to whole buckets has left over again.
static rt::Expected<Compilation> planLeastShare(Asked asked, const Choices &choices) {
  constexpr int attempts = 4;
  asked.fittingOnly = false; // what is over says how large a share has to be
  FT_ASSIGN_OR_RETURN(Compilation none, planShare(asked, choices, 0));
  const rt::Fit most = rt::fitOf(none.plan);
  if (most.fitsDevice())
    return none;
  FT_ASSIGN_OR_RETURN(Compilation all, planShare(asked, choices, 1));
  if (isOpen(asked.inputs) && rt::fitOf(all.plan).fitsDevice())
    return bisectShare(asked, choices);
  const double saved = double(most.needs()) - double(rt::fitOf(all.plan).needs());
  double share = 0, over = double(most.needs()) - double(most.has);
  for (int i = 0; rt::fitOf(all.plan).fitsDevice() && saved > 0 && i < attempts && share + over / saved < 1; ++i) {
    share += over / saved;
    FT_ASSIGN_OR_RETURN(Compilation some, planShare(asked, choices, share));
    if (rt::fitOf(some.plan).fitsDevice())
      return some;
    over = double(rt::fitOf(some.plan).needs()) - double(most.has);
  }
  return all;
}

/// Whether it is no use to put all states of the optimizer on the host.
static bool isHopelessOnHost(const Asked &asked, Choices choices) {
  choices.hostFraction = 1;
  if (isOpen(asked.inputs))
    return isHopelessWhateverIsOpen(asked, choices);
  return llvm::all_of(alternativesOf(asked.inputs, choices),
                      [&](const Choices &next) { return isHopeless(asked.inputs, next, asked.measured); });
}

/// Of the least share that fits and larger ones, whose memory may spare recomputation, the one that is predicted to be
/// the fastest. A larger one must be worth more than predictions may be wrong by.
static rt::Expected<Compilation> planFastestShare(const Asked &asked, const Choices &choices) {
  constexpr int parts = 4;
  const Inputs &inputs = asked.inputs;
  if (asked.fittingOnly && isHopelessOnHost(asked, choices))
    return nothingFits();
  FT_ASSIGN_OR_RETURN(Compilation smallest, planLeastShare(asked, choices));
  const double least = smallest.choices.hostFraction, leastUs = usOf(smallest), part = (1 - least) / parts;
  const bool open = isOpen(inputs), more = memoryOf(inputs) && fits(smallest) && least < 1 && (least > 0 || open);
  double share = least, shareUs = leastUs, slowestUs = leastUs;
  // False where a still larger one would be of no use.
  auto take = [&](double larger) -> rt::Expected<bool> {
    FT_ASSIGN_OR_RETURN(const Compilation some, planShare(asked.onTheWay(), choices, larger));
    if (!fits(some) || (usOf(some) > slowestUs && !open)) // more exposed, and the memory is of no use
      return false;
    slowestUs = std::max(slowestUs, usOf(some));
    if (usOf(some) < worthwhile * shareUs)
      share = larger, shareUs = usOf(some);
    return true;
  };
  bool goesOn = more;
  for (int i = 1; goesOn && i <= parts; ++i) {
    FT_ASSIGN_OR_RETURN(goesOn, take(least + part * i));
  }
  const double coarse = share;
  for (const double finer : {coarse - part / 2, coarse + part / 2})
    if (more && open && finer > least && finer < 1)
      FT_RETURN_IF_ERROR(take(finer).status());
  if (share > least) {
    FT_ASSIGN_OR_RETURN(Compilation best, planShare(asked, choices, share));
    best.plan.mutable_stats()->add_notes(
        fmt::format("offload_optimizer.fraction AUTO took {:.3f}; the least that fits, "
                    "{:.3f}, is predicted to take ×{:.3f} of its time",
                    share, least, leastUs / shareUs));
    return best;
  }
  smallest.plan.mutable_stats()->add_notes(
      share > 0 ? fmt::format("offload_optimizer.fraction AUTO took {:.3f}, the least that fits", share)
                : "offload_optimizer.fraction AUTO took 0, since all fits, or the machine decides");
  return smallest;
}

static rt::Expected<Compilation> planStates(const Asked &asked, const Choices &choices) {
  const recipe::Recipe &r = asked.inputs.recipe.fields;
  if (r.has_offload_optimizer() && !r.offload_optimizer().has_fraction())
    return planFastestShare(asked, choices);
  return planShare(asked, choices, choices.hostFraction);
}

/// With gradients that stay on the device until the host takes them, or with such that leave as soon as they are final,
/// if that is the only one that fits or is predicted to be worth more than predictions may be wrong by: it takes memory
/// of the host. On the cpu, whose memory is one and where plans for GPUs are proved, they leave.
static rt::Expected<Compilation> planGradients(const Asked &asked, const Choices &choices) {
  const Inputs &inputs = asked.inputs;
  Choices leaving = choices;
  leaving.gradientsLeave = true;
  if (inputs.gradientsLeave.value_or(inputs.target.driver() == "cpu"))
    return planStates(asked, leaving);
  rt::Expected<Compilation> stay = planStates(asked, choices);
  if (!stay.ok())
    return asked.fittingOnly && !inputs.gradientsLeave ? planStates(asked, leaving) : std::move(stay);
  const bool allFits = fits(*stay) && stay->choices.hostFraction == 0 && !isOpen(inputs);
  if (inputs.gradientsLeave || allFits)
    return stay;
  FT_ASSIGN_OR_RETURN(Compilation leave, planStates(asked.onTheWay(), leaving));
  const bool alone = !fits(*stay), leaves = leave.choices.hostFraction > 0 && leave.choices.accumulationSteps == 1;
  if (!leaves || !fits(leave) || !(alone || usOf(leave) < worthwhile * usOf(*stay)))
    return stay;
  if (!asked.dumpDir.empty())
    FT_RETURN_IF_ERROR(planExactly(inputs, leave.choices, asked.dumpDir).status());
  leave.plan.mutable_stats()->add_notes(
      alone ? "gradients of what the host updates leave during the backward pass: where they stay it does not fit"
            : fmt::format("gradients of what the host updates leave during the backward pass: where they stay the step "
                          "is predicted to take ×{:.3f} of its time",
                          usOf(*stay) / usOf(leave)));
  return leave;
}

static rt::Expected<Compilation> planAsked(const Asked &asked, const Choices &choices) {
  const recipe::Recipe &r = asked.inputs.recipe.fields;
  const bool oneMicroBatch = choices.accumulationSteps == 1 || r.micro_batch_size() == recipe::MicroBatchSize::AUTO;
  if (r.has_offload_optimizer() && oneMicroBatch)
    return planGradients(asked, choices);
  return planStates(asked, choices);
}

rt::Expected<Compilation> ft::planFrom(const Inputs &inputs, const Choices &choices, const std::string &dumpDir) {
  MeasuredCosts measured(inputs);
  return planAsked({inputs, measured, dumpDir}, choices);
}

rt::Expected<Compilation> ft::planFitting(const Inputs &inputs, const Choices &choices) {
  MeasuredCosts measured(inputs);
  return planAsked({inputs, measured, "", /*counts=*/true, /*fittingOnly=*/true}, choices);
}
