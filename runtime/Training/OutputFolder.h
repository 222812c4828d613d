// The folder that a run writes: what may be there already, and what is left behind.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Files.h"
#include "runtime/Support/Status.h"
#include "runtime/Training/ResultRoom.h"

#include <memory>
#include <string>
#include <vector>

namespace ft::rt {

/// Of the folder that a run writes into, against a second run.
class FolderLock {
public:
  /// BadInput where another run holds it.
  static Expected<std::shared_ptr<const FolderLock>> take(const std::string &path);

  explicit FolderLock(int descriptor) : descriptor(descriptor) {}
  ~FolderLock();
  FolderLock(const FolderLock &) = delete;
  FolderLock &operator=(const FolderLock &) = delete;

private:
  const int descriptor;
};

class OutputFolder {
public:
  /// Whether prepare() would take the folder: one that is not there, is empty or holds an unfinished run (metrics.jsonl
  /// of a run, without summary.json and results, or a run that was interrupted ahead of its first step) without
  /// checkpoints. A finished run, checkpoints or anything else is
  /// refused with BadInput unless `overwrite`, and a checkpoint, a link to nothing and a folder that another run writes
  /// always; CannotRun where there is no room for the results.
  static Status check(const std::string &path, const plan::Plan &plan, bool overwrite);
  /// Creates the folder, or takes one that check() allows, from which it removes what replaced() names, failed
  /// steps and checkpoints, and nothing else, and keeps room there for the results. Where it refuses all is left as it
  /// is. A process that dies in it leaves a folder that the next call takes. `files` is what removes.
  static Expected<OutputFolder> prepare(const std::string &path, const plan::Plan &plan, bool overwrite,
                                        Files &files = systemFiles());

  /// Whether reopen() would take the folder: BadInput where there is a newer checkpoint that is whole.
  static Status checkReopen(const std::string &path, const plan::Plan &plan, uint64_t step,
                            const std::vector<uint64_t> &damaged);
  /// Takes the folder for a run that continues from the checkpoint of `step` in it: metrics and checkpoints stay; what
  /// only a finished run has, and checkpoints that were never finished, go. Of `damaged` steps, checkpoints are
  /// renamed, so that they count no more. Errors as checkReopen's.
  static Expected<OutputFolder> reopen(const std::string &path, const plan::Plan &plan, uint64_t step,
                                       const std::vector<uint64_t> &damaged);

  /// What a run of the plan writes at the top of its folder, sorted.
  static std::vector<std::string> names(const plan::Plan &plan);
  /// What prepare() removes from the folder at the top: these, and where a run has left its results there, those of a
  /// run of any kind, so that no adapter lies beside a model that it is not of. Sorted.
  static std::vector<std::string> replaced(const std::string &path, const plan::Plan &plan);
  /// The paths of those that are there, and of those of a failed step.
  std::vector<std::string> files(const plan::Plan &plan) const;

  const std::string &path() const { return folder; }
  std::string file(const std::string &name) const { return folder + "/" + name; }
  /// Creates the folder again where somebody has removed it: what a night has made wants a place. True where it did.
  bool makeAgain() const;
  /// Gives up the room that has been kept for the results: they are written next.
  void releaseRoom() { room.reset(); }
  /// "failed-step-7", created.
  Expected<std::string> failedStepFolder(uint64_t step) const;

private:
  explicit OutputFolder(std::string folder) : folder(std::move(folder)) {}
  std::string folder;
  std::shared_ptr<const FolderLock> lock;
  std::shared_ptr<ReservedRoom> room;
};

} // namespace ft::rt
