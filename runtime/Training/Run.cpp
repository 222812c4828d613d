#include "runtime/Training/Run.h"

#include "runtime/Training/RankRun.h"

using namespace ft::rt;

Status ft::rt::runPlan(const RunOptions &options, const Interrupts &interrupts, Console &console) {
  FT_ASSIGN_OR_RETURN(const RunInputs inputs, openInputs(options, console));
  Journal journal(console, inputs.plan().run().logging_steps());
  RunOutputs outputs(inputs, interrupts, journal);
  OneRank lockstep(interrupts);
  return runRank({0, inputs, lockstep, journal, &outputs});
}
