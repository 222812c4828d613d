// The checkpoints in a run's folder: how one comes to be there for good, which are there, which go.
//
// A checkpoint is a folder checkpoint-N. It is written aside, with every file synced, and renamed; then the file
// "complete" in it, with the digest of state.json, which has those of all others, says that all of it is on the disk;
// then latest-checkpoint in the run's folder names it. A folder without "complete" is no checkpoint, whatever else is
// in it: so a rename that a network file system does file by file shows nothing half. One whose "complete" does not fit
// its state.json, or cannot be read, is a checkpoint that was damaged since.
#pragma once

#include "runtime/Checkpoint/CheckpointState.h"
#include "runtime/Support/Files.h"
#include "runtime/Weights/Export.h"

namespace ft::rt {

/// In a run's folder: the name of its newest checkpoint, and a newline.
inline constexpr char latestFile[] = "latest-checkpoint";
/// In a checkpoint.
inline constexpr char stateFile[] = "state.json", completeFile[] = "complete";

/// "checkpoint-20".
std::string checkpointName(uint64_t step);
/// The step of a name; nothing where it is no checkpoint's.
std::optional<uint64_t> checkpointStep(std::string_view name);
/// Whether it is the name of one that is being written or was being when its process died.
bool isUnfinishedCheckpoint(std::string_view name);
/// Whether all of the folder was there once: whether it still is so, Checkpoint::open tells. What cannot be looked at
/// counts as well.
bool isMarkedComplete(const std::string &folder);
/// Whether a run of ftrun has made the checkpoint of that step, which may be half: other trainers use these names too.
bool isOwnCheckpoint(Files &files, const std::string &folder, uint64_t step);
/// Steps of the checkpoints of a run's folder that are marked as complete, ascending.
std::vector<uint64_t> completeCheckpoints(const std::string &folder);

/// Writes checkpoint-N into `folder`, with N of the state: Plan.texts, Plan.exports, moments, and the state itself,
/// whose `files` are filled in. When it returns ok the checkpoint and its name in latest-checkpoint are on the disk.
/// When it fails, what was there before is there still, and it has tried to remove what it made. Errors as those of its
/// parts.
Status writeCheckpoint(const plan::Plan &plan, const BufferReader &read, CheckpointState state,
                       const std::string &folder, Files &files);

/// Removes a checkpoint so that at no moment it looks complete and is not, nor as if it were not ours. Fails where it
/// is not.
std::error_code removeCheckpoint(Files &files, const std::string &folder, uint64_t step);
/// Removes the oldest checkpoints until `limit` are left; the newest stays, and `keep`.
Status removeOldCheckpoints(const std::string &folder, uint64_t limit, std::optional<uint64_t> keep, Files &files);

} // namespace ft::rt
