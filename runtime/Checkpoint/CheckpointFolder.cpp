#include "runtime/Checkpoint/CheckpointFolder.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Sha256.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr std::string_view prefix = "checkpoint-";

Status failure(const std::string &path, const char *what, const std::error_code &error) {
  return failed(fmt::format("{}: cannot {}: {}", path, what, error.message()));
}

/// All but the marker, into a folder of its own.
Status writeAside(const plan::Plan &plan, const BufferReader &read, CheckpointState &state, const std::string &aside,
                  Files &files, std::string &stateText) {
  if (const std::error_code error = files.makeFolder(aside))
    return failure(aside, "create", error);
  FT_ASSIGN_OR_RETURN(state.files, exportFiles(plan, read, aside, files));
  FT_ASSIGN_OR_RETURN(WrittenFile moments, exportMoments(plan, read, aside, files));
  state.files.push_back(std::move(moments));
  stateText = toJson(state);
  return writeFileAtomically(aside + "/" + stateFile, stateText, files);
}
} // namespace

std::string ft::rt::checkpointName(uint64_t step) { return fmt::format("{}{}", prefix, step); }

std::optional<uint64_t> ft::rt::checkpointStep(std::string_view name) {
  if (!name.starts_with(prefix))
    return std::nullopt;
  name.remove_prefix(prefix.size());
  uint64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() ||
      checkpointName(step).size() != prefix.size() + name.size())
    return std::nullopt;
  return step;
}

bool ft::rt::isUnfinishedCheckpoint(std::string_view name) {
  const size_t mark = name.find(".tmp.");
  return mark != std::string_view::npos && checkpointStep(name.substr(0, mark)).has_value();
}

bool ft::rt::isMarkedComplete(const std::string &folder) { return isNamed(folder + "/" + completeFile); }

/// What has state.json or its marker, or is empty; or the target of a renaming that a network file system did in part.
bool ft::rt::isOwnCheckpoint(Files &files, const std::string &folder, uint64_t step) {
  const std::string name = checkpointName(step);
  const std::vector<std::string> held = files.list(folder + "/" + name), others = files.list(folder);
  auto holds = [&](const char *file) { return std::ranges::find(held, file) != held.end(); };
  return held.empty() || holds(stateFile) || holds(completeFile) ||
         std::ranges::any_of(others, [&](std::string_view other) { return other.starts_with(name + ".tmp."); });
}

std::vector<uint64_t> ft::rt::completeCheckpoints(const std::string &folder) {
  std::vector<uint64_t> steps;
  for (const std::string &name : systemFiles().list(folder))
    if (const std::optional<uint64_t> step = checkpointStep(name); step && isMarkedComplete(folder + "/" + name))
      steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

Status ft::rt::writeCheckpoint(const plan::Plan &plan, const BufferReader &read, CheckpointState state,
                               const std::string &folder, Files &files) {
  const uint64_t step = state.position.step;
  const std::string path = folder + "/" + checkpointName(step), aside = fmt::format("{}.tmp.{}.0", path, getpid());
  (void)removeFolder(files, aside); // of an attempt that failed
  // Ahead of writing aside, which looks like a renaming that was done in part.
  if (!isOwnCheckpoint(files, folder, step))
    return failure(path, "make room for", std::make_error_code(std::errc::file_exists));
  std::string stateText;
  Status status = writeAside(plan, read, state, aside, files, stateText);
  if (status.ok())
    if (const std::error_code error = removeCheckpoint(files, folder, step)) // an incomplete one of an earlier process
      status = failure(path, "make room for", error);
  if (status.ok())
    if (const std::error_code error = files.rename(aside, path))
      status = failure(path, "rename into place", error);
  if (!status.ok()) {
    (void)removeFolder(files, aside);
    return status;
  }
  if (const std::error_code error = files.syncFolder(folder))
    status = failure(path, "write its name to disk", error);
  if (status.ok())
    status = writeFileAtomically(path + "/" + completeFile, toHex(sha256(stateText)) + "\n", files);
  if (!status.ok()) {
    (void)removeCheckpoint(files, folder, step);
    return status;
  }
  return writeFileAtomically(folder + "/" + latestFile, checkpointName(step) + "\n", files);
}

std::error_code ft::rt::removeCheckpoint(Files &files, const std::string &folder, uint64_t step) {
  const std::string path = folder + "/" + checkpointName(step);
  const std::vector<std::string> names = files.list(path);
  if (names.empty())
    return removeFolder(files, path);
  if (!isOwnCheckpoint(files, folder, step))
    return std::make_error_code(std::errc::file_exists);
  const std::error_code error = files.remove(path + "/" + completeFile);
  if (error && error != std::errc::no_such_file_or_directory)
    return error;
  if (!error)
    if (const std::error_code unsynced = files.syncFolder(path))
      return unsynced;
  for (const std::string &name : names)
    if (name != completeFile && name != stateFile)
      if (const std::error_code kept = files.remove(path + "/" + name))
        return kept;
  return removeFolder(files, path);
}

Status ft::rt::removeOldCheckpoints(const std::string &folder, uint64_t limit, std::optional<uint64_t> keep,
                                    Files &files) {
  std::vector<uint64_t> steps;
  for (const std::string &name : files.list(folder))
    if (const std::optional<uint64_t> step = checkpointStep(name); step && isOwnCheckpoint(files, folder, *step))
      steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  size_t left = steps.size();
  for (const uint64_t step : steps) {
    if (left <= limit || step == steps.back())
      break;
    if (step == keep)
      continue;
    if (const std::error_code error = removeCheckpoint(files, folder, step))
      return failure(folder + "/" + checkpointName(step), "remove", error);
    --left;
  }
  return {};
}
