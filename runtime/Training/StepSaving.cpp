#include "runtime/Training/StepSaving.h"

#include "runtime/Plan/Shares.h"

#include <chrono>

using namespace ft;
using namespace ft::rt;

StepSaving::StepSaving(RankProgram &program, SavingRank rank)
    : plan(program.plan()), run(plan.run()), self(rank), shared(plan::hasShares(plan)),
      snapshot(plan, program.arenas(), program.device(), rank.rank) {
  if (self.here)
    self.here->add(self.rank, snapshot);
}

StepSaving::~StepSaving() {
  if (self.here)
    self.here->leave(self.rank);
}

bool StepSaving::dueAfter(uint64_t step, bool last) const {
  return run.save_steps() > 0 && (last || step % run.save_steps() == 0) && step != startedStep;
}

Expected<bool> StepSaving::dueOnSignal(uint64_t step) const {
  const bool due = run.save_on_signal() && step > 0 && step != startedStep;
  if (!shared)
    return due;
  FT_ASSIGN_OR_RETURN(const uint64_t agreed, self.lockstep.number(due));
  return agreed != 0;
}

Expected<double> StepSaving::capture() {
  const auto start = std::chrono::steady_clock::now();
  FT_RETURN_IF_ERROR(settle());
  FT_RETURN_IF_ERROR(snapshot.capture());
  if (shared) // rank 0 may begin to read
    FT_RETURN_IF_ERROR(self.lockstep.meet());
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

Status StepSaving::settle() {
  finishWriting();
  return shared ? self.lockstep.meet() : Status();
}

Status ShareSaving::write(const RunPosition &position) {
  startedStep = position.step;
  return self.here ? Status() : answerReads(plan, snapshot, *self.host);
}
