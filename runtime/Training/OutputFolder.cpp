#include "runtime/Training/OutputFolder.h"

#include "runtime/Checkpoint/Algorithms.h"
#include "runtime/Checkpoint/CheckpointFolder.h"
#include "runtime/Plan/Mesh.h"
#include "runtime/Support/Files.h"
#include "runtime/Support/Json.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Strings.h"
#include "runtime/Training/Leftovers.h"
#include "runtime/Training/RunInputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <unistd.h>

using namespace ft;
using namespace ft::rt;
namespace fs = std::filesystem;

namespace {
constexpr std::string_view failedStep = "failed-step-";
constexpr const char *metricsFile = "metrics.jsonl", *summaryFile = "summary.json";

/// "failed-step-7", and nothing that people name alike.
bool isFailedStep(std::string_view name) {
  return name.starts_with(failedStep) && name.size() > failedStep.size() &&
         name.find_first_not_of("0123456789", failedStep.size()) == name.npos;
}

/// Whether its metrics are a run's, whose lines all name a step first; a run may have died within the first.
bool hasOwnMetrics(const fs::path &folder) {
  constexpr std::string_view start = "{\"step\":";
  const auto file = MappedFile::open((folder / metricsFile).string());
  if (!file.ok())
    return false;
  const std::string_view text(reinterpret_cast<const char *>(file->bytes().data()), file->size());
  return start.starts_with(text.substr(0, start.size()));
}

/// Whether the run in it was interrupted ahead of its first step: what it left is where any run starts.
bool hasTrainedNothing(const fs::path &folder) {
  const auto summary = readJsonObject((folder / summaryFile).string());
  if (!summary.ok())
    return false;
  const Json *interrupted = findMember(*summary, "interrupted"), *steps = findMember(*summary, "steps");
  return interrupted && *interrupted == true && steps && *steps == 0;
}

/// Results of a run of whichever kind: an adapter and a model that lie beside each other would be read together.
constexpr std::string_view results[] = {"adapter_config.json", "adapter_model.safetensors", "config.json",
                                        "model.safetensors"};

/// "rank-3.log": of a run of more ranks than this one, perhaps.
bool isRankLog(std::string_view name) {
  constexpr std::string_view before = "rank-", behind = ".log";
  if (!name.starts_with(before) || !name.ends_with(behind) || name.size() <= before.size() + behind.size())
    return false;
  name.remove_prefix(before.size()), name.remove_suffix(behind.size());
  return name.find_first_not_of("0123456789") == name.npos;
}

/// Whether a run of ftrun has written its results there: the recipe of one, or its summary. Metrics alone, which other
/// programs write alike, do not tell.
bool hasOwnResults(const fs::path &folder) {
  std::error_code ignored;
  if (fs::exists(folder / resolvedRecipeFile, ignored))
    return true;
  const auto summary = readJsonObject((folder / summaryFile).string());
  return summary.ok() && findMember(*summary, "plan_sha256");
}

/// Weights that lie in the folder and would be replaced; empty where none are. A run that has not finished has left
/// none.
std::string resultIn(const fs::path &folder, const plan::Plan &plan) {
  std::error_code ignored;
  for (const std::string &name : OutputFolder::replaced(folder.string(), plan))
    if (name.ends_with(".safetensors") && fs::exists(folder / name, ignored))
      return name;
  return "";
}

/// What a run left there; notes that somebody has added stay.
void removeFailedStep(Files &files, const std::string &folder, const plan::Plan &plan) {
  removeLeftovers(folder, OutputFolder::names(plan));
  for (const std::string &name : OutputFolder::names(plan))
    (void)files.remove(folder + "/" + name);
  (void)files.remove(folder); // where it is empty
}

/// Those that a process that died has left half, or all.
void removeCheckpoints(Files &files, const std::string &folder, bool all) {
  std::vector<std::string> unfinished;
  for (const std::string &name : files.list(folder)) {
    const std::optional<uint64_t> step = checkpointStep(name);
    if (isUnfinishedCheckpoint(name))
      unfinished.push_back(name);
    else if (step && (all || !isMarkedComplete(folder + "/" + name)))
      (void)removeCheckpoint(files, folder, *step);
  }
  for (const std::string &name : unfinished) // last: they tell whose the others are
    (void)removeFolder(files, folder + "/" + name);
}

/// Whoever dies between any two of these leaves a folder that is still known as a run's: metrics.jsonl goes last, ahead
/// of it the summary, of which a run that has trained nothing is known, and ahead of that the recipe.
void removeOwnFiles(Files &files, const std::string &folder, const plan::Plan &plan) {
  removeCheckpoints(files, folder, /*all=*/true);
  for (const std::string &name : files.list(folder))
    if (isFailedStep(name))
      removeFailedStep(files, folder + "/" + name, plan);
  for (const std::string &name : OutputFolder::replaced(folder, plan))
    if (name != summaryFile && name != metricsFile && name != resolvedRecipeFile)
      (void)files.remove(folder + "/" + name);
  (void)files.remove(folder + "/" + std::string(resolvedRecipeFile));
  (void)files.remove(folder + "/" + summaryFile);
  (void)files.remove(folder + "/" + metricsFile);
}

/// A run must neither count nor replace what another program saved under the names of checkpoints.
Status checkForeign(const std::string &path) {
  for (const std::string &name : systemFiles().list(path))
    if (const std::optional<uint64_t> step = checkpointStep(name); step && !isOwnCheckpoint(systemFiles(), path, *step))
      return badInput(fmt::format("--out {}: holds {}, which no run of ftrun made; name another folder", path, name));
  return {};
}

Status checkWritable(const std::string &path, const fs::path &there) {
  if (access(there.c_str(), W_OK | X_OK) != 0)
    return badInput(fmt::format("--out {}: {} is not writable; name another folder", path, there.string()));
  return {};
}

/// Whether a run may take the folder without being told to overwrite.
Status checkContent(const std::string &path, const plan::Plan &plan) {
  std::error_code error;
  const fs::path folder = path;
  if (!fs::is_directory(folder, error) || fs::is_empty(folder, error))
    return {};
  const bool untrained = hasTrainedNothing(folder);
  if (!untrained && fs::exists(folder / summaryFile, error))
    return badInput(
        fmt::format("--out {}: holds a finished run (summary.json); name another folder or pass --overwrite", path));
  if (const std::vector<uint64_t> steps = completeCheckpoints(path); !steps.empty())
    return badInput(fmt::format("--out {}: holds an unfinished run with {}; continue it with --resume auto, name "
                                "another folder, or pass --overwrite to start anew",
                                path, checkpointName(steps.back())));
  if (untrained)
    return {};
  if (!hasOwnMetrics(folder))
    return badInput(fmt::format("--out {}: holds files that no run of ftrun wrote; name another folder or pass "
                                "--overwrite, which keeps them",
                                path));
  if (const std::string result = resultIn(folder, plan); !result.empty())
    return badInput(
        fmt::format("--out {}: holds {}, and no finished run; name another folder or pass --overwrite, which "
                    "replaces it",
                    path, result));
  return {};
}

/// The folder, or the nearest above it that is there: where it will be made.
fs::path nearestFolder(const std::string &path) {
  std::error_code error;
  fs::path there = fs::absolute(path, error);
  if (error) // a working folder that has been removed
    return path;
  while (!fs::exists(there, error) && there.has_relative_path())
    there = there.parent_path();
  return there;
}

/// A disk that is full behind the last step would cost the whole run. What an earlier run left there makes room.
Status checkRoom(const std::string &path, const fs::path &there, const plan::Plan &plan) {
  std::error_code error;
  uint64_t replaced = 0;
  for (const std::string &name : OutputFolder::replaced(path, plan))
    if (const uintmax_t size = fs::file_size(fs::path(path) / name, error); !error)
      replaced += size;
  return checkResultRoom(path, there.string(), replaced, plan);
}

/// What no run takes, whatever it was told: a link that leads nowhere, a folder that a run is writing to now, a
/// checkpoint of another run.
Status checkTakeable(const std::string &path) {
  std::error_code error;
  if (fs::is_symlink(fs::symlink_status(path, error)) && !fs::exists(path, error))
    return badInput(fmt::format("--out {}: is a link to {}, which is not there; make that folder, or name another",
                                path, fs::read_symlink(path, error).string()));
  if (!fs::is_directory(path, error))
    return {};
  FT_RETURN_IF_ERROR(FolderLock::take(path).status());
  // Of the canonical path: "out/checkpoint-5/." and links are the same folder.
  const fs::path folder = fs::canonical(path, error);
  if (checkpointStep(folder.filename().string()) && isMarkedComplete(folder.string()))
    return badInput(fmt::format("--out {}: is a checkpoint of the run in {}; name another folder", path,
                                folder.parent_path().string()));
  return {};
}

/// Where a damaged checkpoint goes: what lies there of earlier ones stays.
std::string asideOf(const std::string &checkpoint) {
  std::string aside = checkpoint + ".damaged";
  std::error_code error;
  for (int n = 2; fs::exists(fs::symlink_status(aside, error)); ++n)
    aside = fmt::format("{}.damaged.{}", checkpoint, n);
  return aside;
}
} // namespace

