#include "compiler/Report/Report.h"

#include "runtime/Plan/Staging.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

using namespace ft;

std::string ft::gib(uint64_t bytes) { return fmt::format("{:.2f} GiB", bytes / double(1ull << 30)); }

namespace {

std::string className(plan::Buffer::Class kind) {
  switch (kind) {
  case plan::Buffer::WEIGHT:
    return "weights";
  case plan::Buffer::OPTIMIZER_STATE:
    return "optimizer states";
  case plan::Buffer::GRADIENT:
    return "gradients";
  case plan::Buffer::ACTIVATION:
    return "activations";
  case plan::Buffer::WORKSPACE:
    return "library workspaces";
  case plan::Buffer::INPUT:
    return "batch inputs";
  case plan::Buffer::OUTPUT:
    return "outputs";
  case plan::Buffer::CONSTANT:
    return "constant tables";
  default:
    return "other";
  }
}

/// Rows by arena; a persistent arena's by class inside it.
std::string memoryTable(const Compilation &c) {
  const plan::Plan &plan = c.plan;
  std::string text = fmt::format("  {:<16}{:<22}{:>16}{:>12}\n", "arena", "holds", "bytes", "GiB");
  auto row = [&](const std::string &arena, const std::string &holds, uint64_t bytes, const std::string &note = "") {
    text += fmt::format("  {:<16}{:<22}{:>16}{:>12.3f}{}\n", arena, holds, bytes, bytes / double(1ull << 30), note);
  };
  for (int i = 0; i < plan.arenas_size(); ++i) {
    const plan::Arena &arena = plan.arenas(i);
    if (!c.counts(arena))
      continue;
    if (arena.transient()) {
      double over = arena.largest_live() ? 100.0 * (double(arena.size()) / arena.largest_live() - 1) : 0;
      row(arena.name(), "transient values", arena.size(),
          fmt::format("   largest live set {} (+{:.2f} %)", arena.largest_live(), over));
      continue;
    }
    if (arena.name() == plan::slotsArena || arena.name() == plan::stagingArena) {
      row(arena.name(), "batch records", arena.size());
      continue;
    }
    std::map<plan::Buffer::Class, uint64_t> classes;
    for (const plan::Buffer &buffer : plan.buffers())
      if (buffer.arena() == static_cast<uint32_t>(i))
        classes[buffer.class_()] += (buffer.size() + 255) / 256 * 256;
    for (auto [kind, bytes] : classes)
      row(arena.name(), className(kind), bytes);
  }
  row("outside", c.target.driver() == "cpu" ? "program, libraries" : "driver, libraries",
      c.target.outside_arenas_bytes(), c.target.outside_arenas_measured() ? "   measured" : "   estimate");
  row("needs", "", c.neededBytes());
  if (c.target.memory_bytes())
    row("has", "", c.target.memory_bytes());
  for (const plan::Arena &arena : plan.arenas())
    if (!c.counts(arena))
      text += fmt::format("  pinned host memory: {} bytes\n", arena.size());
  return text;
}

/// "accumulate_first.7.layers.3.mlp.gate_up_proj" → "layers.*.mlp.gate_up_proj".
std::string withoutNumbers(std::string_view buffer) {
  return rt::ofAllLayers(buffer.substr(buffer.find('.', buffer.find('.') + 1) + 1));
}

/// What lives at the fullest moment, the same place of all layers as one row.
std::string peakText(const Compilation &c) {
  struct Row {
    std::string name;
    uint64_t bytes = 0, count = 0;
  };
  std::vector<Row> rows;
  for (const PeakValue &value : c.peak.values) {
    std::string name = withoutNumbers(value.name);
    auto row = std::find_if(rows.begin(), rows.end(), [&](const Row &r) { return r.name == name; });
    if (row == rows.end())
      row = rows.insert(rows.end(), {name});
    row->bytes += value.bytes;
    ++row->count;
  }
  std::stable_sort(rows.begin(), rows.end(), [](const Row &a, const Row &b) { return a.bytes > b.bytes; });
  std::string text =
      fmt::format("peak of the {}, {} bytes, at {}:\n", c.peak.arena, c.peak.bytes, c.plan.stats().peak_moment());
  for (size_t i = 0; i < rows.size() && i < 8; ++i)
    text += fmt::format("  {:<46}{:>6} ×{:>16}\n", rows[i].name, rows[i].count, rows[i].bytes);
  return text;
}

} // namespace

