// load_best_model_at_end: all ranks take the weights of one checkpoint, or none does.
#include "runtime/Training/Rank.h"
#include "runtime/Training/Resume.h"

#include "runtime/Support/Sha256.h"

#include <fmt/format.h>

#include <cstring>

using namespace ft;
using namespace ft::rt;

namespace {

/// The step whose held-out loss is less than the last one's, and least of all; 0: none. Rank 0's.
uint64_t betterStep(Rank &rank, const ModelView &last) {
  Checkpoints &checkpoints = *rank.outputs->checkpoints();
  checkpoints.finish();
  if (const std::optional<BestStep> lost = checkpoints.lostBest();
      lost && last.evaluation && lost->loss < last.evaluation->loss)
    rank.journal.line(fmt::format("note: the best step was {}, with eval_loss {:.4f}, and its checkpoint could not be "
                                  "written: the run leaves the best of the others",
                                  lost->step, lost->loss));
  const std::optional<BestStep> best = checkpoints.best();
  if (!best || !last.evaluation || best->loss >= last.evaluation->loss)
    return 0;
  const auto there = Checkpoint::open(checkpointPath(rank.inputs, best->step), rank.plan());
  if (there.ok())
    return best->step;
  rank.journal.line(fmt::format("note: the best step was {}, and its checkpoint is lost: {}; the run leaves the last",
                                best->step, there.status().message()));
  return 0;
}

/// A number that tells the states of two checkpoints apart.
uint64_t stateNumber(const Checkpoint &checkpoint) {
  const auto digest = sha256(toJson(checkpoint.state()));
  uint64_t number = 0;
  std::memcpy(&number, digest.data(), sizeof number);
  return number;
}

} // namespace

Status ft::rt::loadBest(Rank &rank, RunResult &result) {
  const uint64_t mine = rank.outputs ? betterStep(rank, result.after) : 0;
  FT_ASSIGN_OR_RETURN(const uint64_t step, rank.lockstep.number(mine));
  if (step == 0)
    return {};
  const std::string path = checkpointPath(rank.inputs, step);
  const auto found = Checkpoint::open(path, rank.plan());
  const uint64_t digest = found.ok() ? stateNumber(**found) : 0;
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
