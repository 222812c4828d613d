#include "runtime/Training/RunOutputs.h"

#include "runtime/Support/AtomicFile.h"
#include "runtime/Weights/Export.h"

#include <fmt/format.h>

#include <filesystem>

using namespace ft;
using namespace ft::rt;

namespace {
/// Whether both name one place that is there.
bool same(const std::string &a, const std::string &b) {
  std::error_code none;
  return !a.empty() && !b.empty() && std::filesystem::equivalent(a, b, none);
}

/// --overwrite must not remove what the run reads.
Status keepApart(const RunInputs &inputs, const std::string &out) {
  for (const auto &[option, source] :
       {std::pair("--model", inputs.options.model), {"--adapter", inputs.options.adapter}}) {
    bool reads = same(out, source);
    for (const std::string &name : OutputFolder::names(inputs.plan()))
      reads |= same(out + "/" + name, source);
    if (reads)
      return badInput(fmt::format("--out {}: holds what {} reads; name another folder", out, option));
  }
  return {};
}

Status openGradientsFolder(const std::string &path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return badInput(fmt::format("--dump-gradients {}: cannot be created: {}", path, error.message()));
  return {};
}

BufferReader readerOf(const RankProgram &program) {
  return [&arenas = program.arenas()](uint32_t buffer, uint64_t offset, std::span<std::byte> out) {
    return arenas.read(buffer, offset, out);
  };
}
} // namespace

std::string RunOutputs::path() const {
  const std::string &named = inputs.options.out;
  const std::string &planned = named.empty() ? inputs.plan().run().output_dir() : named;
  return planned.empty() ? "out/" + inputs.plan().name() : planned;
}

Status RunOutputs::check(RankProgram &program) {
  arenas.add(program);
  FT_RETURN_IF_ERROR(keepApart(inputs, path()));
  FT_RETURN_IF_ERROR(OutputFolder::check(path(), inputs.plan(), inputs.options.overwrite));
  journal.line(banner(inputs, program.device().info()));
  return {};
}

Status RunOutputs::open() {
  const RunOptions &options = inputs.options;
  if (!options.dumpGradients.empty())
    FT_RETURN_IF_ERROR(openGradientsFolder(options.dumpGradients));
  FT_ASSIGN_OR_RETURN(folder, OutputFolder::prepare(path(), inputs.plan(), options.overwrite));
  if (options.onFolder)
    options.onFolder(path());
  return journal.keepMetrics(folder->file("metrics.jsonl"));
}

Status RunOutputs::dumpGradients(const RankProgram &program) const {
  return rt::dumpGradients(inputs.plan(), readerOf(program), inputs.options.dumpGradients);
}

Status RunOutputs::finish(RankProgram &program, const RunResult &result) {
  const std::optional<BadStep> &bad = result.training.bad;
  std::string saved = folder->path();
  if (bad) {
    FT_ASSIGN_OR_RETURN(saved, folder->failedStepFolder(bad->step));
  }
  FT_RETURN_IF_ERROR(exportFiles(inputs.plan(), readerOf(program), saved));
  const MemoryOutcome memory = memoryOutcome(program, arenas);
  FT_RETURN_IF_ERROR(
      writeFileAtomically(folder->file("summary.json"),
                          summaryJson(inputs, program.device().info(), result, interrupts.requested(), memory)));
  journal.line(closing(result, memory, folder->files(inputs.plan())));
  if (inputs.options.profile)
    journal.line(formatProfile(program.profile()));
  if (bad)
    return failed(
        fmt::format("step {}, micro-batch {}: the {} is not finite; the model was not updated, and its last good "
                    "state is in {}: lower learning_rate or set max_grad_norm",
                    bad->step, bad->microBatch, bad->gradNorm ? "gradient norm" : "loss", saved));
  if (interrupts.requested())
    return {Code::Interrupted, fmt::format("interrupted after step {} of {}; the model as it is then is in {}",
                                           result.training.steps, inputs.steps, saved)};
  return {};
}