std::string ft::describe(const Compilation &c) {
  const plan::Plan &plan = c.plan;
  const plan::Stats &stats = plan.stats();
  uint64_t tokens =
      plan.batch().micro_batch_size() * plan.batch().sequence_len() * plan.batch().gradient_accumulation_steps();
  std::string text = fmt::format("target {} ({})\n", c.target.name(), c.target.title());
  text +=
      fmt::format("recipe {}: {} parameters, {} trained; {} rows × {} tokens × {} micro-batches a step\n", plan.name(),
                  stats.total_parameters(), stats.trainable_parameters(), plan.batch().micro_batch_size(),
                  plan.batch().sequence_len(), plan.batch().gradient_accumulation_steps());
  text += fmt::format("mesh dp = 1, attention {}, deterministic: {}\n", plan.target().attention(),
                      plan.deterministic() ? "yes" : "no");
  text += memoryTable(c) + peakText(c);
  double seconds = stats.predicted_step_us() / 1e6;
  text += fmt::format("predicted step {:.1f} ms, {:.0f} tokens/s, {:.2f} TFLOP a step (rates: {})\n", seconds * 1e3,
                      tokens / seconds, stats.flops_per_step() / 1e12, c.target.rates_provenance());
  for (const std::string &note : stats.notes())
    text += "note: " + note + "\n";
  return text;
}

std::string ft::verdict(const Compilation &c) {
  uint64_t needs = c.neededBytes(), has = c.target.memory_bytes();
  if (has == 0)
    return fmt::format("ftc: {} needs {} on {}; what the machine has free is compared before the run", c.recipe.name,
                       gib(needs), c.target.name());
  if (c.fits())
    return fmt::format("ftc: {} fits {}: needs {}, has {} ({:.0f} MiB left)", c.recipe.name, c.target.name(),
                       gib(needs), gib(has), (has - needs) / double(1 << 20));
  return fmt::format("ftc: {} does not fit {}: needs {}, has {} (over by {}, {:.0f} MiB)", c.recipe.name,
                     c.target.name(), gib(needs), gib(has), gib(needs - has), (needs - has) / double(1 << 20));
}

std::string ft::waysOut(const Compilation &c, const CompileRequest &request) {
  std::vector<std::vector<std::string>> candidates;
  const recipe::Recipe &r = c.recipe.fields;
  if (r.precision() == recipe::Precision::FP32_TRUE && c.target.bf16())
    candidates.push_back({"precision=BF16_TRUE"});
  for (uint64_t rows = r.micro_batch_size() / 2; rows >= 1; rows /= 2)
    if (r.micro_batch_size() % rows == 0) {
      candidates.push_back({fmt::format("micro_batch_size={}", rows)});
      if (!c.recipe.globalBatch) // which would follow by itself
        candidates.back().push_back(fmt::format("gradient_accumulation_steps={}",
                                                r.gradient_accumulation_steps() * (r.micro_batch_size() / rows)));
    }
  if (r.optim() == recipe::Optimizer::ADAMW && !r.has_lora() && r.precision() == recipe::Precision::BF16_TRUE &&
      r.optimizer_state_dtype() == recipe::StateDtype::F32)
    candidates.push_back({"optimizer_state_dtype=BF16"});
  if (!r.has_lora()) {
    candidates.push_back({"optim=SGD"});
    candidates.push_back({"lora.r=16", "optimizer_state_dtype=F32"});
  }
  std::string text;
  bool smallerBatchFits = false;
  for (const std::vector<std::string> &sets : candidates) {
    bool batch = sets.front().rfind("micro_batch_size", 0) == 0;
    if (batch && smallerBatchFits)
      continue;
    CompileRequest way = request;
    way.dumpDir.clear();
    way.overrides.insert(way.overrides.end(), sets.begin(), sets.end());
    rt::Expected<Compilation> compiled = planRecipe(way);
    if (!compiled.ok() || !compiled->fits())
      continue;
    smallerBatchFits |= batch;
    std::string flags;
    for (const std::string &set : sets)
      flags += " --set " + set;
    double slower = compiled->plan.stats().predicted_step_us() / c.plan.stats().predicted_step_us();
    text += fmt::format("  fits with{}: {} ({} saved, predicted step ×{:.2f})\n", flags, gib(compiled->neededBytes()),
                        gib(c.neededBytes() - compiled->neededBytes()), slower);
  }
  if (text.empty())
    return "  none of: a smaller micro-batch, bf16, another optimizer, adapters; take a larger target";
  text.pop_back();
  return text;
}
