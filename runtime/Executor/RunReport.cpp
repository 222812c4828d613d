// What a run prints before and after, and summary.json.
#include "runtime/Executor/Session.h"

#include "runtime/Plan/Memory.h"
#include "runtime/Support/Strings.h"
#include "runtime/Text/DataReport.h"

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

std::string batchLine(const Session &s) {
  const plan::Batch &batch = s.plan().batch();
  const TokenFile &file = *s.train.file;
  const double rowsPerStep =
      static_cast<double>(batch.micro_batch_size() * std::max<uint64_t>(1, batch.gradient_accumulation_steps()));
  const double rows = static_cast<double>(file.rows());
  return fmt::format("batch: {} rows of {} tokens, {} micro-batch{} a step; {:.0f} tokens, {:.1f} samples and {:.0f} "
                     "target tokens a step on average\nsteps: {}; {:.1f} steps an epoch\n",
                     batch.micro_batch_size(), batch.sequence_len(), batch.gradient_accumulation_steps(),
                     batch.gradient_accumulation_steps() == 1 ? "" : "es",
                     rowsPerStep * static_cast<double>(batch.sequence_len()),
                     rowsPerStep * static_cast<double>(file.documents()) / rows,
                     rowsPerStep * static_cast<double>(file.stats().targets) / rows, s.steps, rows / rowsPerStep);
}

nlohmann::json memoryJson(const MemoryOutcome &m) {
  return {{"predicted_arenas_bytes", m.predictedArenas}, {"predicted_outside_bytes", m.predictedOutside},
          {"measured_arenas_bytes", m.measuredArenas},   {"measured_outside_bytes", m.measuredOutside},
          {"mapped_files_bytes", m.measuredMapped},      {"process_peak_bytes", m.measuredPeak}};
}

nlohmann::json evaluationJson(const std::optional<EvaluationMetrics> &m) {
  if (!m)
    return nullptr;
  return {{"eval_loss", m->loss}, {"perplexity", m->perplexity()}, {"target_tokens", m->targetTokens}};
}
} // namespace

std::string ft::rt::banner(const Session &s) {
  const DeviceInfo &info = s.device->info();
  const plan::Plan &plan = s.plan();
  std::string text = fmt::format("plan {} (sha256 {}), by {}; run only plans you made: they hold machine code\n",
                                 plan.name(), s.file->digest, plan.compiler());
  for (const plan::Text &kept : plan.texts())
    if (kept.file() == resolvedRecipeFile)
      text += "recipe:\n" + indented(kept.content());
  text += fmt::format("target {}: {}, {}, {} free\n", plan.target().name(), info.name, info.arch,
                      formatBytes(info.freeBytes));
  for (const std::string &library : info.libraries)
    text += fmt::format("library {}\n", library);
  text += fmt::format("deterministic: {}\nmemory:\n{}", plan.deterministic() ? "yes" : "no", memoryTable(plan));
  const Tokenizer *tokenizer = s.codec ? &s.codec->tokenizer() : nullptr;
  for (const std::string &note : s.train.notes)
    text += note + "\n";
  text += formatReport(dataReport(*s.train.file, tokenizer), "training data");
  if (s.held.file)
    text += formatReport(dataReport(*s.held.file, tokenizer), "held-out data");
  text += batchLine(s);
  if (plan.stats().predicted_step_us() > 0)
    text += fmt::format("predicted: {:.1f} ms a step\n", plan.stats().predicted_step_us() * 1e-3);
  text.pop_back();
  return text;
}

MemoryOutcome ft::rt::memoryOutcome(const Session &s) {
  MemoryOutcome outcome;
  const Arenas &arenas = s.loaded->arenas();
  outcome.predictedArenas = arenas.deviceBytes();
  outcome.predictedOutside = s.plan().target().outside_arenas();
  std::vector<AddressRange> ranges;
  for (int i = 0; i < s.plan().arenas_size(); ++i) {
    const auto begin = reinterpret_cast<uintptr_t>(arenas.arena(i).data());
    if (s.device->hostAccessible() || s.plan().arenas(i).space() != plan::Arena::DEVICE)
      ranges.push_back({begin, begin + arenas.arena(i).size()});
  }
  const ProcessMemory process = readProcessMemory(ranges);
  if (s.device->hostAccessible()) {
    outcome.measuredArenas = process.arenaBytes;
    outcome.measuredOutside = process.programBytes;
    outcome.measuredMapped = process.mappedFileBytes;
    outcome.measuredPeak = process.peakBytes;
  } else {
    outcome.measuredArenas = arenas.deviceBytes();
    outcome.measuredOutside = s.device->usedBytes() - std::min(s.device->usedBytes(), arenas.deviceBytes());
  }
  return outcome;
}

std::string ft::rt::closing(const Session &s, const MemoryOutcome &memory, const std::vector<std::string> &files) {
  const TrainingResult &t = s.training;
  std::string text = fmt::format("train_runtime {:.2f} s, train_tokens_per_second {:.1f}, train_loss {:.4f}\n",
                                 t.seconds, t.seconds > 0 ? static_cast<double>(t.tokens) / t.seconds : 0, t.meanLoss);
  if (s.after)
    text +=
        fmt::format("eval_loss {:.4f}, perplexity {:.2f}{}\n", s.after->loss, s.after->perplexity(),
                    s.before ? fmt::format(" (before: {:.4f}, {:.2f})", s.before->loss, s.before->perplexity()) : "");
  text += formatMemoryOutcome(memory);
  for (const std::string &file : files)
    text += "wrote " + file + "\n";
  text.pop_back();
  return text;
}

std::string ft::rt::summaryJson(const Session &s, const MemoryOutcome &memory) {
  const TrainingResult &t = s.training;
  nlohmann::ordered_json json;
  json["name"] = s.plan().name();
  json["plan_sha256"] = s.file->digest;
  json["compiler"] = s.plan().compiler();
  json["target"] = s.plan().target().name();
  json["device"] = s.device->info().name;
  json["arch"] = s.device->info().arch;
  json["libraries"] = s.device->info().libraries;
  json["deterministic"] = s.plan().deterministic();
  json["seed"] = s.plan().run().seed();
  json["model"] = s.options.model;
  json["steps"] = t.steps;
  json["max_steps"] = s.steps;
  json["interrupted"] = s.interrupts.requested();
  if (t.bad)
    json["failed"] = {{"step", t.bad->step},
                      {"micro_batch", t.bad->microBatch},
                      {"not_finite", t.bad->gradNorm ? "grad_norm" : "loss"}};
  json["train_runtime"] = t.seconds;
  json["train_tokens_per_second"] = t.seconds > 0 ? static_cast<double>(t.tokens) / t.seconds : 0;
  json["train_target_tokens_per_second"] = t.seconds > 0 ? static_cast<double>(t.targetTokens) / t.seconds : 0;
  json["train_loss"] = t.meanLoss;
  json["eval_before"] = evaluationJson(s.before);
  json["eval_after"] = evaluationJson(s.after);
  if (s.generates()) {
    json["answer_before"] = s.answerBefore;
    json["answer_after"] = s.answerAfter;
  }
  json["memory"] = memoryJson(memory);
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
