#include "runtime/Training/RunReport.h"

#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Timeline.h"
#include "runtime/Support/Strings.h"
#include "runtime/Text/DataReport.h"
#include "runtime/Text/TargetReport.h"
#include "runtime/Training/RunFacts.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

namespace {
/// Behind two spaces each, so that the recipe stands apart.
std::string indented(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines += fmt::format("  {}\n", text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Which micro-batches are of few targets, where the plan has segments for these.
std::string targetLines(const RunInputs &inputs) {
  const plan::Plan &plan = inputs.plan();
  const Expected<BatchShape> shape = BatchShape::from(plan.batch());
  std::string text;
  if (shape.ok() && plan.batch().max_target_tokens() > 0)
    text += formatTargets(trainingTargets(*inputs.train.file, *shape, plan.batch(), plan.run(), inputs.world),
                          "max_target_tokens");
  if (shape.ok() && plan.batch().max_eval_target_tokens() > 0 && inputs.held.file)
    text += formatTargets(evaluationTargets(*inputs.held.file, *shape, plan.batch(), inputs.world),
                          "max_eval_target_tokens");
  return text;
}

std::string batchLine(const RunInputs &inputs) {
  const plan::Batch &batch = inputs.plan().batch();
  const TokenFile &file = *inputs.train.file;
  const double rowsPerStep = static_cast<double>(inputs.world * batch.micro_batch_size() *
                                                 std::max<uint64_t>(1, batch.gradient_accumulation_steps()));
  const double rows = static_cast<double>(file.rows());
  return fmt::format("batch: {} rows of {} tokens{}, {} micro-batch{} a step; {:.0f} tokens, {:.1f} samples and {:.0f} "
                     "target tokens a step on average\nsteps: {}; {:.1f} steps an epoch\n",
                     batch.micro_batch_size(), batch.sequence_len(),
                     inputs.world == 1 ? "" : fmt::format(" on each of {} ranks", inputs.world),
                     batch.gradient_accumulation_steps(), batch.gradient_accumulation_steps() == 1 ? "" : "es",
                     rowsPerStep * static_cast<double>(batch.sequence_len()),
                     rowsPerStep * static_cast<double>(file.documents()) / rows,
                     rowsPerStep * static_cast<double>(file.stats().targets) / rows, inputs.steps, rows / rowsPerStep);
}

nlohmann::json memoryJson(const MemoryOutcome &m) {
  return {{"predicted_arenas_bytes", m.predictedArenas}, {"predicted_outside_bytes", m.predictedOutside},
          {"measured_arenas_bytes", m.measuredArenas},   {"measured_outside_bytes", m.measuredOutside},
          {"mapped_files_bytes", m.measuredMapped},      {"process_peak_bytes", m.measuredPeak}};
}

nlohmann::ordered_json ranksJson(const std::vector<RankTimes> &ranks, const std::vector<std::string> &hosts) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    const RankTimes &times = ranks[rank];
    nlohmann::ordered_json one = {{"rank", rank}};
    if (!hosts.empty())
      one["host"] = hosts[rank];
    one["step_ms"] = times.step;
    one["computing_ms"] = times.own;
    one["exposed_communication_ms"] = times.exposed;
    one["slowest_segment"] = plan::Segment::Kind_Name(plan::Segment::Kind(times.slowest));
    one["slowest_segment_ms"] = times.slowestOwn;
    one["slowest_rank"] = rank == slowestRank(ranks);
    all.push_back(std::move(one));
  }
  return all;
}

/// What a step that is measured took of its host, beside what the plan predicts of one.
nlohmann::ordered_json offloadJson(const StepMetrics &step, const plan::Plan &plan) {
  nlohmann::ordered_json json = {{"step", step.step}, {"step_ms", step.stepMs}};
  json.update(nlohmann::ordered_json::parse(toJson(*step.offload)));
  const Timeline predicted = timelineOf(plan);
  json["predicted_host_updates_ms"] = predicted.hostUs / 1e3;
  json["predicted_exposed_ms"] = (predicted.hostExposedUs + predicted.parkedExposedUs) / 1e3;
  return json;
}

std::string offloadLine(const StepMetrics &step, const plan::Plan &plan) {
  const OffloadMetrics &m = *step.offload;
  const Timeline predicted = timelineOf(plan);
  const auto moved = [](uint64_t bytes, double ms) {
    return fmt::format("{:.1f} ms ({:.1f} GB/s)", ms, ms > 0 ? static_cast<double>(bytes) / ms * 1e-6 : 0);
  };
  return fmt::format("the host in step {}: updates {:.1f} ms, copies to it {}, from it {}; of {:.1f} ms the device "
                     "waited {:.1f} for that; predicted: updates {:.1f} ms, waits {:.1f} ms\n",
                     step.step, m.updatesMs, moved(m.toHostBytes, m.toHostMs), moved(m.toDeviceBytes, m.toDeviceMs),
                     step.stepMs, m.exposedMs, predicted.hostUs / 1e3,
                     (predicted.hostExposedUs + predicted.parkedExposedUs) / 1e3);
}

nlohmann::json evaluationJson(const std::optional<EvaluationMetrics> &m) {
  if (!m)
    return nullptr;
  return {{"eval_loss", m->loss}, {"perplexity", m->perplexity()}, {"target_tokens", m->targetTokens}};
}
} // namespace

