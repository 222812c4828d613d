#include "runtime/Training/Resume.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Strings.h"
#include "runtime/Training/RunFacts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

using namespace ft;
using namespace ft::rt;

namespace {
Status refuseAnother(const std::string &path, const std::vector<RunFact> &then, const std::vector<RunFact> &now) {
  std::vector<FactDifference> forbidden = differences(then, now);
  std::erase_if(forbidden, [](const FactDifference &d) { return !d.forbidden; });
  if (forbidden.empty())
    return {};
  return badInput(fmt::format("{}: was made with another {}: {}; resume with what made it, or start anew with another "
                              "--out",
                              path, forbidden.front().name, describe(forbidden)));
}

Status take(RunInputs &inputs, std::unique_ptr<Checkpoint> checkpoint) {
  FT_RETURN_IF_ERROR(refuseAnother(checkpoint->path(), checkpoint->state().facts, inputFacts(inputs)));
  FT_RETURN_IF_ERROR(checkpoint->match(inputs.plan()));
  inputs.resume = std::move(checkpoint);
  return {};
}

/// The newest of a run's folder that can be read; nothing where there is none at all.
Status takeNewest(RunInputs &inputs, const std::string &folder) {
  std::vector<uint64_t> steps = completeCheckpoints(folder);
  std::reverse(steps.begin(), steps.end());
  for (const uint64_t step : steps) {
    const std::string path = folder + "/" + checkpointName(step);
    auto checkpoint = Checkpoint::open(path);
    if (checkpoint.ok())
      return take(inputs, std::move(*checkpoint));
    inputs.damaged.push_back(step);
    inputs.resumeNotes.push_back(fmt::format("{}: is damaged and left aside: {}", path, checkpoint.status().message()));
  }
  if (steps.empty())
    return {};
  return badInput(fmt::format("{}: none of its {} checkpoints can be read; the newest: {}; name another --out, or pass "
                              "--resume none --overwrite to start anew",
                              folder, steps.size(), inputs.resumeNotes.front()));
}

Status checkOptions(const RunOptions &options) {
  if (options.resume == "none")
    return {};
  if (!options.adapter.empty())
    return badInput(fmt::format("--resume {} and --adapter {} both say what to start from; leave one out",
                                options.resume, options.adapter));
  if (options.overwrite && options.resume == "auto")
    return badInput("--resume auto continues what --overwrite would remove; leave one out");
  return {};
}
} // namespace

Status ft::rt::findCheckpoint(RunInputs &inputs) {
  const RunOptions &options = inputs.options;
  FT_RETURN_IF_ERROR(checkOptions(options));
  if (options.resume == "none")
    return {};
  const std::string out = inputs.outputFolder();
  if (options.resume == "auto") {
    FT_RETURN_IF_ERROR(takeNewest(inputs, out));
    if (!inputs.resume)
      inputs.resumeNotes.push_back(fmt::format("--resume auto: {} holds no checkpoint; starts at step 1", out));
    return {};
  }
  if (!isNamed(options.resume))
    return badInput(fmt::format("--resume {}: no such folder; must be auto, none, a checkpoint-N or a run's folder",
                                options.resume));
  if (isNamed(options.resume + "/" + stateFile) || isMarkedComplete(options.resume)) {
    FT_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, Checkpoint::open(options.resume));
    return take(inputs, std::move(checkpoint));
  }
  FT_RETURN_IF_ERROR(takeNewest(inputs, options.resume));
  if (!inputs.resume)
    return badInput(fmt::format("--resume {}: holds no complete checkpoint", options.resume));
  return {};
}

std::string ft::rt::checkpointPath(const RunInputs &inputs, uint64_t step) {
  const std::string own = inputs.outputFolder() + "/" + checkpointName(step);
  if (!inputs.resume)
    return own;
  const CheckpointState &state = inputs.resume->state();
  if (state.best && state.best->step == step && !state.best->path.empty())
    return state.best->path;
  if (inputs.continuesInPlace() || step > state.position.step)
    return own;
  std::string resumed = std::filesystem::absolute(inputs.resume->path()).lexically_normal().string();
  while (resumed.ends_with('/'))
    resumed.pop_back();
  return step == state.position.step ? resumed : folderOf(resumed) + "/" + checkpointName(step);
}

Status ft::rt::checkBaseWeights(const RunInputs &inputs) {
  if (!inputs.resume || !namesWeights(inputs.resume->state().facts)) // then it was made by another version
    return {};
  const std::vector<FactDifference> found = differences(inputs.resume->state().facts, weightsFacts(inputs));
  if (found.empty())
    return {};
  return badInput(fmt::format("{}: the weights in {} are not those that it was trained on: XXH3 over them is {} there "
                              "and {} now, behind the same headers; give the files as they were (copy or download them "
                              "again), or start anew with another --out",
                              inputs.resume->path(), inputs.model->path(), shown(found.front().then),
                              found.front().now));
}
