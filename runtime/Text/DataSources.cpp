#include "runtime/Text/DataSources.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Text/FileShape.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace {
namespace fs = std::filesystem;

std::vector<std::string> placesOf(const std::string &source, const std::string &baseFolder) {
  std::vector<std::string> places;
  if (!fs::path(source).is_absolute())
    places.push_back((fs::path(baseFolder.empty() ? "." : baseFolder) / source).lexically_normal().string());
  const std::string plain = fs::path(source).lexically_normal().string();
  if (places.empty() || places[0] != plain)
    places.push_back(plain);
  return places;
}

/// What may lie in a folder of data. Parquet and Arrow are among them: they are refused by what is in them.
bool isData(std::string_view fileName) {
  const std::string name = unpackedName(fileName);
  for (std::string_view card : {"dataset_info.json", "dataset_infos.json", "dataset_dict.json"}) // of a set's own files
    if (name == card || name.starts_with("readme"))
      return false;
  for (std::string_view ending : {".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".md", ".parquet", ".arrow"})
    if (name.ends_with(ending))
      return !name.starts_with('.');
  return false;
}

Status addFolder(const fs::path &folder, DataFiles &files) {
  std::error_code error;
  std::vector<std::string> found;
  size_t others = 0, folders = 0;
  for (const fs::directory_entry &entry : fs::directory_iterator(folder, error)) {
    std::error_code ignored;
    // A link that leads nowhere is data that was lost.
    const std::string name = entry.path().filename().string();
    const bool isFolder = entry.is_directory(ignored) && !name.starts_with('.'), data = !isFolder && isData(name);
    if (data)
      found.push_back(entry.path().lexically_normal().string());
    folders += isFolder;
    others += !data && !isFolder;
  }
  if (error)
    return badInput(fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  if (found.empty())
    return badInput(fmt::format("{}: is a folder without data; must hold .json, .jsonl, .csv, .tsv, .txt or .md files, "
                                "perhaps packed (.gz, .zst){}",
                                folder.string(), folders ? "; folders in it are not looked into: name them" : ""));
  std::sort(found.begin(), found.end());
  if (others)
    files.notes.push_back(fmt::format("{}: {} of {} entries are left out: their names are not those of data",
                                      folder.string(), others, others + found.size()));
  if (folders)
    files.notes.push_back(fmt::format("{}: {} in it {} left out; name what shall be read", folder.string(),
                                      folders == 1 ? "a folder" : fmt::format("{} folders", folders),
                                      folders == 1 ? "is" : "are"));
  files.paths.insert(files.paths.end(), found.begin(), found.end());
  return {};
}

std::vector<std::string> pathsOf(std::span<const SampleSource> sources) {
  std::vector<std::string> paths;
  for (const SampleSource &source : sources)
    paths.push_back(source.path());
  return paths;
}

/// The way out where what is named is no path of this machine.
std::string_view elsewhere(std::string_view source) {
  if (source.find("://") != source.npos)
    return "; nothing is fetched: download it, and name the file";
  if (source.starts_with("~"))
    return "; what ~ stands for is known to shells alone: name the folder in full";
  if (source.find_first_of("*?") != source.npos)
    return "; a name stands for one file, or for a folder of them: name each, or the folder";
  if (std::count(source.begin(), source.end(), '/') == 1 && source.find('.') == source.npos)
    return "; a data set of the Hub must be here: hf download --repo-type dataset NAME --local-dir FOLDER, and name "
           "its "
           "files";
  return "";
}

Sha256Digest joined(const std::vector<std::string> &files, const std::vector<Sha256Digest> &digests,
                    const ColumnNames &columns) {
  if (files.size() == 1 && columns == ColumnNames())
    return digests[0];
  std::string all;
  for (size_t i = 0; i < files.size(); ++i)
    // The name's ending says how a file is read.
    all += toHex(digests[i]) + fs::path(files[i]).extension().string() + "\n";
  for (const std::string *name :
       {&columns.instruction, &columns.input, &columns.output, &columns.prompt, &columns.completion, &columns.messages,
        &columns.text, &columns.role, &columns.content})
    all += fmt::format("{} {}\n", name->size(), *name);
  return sha256(all);
}
} // namespace

std::string findData(const std::string &source, const std::string &baseFolder) {
  for (const std::string &place : placesOf(source, baseFolder))
    if (!source.empty() && isNamed(place))
      return place;
  return "";
}

Expected<DataFiles> findDataFiles(const std::vector<std::string> &sources, const std::string &baseFolder) {
  if (sources.empty() || sources[0].empty())
    return badInput("the plan names no data; name a file with --data, or --data synthetic:SEED for measurements");
  DataFiles files;
  for (const std::string &source : sources) {
    const std::string found = findData(source, baseFolder);
    std::error_code ignored;
    if (found.empty())
      return badInput(fmt::format("data file \"{}\" not found; tried {}{}", source,
                                  fmt::join(placesOf(source, baseFolder), ", "), elsewhere(source)));
    if (fs::is_directory(found, ignored))
      FT_RETURN_IF_ERROR(addFolder(found, files));
    else
      files.paths.push_back(found);
  }
  return files;
}

Expected<Sha256Digest> digestOf(const std::vector<std::string> &files, const ColumnNames &columns) {
  std::vector<Sha256Digest> digests;
  for (const std::string &path : files) {
    FT_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::open(path));
    digests.push_back(digestOf(mapped));
  }
  return joined(files, digests, columns);
}

Sha256Digest digestOf(std::span<const SampleSource> sources, const ColumnNames &columns) {
  std::vector<Sha256Digest> digests;
  for (const SampleSource &source : sources)
    digests.push_back(source.digest());
  return joined(pathsOf(sources), digests, columns);
}

ColumnNames columnsOf(const plan::DataColumns &columns) {
  return {columns.instruction(), columns.input(), columns.output(), columns.prompt(), columns.completion(),
          columns.messages(),    columns.text(),  columns.role(),   columns.content()};
}

std::string nameOf(const std::vector<std::string> &files) {
  return files.size() == 1 ? files[0] : fmt::format("{} and {} more", files[0], files.size() - 1);
}

std::string nameOf(std::span<const SampleSource> sources) { return nameOf(pathsOf(sources)); }

} // namespace ft::rt