std::string ft::rt::banner(const RunInputs &inputs, const DeviceInfo &device) {
  const plan::Plan &plan = inputs.plan();
  std::string text = fmt::format("plan {} (sha256 {}), by {}; run only plans you made: they hold machine code\n",
                                 plan.name(), inputs.file->digest, plan.compiler());
  for (const plan::Text &kept : plan.texts())
    if (kept.file() == resolvedRecipeFile)
      text += "recipe:\n" + indented(kept.content());
  text += fmt::format("target {}: {}, {}, {} free\n", plan.target().name(), device.name, device.arch,
                      formatBytes(device.freeBytes));
  for (const std::string &library : device.libraries)
    text += fmt::format("library {}\n", library);
  text += fmt::format("deterministic: {}\nmemory:\n{}", plan.deterministic() ? "yes" : "no", memoryTable(plan));
  const Tokenizer *tokenizer = inputs.codec ? &inputs.codec->tokenizer() : nullptr;
  for (const std::string &note : inputs.train.notes)
    text += note + "\n";
  text += formatReport(dataReport(*inputs.train.file, tokenizer), "training data");
  if (inputs.held.file)
    text += formatReport(dataReport(*inputs.held.file, tokenizer), "held-out data");
  text += batchLine(inputs) + targetLines(inputs);
  if (plan.stats().predicted_step_us() > 0)
    text += plan.stats().predicted_targets_step_us() > 0
                ? fmt::format("predicted: {:.1f} ms a step of few targets, {:.1f} ms of others\n",
                              plan.stats().predicted_targets_step_us() * 1e-3, plan.stats().predicted_step_us() * 1e-3)
                : fmt::format("predicted: {:.1f} ms a step\n", plan.stats().predicted_step_us() * 1e-3);
  text.pop_back();
  return text;
}

void ProcessArenas::add(RankProgram &program) {
  std::lock_guard lock(mutex);
  for (int i = 0; i < program.plan().arenas_size(); ++i) {
    const std::span<std::byte> arena = program.arenas().arena(i);
    const auto begin = reinterpret_cast<uintptr_t>(arena.data());
    if (program.device().hostAccessible() || program.plan().arenas(i).space() != plan::Arena::DEVICE)
      added.push_back({begin, begin + arena.size()});
  }
}

std::vector<AddressRange> ProcessArenas::ranges() const {
  std::lock_guard lock(mutex);
  return added;
}

MemoryOutcome ft::rt::memoryOutcome(const RunInputs &inputs, RankProgram &program, const ProcessArenas &inProcess) {
  MemoryOutcome outcome;
  Device &device = program.device();
  const Arenas &arenas = program.arenas();
  outcome.predictedArenas = arenas.deviceBytes() / inputs.ranksOnHost * inputs.ranksHere; // the same on a GPU
  outcome.predictedOutside = arenas.outsideBytes();
  const ProcessMemory process = readProcessMemory(inProcess.ranges());
  if (device.hostAccessible()) {
    outcome.measuredArenas = process.arenaBytes;
    outcome.measuredOutside = process.programBytes;
    outcome.measuredMapped = process.mappedFileBytes;
    outcome.measuredPeak = process.peakBytes;
  } else {
    outcome.measuredArenas = arenas.deviceBytes();
    outcome.measuredOutside = device.usedBytes() - std::min(device.usedBytes(), arenas.deviceBytes());
  }
  return outcome;
}

std::string ft::rt::finishedLine(const RunInputs &inputs) {
  const std::string changes = describeChanges(*inputs.resume, inputs.plan(), inputFacts(inputs));
  return fmt::format("{} holds a finished run: step {} of {}; nothing is left to do{}", inputs.outputFolder(),
                     inputs.resume->state().position.step, inputs.steps,
                     changes.empty() ? ""
                                     : "\nnote: what is there was made otherwise: " + changes +
                                           "; to run it with what is asked for now, name another --out");
}

