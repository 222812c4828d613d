// Which checkpoint a run continues from.
#pragma once

#include "runtime/Training/RunInputs.h"

namespace ft::rt {

/// Finds, reads and checks what --resume asks for, into `inputs`: none, or the newest checkpoint of --out that is
/// whole, or a named one. Fails with BadInput where there are checkpoints and none can be read, where one was made with
/// another model or adapter, and where a named one is missing or damaged. What is worth a line is in
/// `inputs.resumeNotes`.
Status findCheckpoint(RunInputs &inputs);

/// Where the checkpoint of a step is that the run has made, or the run that it continues: that may have been in another
/// folder.
std::string checkpointPath(const RunInputs &inputs, uint64_t step);

/// BadInput where a weight that stays as it is, is not what it was for the run that made the checkpoint, in any bit.
/// Reads all of them once more: to be asked when they have just been loaded, by any ranks of a process.
Status checkBaseWeights(const RunInputs &inputs);

} // namespace ft::rt
