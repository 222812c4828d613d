#include "runtime/Text/Samples.h"

#include "runtime/Support/MappedFile.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <string_view>

namespace ft::rt {

namespace {
using nlohmann::json;

/// "syntax error while parsing value - …" out of nlohmann's "[json.exception…] parse error at line 1, column 5: …".
std::string reason(const json::parse_error &error) {
  const std::string_view text = error.what();
  const size_t colon = text.find(": ");
  return std::string(colon == std::string_view::npos ? text : text.substr(colon + 2));
}

Status readField(const json &object, const char *field, bool required, const std::string &where, std::string &out) {
  auto it = object.find(field);
  if (it == object.end() || (it->is_null() && !required)) {
    if (!required)
      return {};
    std::string found;
    for (const auto &[name, value] : object.items())
      found += (found.empty() ? "" : ", ") + name.substr(0, 40);
    const bool other = object.contains("messages") || object.contains("prompt");
    return badInput(fmt::format("{}: field \"{}\" is missing; must have instruction and output, and may have input; "
                                "found: {}{}",
                                where, field, found.empty() ? "nothing" : found,
                                other ? " (messages and prompt/completion are not supported yet)" : ""));
  }
  if (!it->is_string())
    return badInput(fmt::format("{}: field \"{}\" is of type {}; must be a string", where, field, it->type_name()));
  out = it->get<std::string>();
  return {};
}

Expected<Sample> readSample(const json &object, uint64_t place, const std::string &where) {
  if (!object.is_object())
    return badInput(fmt::format("{}: is of type {}; must be an object with instruction, input and output", where,
                                object.type_name()));
  Sample sample;
  sample.place = place;
  FT_RETURN_IF_ERROR(readField(object, "instruction", true, where, sample.instruction));
  FT_RETURN_IF_ERROR(readField(object, "input", false, where, sample.input));
  FT_RETURN_IF_ERROR(readField(object, "output", true, where, sample.output));
  return sample;
}

Status readArray(std::string_view text, SampleFile &file) {
  json array;
  try {
    array = json::parse(text);
  } catch (const json::parse_error &error) {
    const auto at = std::min<size_t>(error.byte, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + at, '\n');
    return badInput(fmt::format("{}:{}: not JSON: {}", file.path, line, reason(error)));
  }
  file.samples.reserve(array.size());
  for (size_t index = 0; index < array.size(); ++index) {
    const std::string where = fmt::format("{}: {}", file.path, placeName(false, index));
    FT_ASSIGN_OR_RETURN(Sample sample, readSample(array[index], index, where));
    file.samples.push_back(std::move(sample));
  }
  return {};
}

Status readLines(std::string_view text, SampleFile &file) {
  const std::string_view whole = text;
  uint64_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
      continue;
    const std::string where = fmt::format("{}:{}", file.path, number);
    try {
      FT_ASSIGN_OR_RETURN(Sample sample, readSample(json::parse(line), number, where));
      file.samples.push_back(std::move(sample));
    } catch (const json::parse_error &error) {
      if (number == 1 && json::accept(whole))
        return badInput(fmt::format("{}: is one JSON object over several lines; must be an array of objects, or one "
                                    "object a line",
                                    file.path));
      return badInput(fmt::format("{}: not JSON: {}", where, reason(error)));
    }
  }
  return {};
}
} // namespace

std::string placeName(bool lines, uint64_t place) { return fmt::format("{} {}", lines ? "line" : "sample", place); }

Expected<SampleFile> readSamples(const std::string &path) {
  FT_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::open(path));
  std::string_view text(reinterpret_cast<const char *>(mapped.bytes().data()), mapped.size());
  SampleFile file;
  file.path = path;
  file.digest = sha256(mapped.bytes());
  if (text.starts_with("\xEF\xBB\xBF")) // a byte order mark, as some editors write it
    text.remove_prefix(3);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    return badInput(fmt::format("{}: is empty; must hold a JSON array or lines of JSON objects", path));
  if (text[first] != '[' && text[first] != '{')
    return badInput(fmt::format("{}: starts with '{}'; must be a JSON array ('[') or lines of JSON objects ('{{')",
                                path, text[first] >= ' ' && text[first] < 0x7F ? text[first] : '?'));
  file.lines = text[first] == '{';
  FT_RETURN_IF_ERROR(file.lines ? readLines(text, file) : readArray(text, file));
  if (file.samples.empty())
    return badInput(fmt::format("{}: holds no samples", path));
  return file;
}

} // namespace ft::rt
