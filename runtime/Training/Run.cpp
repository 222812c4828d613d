#include "runtime/Training/Run.h"

#include "runtime/Training/ProcessRun.h"
#include "runtime/Training/RankRun.h"
#include "runtime/Training/RanksRun.h"

using namespace ft::rt;

Status ft::rt::runPlan(const RunOptions &options, Interrupts &interrupts, Console &console) {
  if (options.launch)
    return runProcess(*options.launch, options, interrupts, console);
  FT_ASSIGN_OR_RETURN(const RunInputs inputs, openInputs(options, console));
  if (inputs.isFinished()) {
    console.line(finishedLine(inputs));
    return {};
  }
  FT_RETURN_IF_ERROR(checkHostMemory(inputs.plan(), inputs.world, freeHostBytes()));
  Journal journal(console, inputs.plan().run().logging_steps());
  RunOutputs outputs(inputs, interrupts, journal);
  if (inputs.world > 1)
    return runRanks(inputs, interrupts, journal, outputs);
  OneRank lockstep(interrupts);
  return runRank({0, inputs, lockstep, journal, &outputs});
}
