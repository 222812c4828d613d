#include "runtime/Weights/Safetensors.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/Files.h"
#include "runtime/Support/Json.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <set>

namespace ft::rt {

namespace fs = std::filesystem;

namespace {

/// The reference implementation's bound; real headers have a few hundred kB.
constexpr uint64_t maxHeaderBytes = 100'000'000;

/// Reads a JSON array of unsigned integers.
bool readUnsigned(const Json &json, std::vector<uint64_t> &values) {
  if (!json.is_array())
    return false;
  for (const Json &item : json) {
    if (!item.is_number_unsigned())
      return false;
    values.push_back(item.get<uint64_t>());
  }
  return true;
}

struct Entry {
  TensorView view;
  uint64_t begin = 0, end = 0;
};

Status readEntry(const std::string &place, const Json &json, Entry &entry) {
  if (!json.is_object() || !json.contains("dtype") || !json.contains("shape") || !json.contains("data_offsets") ||
      !json["dtype"].is_string())
    return badInput(place + " must be an object with dtype, shape and data_offsets");
  std::string dtype = json["dtype"];
  std::optional<Encoding> encoding = encodingNamed(dtype);
  if (!encoding || blockElements(*encoding) > 1)
    return badInput(fmt::format("{} has dtype {}; supported are F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I32, I64, U8",
                                place, shown(dtype)));
  entry.view.encoding = *encoding;
  std::vector<uint64_t> offsets;
  if (!readUnsigned(json["shape"], entry.view.shape) || !readUnsigned(json["data_offsets"], offsets) ||
      offsets.size() != 2)
    return badInput(place + ": shape must be a list of unsigned integers, data_offsets two of them");
  entry.begin = offsets[0], entry.end = offsets[1];
  uint64_t count = elementCount(entry.view.shape), bytes = 0;
  if (count == UINT64_MAX || __builtin_mul_overflow(count, blockBytes(*encoding), &bytes))
    return badInput(fmt::format("{}: the size of {} exceeds 64 bits", place, shapeText(entry.view.shape)));
  if (entry.begin > entry.end || entry.end - entry.begin != bytes)
    return badInput(fmt::format("{}: data_offsets [{}, {}] do not span the {} bytes of {} {}", place, entry.begin,
                                entry.end, bytes, dtype, shapeText(entry.view.shape)));
  return {};
}

/// The tensors must tile the data section: no hole, no overlap, nothing behind the last.
Status placeEntries(std::vector<Entry> &entries, std::span<const std::byte> data, const std::string &path) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry &a, const Entry &b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t end = 0;
  for (Entry &entry : entries) {
    if (entry.begin != end)
      return badInput(fmt::format("{}: tensor \"{}\" starts at data offset {}; must be {}, where the one before ends",
                                  path, shown(entry.view.name), entry.begin, end));
    if (entry.end > data.size())
      return badInput(
          fmt::format("{}: tensor \"{}\" ends at data offset {}, the file has {} bytes of data; it is cut or "
                      "damaged: copy or download it again",
                      path, shown(entry.view.name), entry.end, data.size()));
    end = entry.end;
    entry.view.bytes = data.subspan(entry.begin, entry.end - entry.begin);
  }
  if (end != data.size())
    return badInput(fmt::format("{}: {} bytes of data belong to no tensor", path, data.size() - end));
  return {};
}

Status readMetadata(const std::string &path, const Json &json, std::map<std::string, std::string> &texts) {
  if (json.is_null()) // as some writers leave it; the reference reads none
    return {};
  if (!json.is_object())
    return badInput(path + ": __metadata__ must map strings to strings");
  for (const auto &[key, value] : json.items()) {
    if (!value.is_string())
      return badInput(fmt::format("{}: __metadata__ \"{}\" must be a string", path, shown(key)));
    texts[key] = value.get<std::string>();
  }
  return {};
}

Expected<std::string_view> headerText(std::span<const std::byte> bytes, const std::string &path) {
  // Asked last: the length of a header may look like the start of anything.
  auto refuse = [&](const std::string &what) {
    const std::string kind = foreignKind(bytes);
    return badInput(fmt::format("{}: {}", path, kind.empty() ? what : "must be a safetensors file, and is " + kind));
  };
  if (bytes.size() < 8)
    return refuse(fmt::format("{} bytes are too short for a safetensors file", bytes.size()));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > maxHeaderBytes || length > bytes.size() - 8)
    return refuse(
        fmt::format("the header claims {} bytes; the file has {} behind its length, and {} is the most that is "
                    "read: it is cut, damaged or no safetensors file",
                    length, bytes.size() - 8, maxHeaderBytes));
  std::string_view text(reinterpret_cast<const char *>(bytes.data()) + 8, length);
  if (text.empty() || text.front() != '{')
    return refuse("the header is no JSON object; this is no safetensors file");
  return text;
}

} // namespace