Status OutputFolder::check(const std::string &path, const plan::Plan &plan, bool overwrite) {
  std::error_code error;
  const fs::path there = nearestFolder(path);
  if (fs::path(path).is_relative() && fs::current_path(error).empty())
    return badInput(
        fmt::format("--out {}: the working folder was removed; change into one that is there, or give a path "
                    "from the root",
                    path));
  if (!fs::is_directory(there, error))
    return badInput(fmt::format("--out {}: {} is no folder; must be a folder or a new name", path, there.string()));
  FT_RETURN_IF_ERROR(checkTakeable(path));
  FT_RETURN_IF_ERROR(checkWritable(path, there));
  FT_RETURN_IF_ERROR(checkForeign(path));
  if (!overwrite)
    FT_RETURN_IF_ERROR(checkContent(path, plan));
  return checkRoom(path, there, plan);
}

/// Held as long as the process writes there. A file system that has no locks on folders refuses nothing.
Expected<std::shared_ptr<const FolderLock>> FolderLock::take(const std::string &path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto lock = std::make_shared<const FolderLock>(descriptor);
  if (descriptor >= 0 && ::flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    return badInput(fmt::format("--out {}: another run writes there; name another folder", path));
  return lock;
}

FolderLock::~FolderLock() {
  if (descriptor >= 0)
    ::close(descriptor);
}

Expected<OutputFolder> OutputFolder::prepare(const std::string &path, const plan::Plan &plan, bool overwrite,
                                             Files &files) {
  FT_RETURN_IF_ERROR(check(path, plan, overwrite));
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    return badInput(fmt::format("--out {}: cannot be created: {}; name another folder", path, error.message()));
  OutputFolder taken(path);
  FT_ASSIGN_OR_RETURN(taken.lock, FolderLock::take(path));
  removeLeftovers(path, names(plan));
  removeOwnFiles(files, path, plan);
  taken.room = std::make_shared<ReservedRoom>(path, resultBytes(plan));
  return taken;
}

Status OutputFolder::checkReopen(const std::string &path, const plan::Plan &plan, uint64_t step,
                                 const std::vector<uint64_t> &damaged) {
  FT_RETURN_IF_ERROR(checkTakeable(path));
  for (const uint64_t found : completeCheckpoints(path))
    if (found > step && std::find(damaged.begin(), damaged.end(), found) == damaged.end())
      return badInput(fmt::format("--out {}: holds {}, which is newer than the checkpoint of step {} that is resumed; "
                                  "name another folder, or resume the newest with --resume auto",
                                  path, checkpointName(found), step));
  FT_RETURN_IF_ERROR(checkWritable(path, path));
  FT_RETURN_IF_ERROR(checkForeign(path));
  return checkRoom(path, path, plan);
}

Expected<OutputFolder> OutputFolder::reopen(const std::string &path, const plan::Plan &plan, uint64_t step,
                                            const std::vector<uint64_t> &damaged) {
  FT_RETURN_IF_ERROR(checkReopen(path, plan, step, damaged));
  OutputFolder taken(path);
  FT_ASSIGN_OR_RETURN(taken.lock, FolderLock::take(path));
  std::error_code error;
  for (const uint64_t found : damaged) {
    const std::string name = path + "/" + checkpointName(found);
    fs::rename(name, asideOf(name), error);
    if (error)
      return badInput(fmt::format("{}: cannot be renamed: {}", name, error.message()));
  }
  removeLeftovers(path, names(plan));
  removeCheckpoints(systemFiles(), path, /*all=*/false);
  fs::remove(path + "/" + summaryFile, error);
  taken.room = std::make_shared<ReservedRoom>(path, resultBytes(plan));
  return taken;
}

bool OutputFolder::makeAgain() const {
  std::error_code error; // what cannot be made is said by who writes into it
  return !fs::exists(folder, error) && fs::create_directories(folder, error);
}

Expected<std::string> OutputFolder::failedStepFolder(uint64_t step) const {
  const std::string path = file(fmt::format("failed-step-{}", step));
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    return failed(fmt::format("{}: cannot be created: {}", path, error.message()));
  return path;
}

std::vector<std::string> OutputFolder::names(const plan::Plan &plan) {
  std::vector<std::string> names = {metricsFile, summaryFile, latestFile};
  if (plan.target().driver() == plan::CUDA)
    names.push_back(algorithmsFile);
  for (const plan::ExportFile &file : plan.exports())
    names.push_back(file.file());
  for (const plan::Text &text : plan.texts())
    names.push_back(text.file());
  for (uint32_t rank = 1; rank < plan::Mesh(plan).ranks(); ++rank)
    names.push_back(fmt::format("rank-{}.log", rank));
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> OutputFolder::replaced(const std::string &path, const plan::Plan &plan) {
  std::vector<std::string> all = names(plan);
  if (!hasOwnResults(path))
    return all;
  all.insert(all.end(), std::begin(results), std::end(results));
  for (const std::string &name : systemFiles().list(path))
    if (isRankLog(name))
      all.push_back(name);
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

std::vector<std::string> OutputFolder::files(const plan::Plan &plan) const {
  std::vector<std::string> files;
  std::error_code ignored;
  auto add = [&](const fs::path &folder) {
    for (const std::string &name : names(plan))
      if (fs::exists(folder / name, ignored))
        files.push_back((folder / name).string());
  };
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, ignored))
    if (isFailedStep(entry.path().filename().string()))
      add(entry.path());
  add(folder);
  return files;
}
