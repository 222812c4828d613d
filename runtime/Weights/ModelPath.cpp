#include "runtime/Weights/ModelPath.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <vector>

namespace ft::rt {

namespace fs = std::filesystem;

namespace {

/// The models of a folder, by name; what goes with one (a projector of images, an importance matrix) is none.
std::vector<std::string> ggufModels(const fs::path &folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const auto part = partNumber(name, ".gguf");
    if (name.ends_with(".gguf") && !name.starts_with("mmproj") && (!part || part->part == 1))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool hasSafetensors(const fs::path &folder) {
  return isNamed(folder / "model.safetensors") || isNamed(folder / "model.safetensors.index.json");
}

/// What is named in a model's place and belongs to one, or stands on one: with the way out. Empty of anything else.
std::string mistaken(const fs::path &named) {
  const std::string name = named.filename().string();
  std::error_code ignored;
  if (fs::is_directory(named, ignored)) {
    if (isNamed(named / "adapter_config.json") && !isNamed(named / "config.json") && !hasSafetensors(named))
      return "holds an adapter, not a model; name it with --adapter, and with --model what it was trained on";
    if (name.starts_with("models--") && fs::is_directory(named / "snapshots", ignored))
      return "is where the Hub's cache keeps all revisions of a model; name the model as owner/name, or one of the "
             "folders under snapshots";
    return "";
  }
  if (name == "adapter_model.safetensors")
    return "is an adapter, not a model; name its folder with --adapter, and with --model what it was trained on";
  if (name == "config.json" || name.ends_with(".safetensors.index.json"))
    return "is one file of a model; name the folder that holds it";
  return "";
}

/// The folder itself, or the GGUF file that is meant.
Expected<std::string> modelIn(const std::string &folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored) || hasSafetensors(folder))
    return folder;
  std::vector<std::string> models = ggufModels(folder);
  constexpr size_t most = 20;
  if (models.empty()) // the reader of folders says what is missing
    return folder;
  if (models.size() == 1)
    return (fs::path(folder) / models.front()).string();
  const std::string more = models.size() > most ? fmt::format(" and {} more", models.size() - most) : "";
  models.resize(std::min(models.size(), most));
  return badInput(fmt::format("model {}: the folder holds several models; name one of them: {}{}", folder,
                              shown(fmt::format("{}", fmt::join(models, ", ")), 2000), more));
}

} // namespace

Expected<ModelPath> ModelPath::find(const std::string &named) {
  ModelPath found{named, std::nullopt};
  if (named.starts_with("seeded:"))
    return found;
  if (const std::string target = lostTarget(named); !target.empty())
    return badInput(
        fmt::format("model {}: is a link to {}, where nothing is; copy or download it again", named, target));
  if (!isNamed(named)) {
    found.hub = parseHubName(named);
    if (!found.hub)
      return badInput(fmt::format("model {}: no such file or folder; give a Hugging Face model folder, a .safetensors "
                                  "file, a .gguf file, a model of the Hub as owner/name, or seeded:SEED{}",
                                  named,
                                  named.find("://") == named.npos ? "" : "; nothing is fetched from an address"));
    auto snapshot = findSnapshot(*found.hub);
    if (!snapshot.ok())
      return badInput(
          fmt::format("model {}: there is no such file or folder, and {}", named, snapshot.status().message()));
    found.path = std::move(*snapshot);
  }
  if (const std::string what = mistaken(found.path); !what.empty())
    return badInput(fmt::format("model {}: {}", named, what));
  FT_ASSIGN_OR_RETURN(found.path, modelIn(found.path));
  return found;
}

Status ModelPath::withWayOut(const Status &status) const {
  if (status.ok() || !hub)
    return status;
  return {status.code(), fmt::format("{}\nwhere a file is missing or damaged, fetch it again: {}", status.message(),
                                     downloadLine(*hub))};
}

std::optional<PartNumber> partNumber(std::string_view path, std::string_view extension) {
  constexpr std::string_view form = "-00000-of-00000";
  if (!path.ends_with(extension) || path.size() < extension.size() + form.size())
    return std::nullopt;
  const std::string_view text = path.substr(path.size() - extension.size() - form.size(), form.size());
  PartNumber number;
  for (size_t i = 0; i < form.size(); ++i)
    if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
      return std::nullopt;
  std::from_chars(text.data() + 1, text.data() + 6, number.part);
  std::from_chars(text.data() + form.size() - 5, text.data() + form.size(), number.count);
  return number;
}

} // namespace ft::rt