Expected<SafetensorsFile> SafetensorsFile::open(const std::string &path) {
  FT_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::open(path));
  SafetensorsFile file;
  file.filePath = path;
  file.mapping = std::make_shared<const MappedFile>(std::move(mapped));
  std::span<const std::byte> bytes = file.mapping->bytes();
  file.fileSize = bytes.size();
  FT_ASSIGN_OR_RETURN(std::string_view text, headerText(bytes, path));
  file.headerBytes = bytes.first(8 + text.size());
  FT_ASSIGN_OR_RETURN(Json root, parseJson(text, path + ": header"));

  std::vector<Entry> entries;
  for (const auto &[name, json] : root.items()) {
    if (name == "__metadata__") {
      FT_RETURN_IF_ERROR(readMetadata(path, json, file.texts));
      continue;
    }
    Entry entry;
    entry.view.name = name;
    FT_RETURN_IF_ERROR(readEntry(fmt::format("{}: tensor \"{}\"", path, shown(name)), json, entry));
    entries.push_back(std::move(entry));
  }
  FT_RETURN_IF_ERROR(placeEntries(entries, bytes.subspan(8 + text.size()), path));
  for (Entry &entry : entries)
    file.views.push_back(std::move(entry.view));
  std::sort(file.views.begin(), file.views.end(), [](const auto &a, const auto &b) { return a.name < b.name; });
  return file;
}

const TensorView *SafetensorsFile::tensor(std::string_view name) const {
  auto it = std::lower_bound(views.begin(), views.end(), name,
                             [](const TensorView &view, std::string_view n) { return view.name < n; });
  return it != views.end() && it->name == name ? &*it : nullptr;
}

Status SafetensorsSet::add(const std::string &path) {
  FT_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::open(path));
  shards.push_back(std::move(file));
  return {};
}

Status SafetensorsSet::addIndexed(const std::string &folder, const std::string &indexPath) {
  FT_ASSIGN_OR_RETURN(Json index, readJsonObject(indexPath));
  if (!index.contains("weight_map") || !index["weight_map"].is_object() || index["weight_map"].empty())
    return badInput(indexPath + ": weight_map must be an object that maps tensor names to file names");
  std::map<std::string, std::set<std::string>> namesOfShard;
  for (const auto &[name, shard] : index["weight_map"].items()) {
    std::string file = shard.is_string() ? shard.get<std::string>() : "";
    if (file.empty() || fs::path(file).filename() != file || file == "." || file == ".." ||
        file.find('\0') != std::string::npos) // where the system would cut the name
      return badInput(fmt::format("{}: tensor \"{}\" lies in {}; must be the name of a file in the same folder",
                                  indexPath, shown(name), shownJson(shard)));
    namesOfShard[file].insert(name);
  }
  for (const auto &[file, names] : namesOfShard) {
    const fs::path shard = fs::path(folder) / file;
    if (!isNamed(shard))
      return badInput(
          fmt::format("{}: {}, which it names for {} tensors, is not there; copy or download the whole model",
                      indexPath, shown(file), names.size()));
    FT_RETURN_IF_ERROR(add(shard.string()));
    for (const std::string &name : names)
      if (!shards.back().tensor(name))
        return badInput(fmt::format("{}: tensor \"{}\" should be in {}, which does not hold it", indexPath, shown(name),
                                    shown(file)));
  }
  return {};
}

Status SafetensorsSet::collect() {
  for (const SafetensorsFile &file : shards)
    for (const TensorView &view : file.tensors()) {
      auto [it, isNew] = entries.emplace(view.name, TensorInFile{&view, file.path()});
      if (!isNew)
        return badInput(
            fmt::format("tensor \"{}\" is in both {} and {}", shown(view.name), it->second.file, file.path()));
    }
  return {};
}

/// The name of weights in the folder as torch.save writes them; empty where there are none.
static std::string pickleIn(const std::string &folder) {
  std::error_code ignored;
  for (const char *name : {"pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"})
    if (fs::exists(fs::path(folder) / name, ignored))
      return name;
  return "";
}

/// Why there is nothing to open in a folder.
static Status nothingIn(const std::string &folder) {
  if (const std::string pickle = pickleIn(folder); !pickle.empty())
    return badInput(
        fmt::format("{}: holds {}, a pickle of Python, which is not read; load it with Transformers and save it "
                    "again with save_pretrained(…, safe_serialization=True)",
                    folder, pickle));
  for (const std::string &name : systemFiles().list(folder))
    if (name.ends_with(".safetensors"))
      return badInput(fmt::format("{}: holds {}, and no model.safetensors.index.json, which says what lies in which "
                                  "file; copy or download the whole model, or name that file",
                                  folder, shown(name)));
  return badInput(fmt::format("{}: the folder holds neither model.safetensors nor model.safetensors.index.json; "
                              "give a Hugging Face model folder with safetensors, a .safetensors or a .gguf file",
                              folder));
}

Expected<SafetensorsSet> SafetensorsSet::open(const std::string &path) {
  SafetensorsSet set;
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    FT_RETURN_IF_ERROR(set.add(path));
  } else if (std::string single = (fs::path(path) / "model.safetensors").string(); isNamed(single)) {
    FT_RETURN_IF_ERROR(set.add(single));
  } else if (std::string index = single + ".index.json"; isNamed(index)) {
    FT_RETURN_IF_ERROR(set.addIndexed(path, index));
  } else {
    return nothingIn(path);
  }
  FT_RETURN_IF_ERROR(set.collect());
  return set;
}

} // namespace ft::rt
