#include "runtime/Weights/SafetensorsWriter.h"

#include "runtime/Support/Json.h"
#include "runtime/Weights/Convert.h"

#include <fmt/format.h>
#include <set>

namespace ft::rt {

Expected<SafetensorsWriter> SafetensorsWriter::create(const std::string &path,
                                                      const std::vector<SafetensorsEntry> &entries,
                                                      const std::map<std::string, std::string> &metadata,
                                                      Files &files) {
  nlohmann::ordered_json header;
  if (!metadata.empty())
    header["__metadata__"] = metadata;
  std::set<std::string_view> names;
  uint64_t end = 0;
  for (const SafetensorsEntry &entry : entries) {
    if (entry.name.empty() || entry.name == "__metadata__" || !names.insert(entry.name).second)
      return badInput(fmt::format("{}: tensor name \"{}\" is empty, reserved or used twice", path, entry.name));
    uint64_t begin = end;
    uint64_t count = elementCount(entry.shape), bytes = 0;
    if (count == UINT64_MAX || __builtin_mul_overflow(count, dtypeBytes(entry.dtype), &bytes) ||
        __builtin_add_overflow(begin, bytes, &end))
      return badInput(
          fmt::format("{}: the size of tensor \"{}\" {} exceeds 64 bits", path, entry.name, shapeText(entry.shape)));
    header[entry.name] = {{"dtype", dtypeName(entry.dtype)}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = entries.empty() && metadata.empty() ? "{}" : "";
  try {
    if (text.empty())
      text = header.dump();
  } catch (const Json::exception &problem) {
    return badInput(fmt::format("{}: a tensor name or metadata text is not UTF-8: {}", path, problem.what()));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');

  FT_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path, files));
  uint64_t length = text.size();
  SafetensorsWriter writer(std::move(file), path, 8 + length + end);
  FT_RETURN_IF_ERROR(writer.write(std::as_bytes(std::span(&length, 1))));
  FT_RETURN_IF_ERROR(writer.write(std::as_bytes(std::span(text))));
  return writer;
}

Status SafetensorsWriter::write(std::span<const std::byte> bytes) {
  checksum.update(bytes);
  return file.write(bytes);
}

Expected<WrittenFile> SafetensorsWriter::finish() {
  if (file.size() != announced)
    return failed(
        fmt::format("{}: {} bytes were written, {} announced; the file is discarded", path, file.size(), announced));
  FT_RETURN_IF_ERROR(file.commit());
  return WrittenFile{path.substr(path.rfind('/') + 1), announced, checksum.value()};
}

} // namespace ft::rt
