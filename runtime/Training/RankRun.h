// One rank's part of a run.
#pragma once

#include "runtime/Device/PeerDevices.h"
#include "runtime/Training/Lockstep.h"
#include "runtime/Training/RunOutputs.h"

namespace ft::rt {

/// What a rank is given: what all ranks read, and what is its own.
struct RankContext {
  uint32_t rank = 0; ///< below inputs.world
  const RunInputs &inputs;
  Lockstep &lockstep;
  Journal &journal;
  RunOutputs *outputs;                   ///< rank 0's; null on every other
  ProcessArenas *arenas = nullptr;       ///< where a rank without outputs says what it has reserved
  Communicator *host = nullptr;          ///< the rank's end between the threads of the process; null in a world of one
  Communicator *collectives = nullptr;   ///< what runs those of the plan; null: `host`, or what opens the device does
  PeerDevices *peers = nullptr;          ///< what opens the rank's device; null: it opens its own
  ProcessSnapshots *snapshots = nullptr; ///< of the ranks of this process; null where each has its own
  std::function<Status()> onFolder = {}; ///< called once rank 0 has taken the output folder
  Progress *progress = nullptr;          ///< told what the rank does; null: nobody is
  /// The rank has failed; told before the others are.
  std::function<void(const Status &)> onFailed = {};
  /// At the end, before what the rank holds is freed: returns once no other rank of the process uses it.
  std::function<void()> beforeFreed = {};
};

/// Makes a RankProgram, loads weights into it, and evaluates, generates and trains with it. One thread for each rank
/// runs this; rank 0's is the one that made Interrupts, since a second signal stops that one before it starts a file.
/// Errors as runPlan's.
Status runRank(const RankContext &context);

} // namespace ft::rt