std::string ft::rt::closing(const RunInputs &inputs, const RunResult &result, const MemoryOutcome &memory,
                            const std::vector<std::string> &files) {
  const TrainingResult &t = result.training;
  std::string text = fmt::format("train_runtime {:.2f} s, train_tokens_per_second {:.1f}, train_loss {:.4f}\n",
                                 t.seconds, t.seconds > 0 ? static_cast<double>(t.tokens) / t.seconds : 0, t.meanLoss);
  const std::optional<EvaluationMetrics> &before = result.before.evaluation, &after = result.after.evaluation;
  if (after)
    text += fmt::format("eval_loss {:.4f}, perplexity {:.2f}{}\n", after->loss, after->perplexity(),
                        before ? fmt::format(" (before: {:.4f}, {:.2f})", before->loss, before->perplexity()) : "");
  if (t.offloading)
    text += offloadLine(*t.offloading, inputs.plan());
  if (!result.ranks.empty())
    text += formatTimes(result.ranks, inputs.hosts) + "\n";
  text += formatMemoryOutcome(memory);
  for (const std::string &file : files)
    text += "wrote " + file + "\n";
  text.pop_back();
  return text;
}

std::string ft::rt::summaryJson(const RunInputs &inputs, const DeviceInfo &device, const RunResult &result,
                                bool interrupted, const MemoryOutcome &memory) {
  const TrainingResult &t = result.training;
  nlohmann::ordered_json json;
  json["name"] = inputs.plan().name();
  json["plan_sha256"] = inputs.file->digest;
  json["compiler"] = inputs.plan().compiler();
  json["target"] = inputs.plan().target().name();
  json["device"] = device.name;
  json["arch"] = device.arch;
  json["libraries"] = device.libraries;
  json["deterministic"] = inputs.plan().deterministic();
  json["seed"] = inputs.plan().run().seed();
  json["model"] = inputs.options.model;
  if (const auto sum = inputs.weights ? inputs.weights->known() : std::nullopt)
    json["base_weights_xxh3"] = fmt::format("{:016x}", *sum);
  json["steps"] = t.steps;
  json["max_steps"] = inputs.steps;
  json["interrupted"] = interrupted;
  if (result.bestStep)
    json["best_step"] = result.bestStep;
  if (result.lostCheckpoints)
    json["checkpoints_lost"] = result.lostCheckpoints;
  if (result.lostMetrics)
    json["metrics_lines_lost"] = result.lostMetrics;
  if (t.bad)
    json["failed"] = {{"step", t.bad->step},
                      {"micro_batch", t.bad->microBatch},
                      {"not_finite", t.bad->gradNorm ? "grad_norm" : "loss"}};
  json["train_runtime"] = t.seconds;
  json["train_tokens_per_second"] = t.seconds > 0 ? static_cast<double>(t.tokens) / t.seconds : 0;
  json["train_target_tokens_per_second"] = t.seconds > 0 ? static_cast<double>(t.targetTokens) / t.seconds : 0;
  json["train_loss"] = t.meanLoss;
  json["eval_before"] = evaluationJson(result.before.evaluation);
  json["eval_after"] = evaluationJson(result.after.evaluation);
  if (inputs.generates()) {
    json["answer_before"] = result.before.answer;
    json["answer_after"] = result.after.answer;
  }
  json["memory"] = memoryJson(memory);
  if (t.offloading)
    json["offload"] = offloadJson(*t.offloading, inputs.plan());
  if (!result.ranks.empty())
    json["ranks"] = ranksJson(result.ranks, inputs.hosts);
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string ft::rt::formatProfile(const Profile &profile) {
  double total = 0;
  for (const auto &[key, entry] : profile)
    if (key.find('/') == std::string::npos)
      total += entry.ms;
  std::vector<std::pair<std::string, ProfileEntry>> rows(profile.begin(), profile.end());
  std::sort(rows.begin(), rows.end(), [](const auto &a, const auto &b) {
    const bool aDetail = a.first.find('/') != std::string::npos, bDetail = b.first.find('/') != std::string::npos;
    return aDetail != bDetail ? bDetail : a.second.ms > b.second.ms;
  });
  std::string text = fmt::format("{:<52} {:>8} {:>11} {:>6} {:>9} {:>8} {:>12}\n", "time by kind of step", "calls",
                                 "ms", "%", "GFLOP/s", "GB/s", "predicted ms");
  for (const auto &[key, e] : rows)
    text += fmt::format("{:<52} {:>8} {:>11.2f} {:>6.1f} {:>9.1f} {:>8.2f} {:>12.2f}\n", key, e.calls, e.ms,
                        total > 0 ? 100 * e.ms / total : 0, e.ms > 0 ? e.flops / e.ms * 1e-6 : 0,
                        e.ms > 0 ? e.bytes / e.ms * 1e-6 : 0, e.predictedMs);
  text.pop_back();
  return text;
}
