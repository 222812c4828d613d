#include "compiler/Report/Report.h"

#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Mesh.h"
#include "runtime/Plan/Timeline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

using namespace ft;

std::string ft::gib(uint64_t bytes) { return fmt::format("{:.2f} GiB", bytes / 0x1p30); }

namespace {

/// " (text)", or nothing.
std::string inParentheses(const std::string &text) { return text.empty() ? "" : " (" + text + ")"; }

/// "dp = 2".
std::string meshText(const plan::Plan &plan) {
  std::vector<std::string> axes;
  for (const plan::MeshAxis &axis : plan.mesh())
    axes.push_back(fmt::format("{} = {}", axis.name(), axis.size()));
  return fmt::format("{}", fmt::join(axes, ", "));
}

/// What lives at the fullest moment of the transient arena.
std::string peakText(const plan::Plan &plan) {
  constexpr int rows = 8;
  uint64_t bytes = 0;
  for (const plan::Arena &arena : plan.arenas())
    if (arena.transient() && arena.space() == plan::Arena::DEVICE)
      bytes = arena.largest_live();
  std::string text = fmt::format("peak of the activations, {} bytes, at {}:\n", bytes, plan.stats().peak_moment());
  for (int i = 0; i < std::min(rows, plan.stats().peak_places_size()); ++i) {
    const plan::PeakValue &place = plan.stats().peak_places(i);
    text += fmt::format("  {:<46}{:>6} ×{:>16}\n", place.name(), place.count(), place.bytes());
  }
  return text;
}

/// Of a step that takes `us`; `which` says what steps those are.
std::string predictionText(const plan::Plan &plan, const std::string &which, double us, double flops) {
  const plan::Batch &batch = plan.batch();
  const uint64_t tokens =
      batch.micro_batch_size() * batch.sequence_len() * batch.gradient_accumulation_steps() * plan::Mesh(plan).ranks();
  const double seconds = us / 1e6;
  const std::string &rates = plan.target().rates_provenance();
  return fmt::format("predicted step{} {:.1f} ms, {:.0f} tokens/s, {:.2f} TFLOP a step{}\n", which, seconds * 1e3,
                     tokens / seconds, flops / 1e12, inParentheses(rates.empty() ? "" : "rates: " + rates));
}

/// Where micro-batches may be of few targets, of both kinds of steps.
std::string predictionText(const plan::Plan &plan) {
  const plan::Stats &stats = plan.stats();
  if (stats.predicted_targets_step_us() == 0)
    return predictionText(plan, "", stats.predicted_step_us(), stats.flops_per_step());
  const std::string bound = fmt::format(" of micro-batches of at most {} targets", plan.batch().max_target_tokens());
  return predictionText(plan, bound, stats.predicted_targets_step_us(), stats.flops_per_targets_step()) +
         predictionText(plan, " of others", stats.predicted_step_us(), stats.flops_per_step());
}

/// What ranks tell each other, all together and by kind.
std::string exchangeText(const plan::Plan &plan) {
  const rt::Timeline timeline = rt::timelineOf(plan);
  const rt::Exchanges all = timeline.allExchanges();
  std::string text = fmt::format(
      "ranks exchange {} bytes a step: {:.1f} ms, {:.1f} ms of it exposed, {:.1f} ms taken from the work beside it\n",
      all.bytes, all.us / 1e3, all.exposedUs / 1e3, all.takenUs / 1e3);
  for (const auto &[kind, of] : timeline.exchanges)
    text += fmt::format("  {:<16}{:>6} ×{:>16} bytes{:>10.1f} ms{:>10.1f} ms exposed{:>10.1f} ms taken\n",
                        plan::Collective::Kind_Name(kind), of.number, of.bytes, of.us / 1e3, of.exposedUs / 1e3,
                        of.takenUs / 1e3);
  return text;
}

/// What the processors beside the device do in a step; nothing where they have nothing to do.
std::string hostText(const plan::Plan &plan) {
  const rt::Timeline timeline = rt::timelineOf(plan);
  std::string text;
  if (timeline.parkedUs > 0)
    text += fmt::format("values travel to the host and back for {:.1f} ms a step; {:.1f} ms of a step the device waits "
                        "for them\n",
                        timeline.parkedUs / 1e3, timeline.parkedExposedUs / 1e3);
  if (timeline.hostUs > 0)
    text +=
        fmt::format("the host updates for {:.1f} ms a step; {:.1f} ms of a step the device waits for it and for what "
                    "travels\n",
                    timeline.hostUs / 1e3, timeline.hostExposedUs / 1e3);
  return text;
}

} // namespace

std::string ft::describe(const plan::Plan &plan) {
  const plan::Stats &stats = plan.stats();
  const plan::Batch &batch = plan.batch();
  std::string text = fmt::format("target {}{}\n", plan.target().name(), inParentheses(plan.target().title()));
  const uint32_t ranks = plan::Mesh(plan).ranks();
  text += fmt::format("recipe {}: {} parameters, {} trained; {} rows × {} tokens × {} micro-batches a step{}\n",
                      plan.name(), stats.total_parameters(), stats.trainable_parameters(), batch.micro_batch_size(),
                      batch.sequence_len(), batch.gradient_accumulation_steps(),
                      ranks > 1 ? fmt::format(" on each of {} ranks", ranks) : "");
  text += fmt::format("mesh {}, attention {}, deterministic: {}\n", meshText(plan), plan.target().attention(),
                      plan.deterministic() ? "yes" : "no");
  text += rt::memoryTable(plan) + peakText(plan);
  if (stats.predicted_step_us() > 0)
    text += predictionText(plan) + hostText(plan);
  if (ranks > 1)
    text += exchangeText(plan);
  for (const std::string &note : stats.notes())
    text += "note: " + note + "\n";
  return text;
}

std::string ft::verdict(const plan::Plan &plan) {
  const rt::Fit fit = rt::fitOf(plan);
  const std::string &name = plan.name();
  const bool ofBudget = fit.has != 0 && fit.has == plan.target().memory_budget();
  const std::string target = (ofBudget ? "the memory_budget on " : "") + plan.target().name();
  const uint64_t needs = fit.needs();
  if (fit.has == 0)
    return fmt::format("ftc: {} needs {} on {}; what the machine has free is compared before the run", name, gib(needs),
                       target);
  if (!fit.fitsHost())
    return fmt::format("ftc: {} does not fit a host of {}: needs {} of its memory, has {} (over by {}){}", name,
                       plan.target().name(), gib(fit.host), gib(fit.hostHas), gib(fit.host - fit.hostHas),
                       fit.fitsDevice() ? ""
                                        : fmt::format("; nor {}: needs {}, has {} (over by {})", target, gib(needs),
                                                      gib(fit.has), gib(needs - fit.has)));
  if (fit.fits())
    return fmt::format("ftc: {} fits {}: needs {}, has {} ({:.0f} MiB left)", name, target, gib(needs), gib(fit.has),
                       (fit.has - needs) / 0x1p20);
  return fmt::format("ftc: {} does not fit {}: needs {}, has {} (over by {}, {:.0f} MiB)", name, target, gib(needs),
                     gib(fit.has), gib(needs - fit.has), (needs - fit.has) / 0x1p20);
}
