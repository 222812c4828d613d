#include "runtime/Checkpoint/Checkpoint.h"

#include "runtime/Plan/SavedState.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Sha256.h"
#include "runtime/Weights/Convert.h"
#include "runtime/Weights/Model.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

using namespace ft;
using namespace ft::rt;

namespace {
bool isTensorFile(std::string_view name) { return name.ends_with(".safetensors"); }

Status checkFile(const std::string &folder, const WrittenFile &written) {
  if (std::filesystem::path(written.name).filename() != written.name)
    return badInput(
        fmt::format("{}/{}: names the file \"{}\", which is no plain file name", folder, stateFile, written.name));
  FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(folder + "/" + written.name));
  if (file.size() != written.bytes)
    return badInput(
        fmt::format("{}: has {} bytes; had {} when it was written", file.path(), file.size(), written.bytes));
  Checksum checksum;
  checksum.update(file.bytes());
  if (checksum.value() != written.checksum)
    return badInput(fmt::format("{}: its checksum is {:016x}; was {:016x} when it was written", file.path(),
                                checksum.value(), written.checksum));
  return {};
}

/// The state, whose files are all there as they were written.
Expected<CheckpointState> readState(const std::string &folder) {
  std::error_code none;
  if (!std::filesystem::is_directory(folder, none))
    return badInput(fmt::format("{}: there is no such folder", folder));
  if (!isMarkedComplete(folder))
    return badInput(fmt::format("{}: is no complete checkpoint: \"{}\" is missing", folder, completeFile));
  const std::string path = folder + "/" + stateFile;
  FT_ASSIGN_OR_RETURN(const MappedFile marker, MappedFile::open(folder + "/" + completeFile));
  FT_ASSIGN_OR_RETURN(const MappedFile text, MappedFile::open(path));
  const std::string digest = toHex(sha256(text.bytes())) + "\n";
  if (!std::ranges::equal(marker.bytes(), std::as_bytes(std::span(digest))))
    return badInput(fmt::format("{}: does not belong to {}: one of both was changed since", path, marker.path()));
  FT_ASSIGN_OR_RETURN(CheckpointState state,
                      parseCheckpointState({reinterpret_cast<const char *>(text.bytes().data()), text.size()}, path));
  const std::optional<uint64_t> named = checkpointStep(std::filesystem::path(folder).filename().string());
  if (named && *named != state.position.step)
    return badInput(fmt::format("{}: is of step {}, and its folder is called {}; give it its own name back", path,
                                state.position.step, checkpointName(*named)));
  for (const WrittenFile &file : state.files)
    FT_RETURN_IF_ERROR(checkFile(folder, file));
  return state;
}

} // namespace

Expected<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::string &folder, const plan::Plan &plan) {
  FT_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, open(folder));
  FT_RETURN_IF_ERROR(checkpoint->match(plan));
  return checkpoint;
}

Expected<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::string &folder) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->folder = folder;
  FT_ASSIGN_OR_RETURN(checkpoint->held, readState(folder));
  for (const WrittenFile &written : checkpoint->held.files)
    if (isTensorFile(written.name)) {
      FT_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(folder + "/" + written.name));
      checkpoint->files.push_back(std::move(file));
    }
  return checkpoint;
}

Status Checkpoint::match(const plan::Plan &plan) {
  std::map<std::string_view, Found> there;
  std::vector<std::string> problems;
  for (const SafetensorsFile &file : files)
    for (const TensorView &view : file.tensors())
      if (const auto [other, first] = there.try_emplace(view.name, Found{&view, file.path()}); !first)
        problems.push_back(fmt::format("{}: tensor \"{}\" is in {} too", file.path(), view.name, other->second.file));
  std::set<std::string> wanted;
  for (const uint32_t index : plan::savedState(plan).tensors) {
    const plan::Tensor &tensor = plan.tensors(static_cast<int>(index));
    const std::string name = savedName(tensor);
    wanted.insert(name);
    const auto place = there.find(name);
    if (place == there.end())
      problems.push_back(fmt::format("tensor \"{}\" {} is missing", name, shapeText(spanOf(tensor.shape()))));
    else if (auto problem = shapeOrTypeProblem(*place->second.view, tensor))
      problems.push_back(fmt::format("{}: tensor \"{}\" {}", place->second.file, name, *problem));
    else
      found[static_cast<int>(index)] = place->second;
  }
  for (const auto &[name, entry] : there)
    if (!wanted.contains(std::string(name)))
      problems.push_back(
          fmt::format("{}: tensor \"{}\" {} is not in the plan", entry.file, name, shapeText(entry.view->shape)));
  return problemsStatus("checkpoint " + folder, problems);
}

Producer Checkpoint::producer(int index, const plan::Tensor &tensor) const {
  const auto place = found.find(index);
  return place == found.end() ? Producer() : fileProducer(*place->second.view, tensor.dtype(), 0);
}

std::string Checkpoint::fileOf(int index) const {
  const auto place = found.find(index);
  return place == found.end() ? "" : place->second.file;
}
