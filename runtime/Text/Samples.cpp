#include "runtime/Text/Samples.h"

#include "runtime/Text/DataFile.h"
#include "runtime/Text/JsonCursor.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace ft::rt {

namespace {
using Kind = JsonCursor::Kind;

/// What an object was found to hold.
struct Found {
  bool instruction = false, output = false;
  std::string names;  ///< of all its members, for a message
  bool other = false; ///< a form that is not read
};

Status missing(const char *field, const Found &found) {
  return badInput(fmt::format("field \"{}\" is missing; must have instruction and output, and may have input; found: "
                              "{}{}",
                              field, found.names.empty() ? "nothing" : found.names,
                              found.other ? " (messages and prompt/completion are not supported yet)" : ""));
}

/// One field that is read; null counts as absent.
Status readField(JsonCursor &json, const std::string &name, std::string &out, bool &there) {
  const Kind kind = json.kind();
  there = kind == Kind::String;
  if (kind == Kind::Null)
    return json.skip();
  if (kind == Kind::None)
    return json.skip(); // says what is wrong
  if (!there)
    return badInput(fmt::format("field \"{}\" is of type {}; must be a string", name, JsonCursor::nameOf(kind)));
  FT_ASSIGN_OR_RETURN(out, json.string());
  return {};
}

/// `syntax` is set where the text is no JSON, rather than JSON that says something else.
Expected<Sample> readSample(JsonCursor &json, bool &syntax) {
  Sample sample;
  Found found;
  syntax = false;
  if (const Kind kind = json.kind(); kind != Kind::Object && kind != Kind::None)
    return badInput(
        fmt::format("is of type {}; must be an object with instruction, input and output", JsonCursor::nameOf(kind)));
  syntax = true;
  FT_RETURN_IF_ERROR(json.enter());
  while (true) {
    FT_ASSIGN_OR_RETURN(const bool more, json.next());
    if (!more)
      break;
    FT_ASSIGN_OR_RETURN(const std::string name, json.key());
    found.names += (found.names.empty() ? "" : ", ") + name.substr(0, 40);
    found.other |= name == "messages" || name == "prompt";
    bool input = false;
    bool *there = name == "instruction" ? &found.instruction : name == "output" ? &found.output : &input;
    std::string *text = name == "instruction" ? &sample.instruction
                        : name == "output"    ? &sample.output
                        : name == "input"     ? &sample.input
                                              : nullptr;
    const Kind kind = json.kind();
    syntax = !text || kind == Kind::String || kind == Kind::None;
    FT_RETURN_IF_ERROR(text ? readField(json, name, *text, *there) : json.skip());
    syntax = true;
  }
  syntax = false;
  if (!found.instruction)
    return missing("instruction", found);
  if (!found.output)
    return missing("output", found);
  return sample;
}

Status readArray(std::string_view text, SampleFile &file) {
  JsonCursor json(text);
  auto notJson = [&](const std::string &reason) {
    const auto line = 1 + std::count(text.begin(), text.begin() + json.at(), '\n');
    return badInput(fmt::format("{}:{}: not JSON: {}", file.path, line, reason));
  };
  FT_RETURN_IF_ERROR(json.enter());
  for (uint64_t index = 0;; ++index) {
    auto more = json.next();
    if (!more)
      return notJson(more.status().message());
    if (!*more)
      break;
    bool syntax;
    auto sample = readSample(json, syntax);
    if (!sample)
      return syntax
                 ? notJson(sample.status().message())
                 : badInput(fmt::format("{}: {}: {}", file.path, placeName(false, index), sample.status().message()));
    sample->place = index;
    file.samples.push_back(std::move(*sample));
  }
  return json.finished() ? Status() : notJson("something follows the array");
}

/// The whole text is one object over several lines: people save a sample prettily printed.
bool isOneObject(std::string_view text) {
  JsonCursor json(text);
  return json.kind() == Kind::Object && json.skip().ok() && json.at() > text.find('\n') && json.finished();
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
    JsonCursor json(line);
    bool syntax;
    auto sample = readSample(json, syntax);
    if (sample && !json.finished()) {
      sample = badInput("something follows the object");
      syntax = true;
    }
    if (!sample) {
      if (syntax && number == 1 && isOneObject(whole))
        return badInput(fmt::format("{}: is one JSON object over several lines; must be an array of objects, or one "
                                    "object a line",
                                    file.path));
      return badInput(
          fmt::format("{}:{}: {}{}", file.path, number, syntax ? "not JSON: " : "", sample.status().message()));
    }
    sample->place = number;
    file.samples.push_back(std::move(*sample));
  }
  return {};
}
} // namespace

std::string placeName(bool lines, uint64_t place) { return fmt::format("{} {}", lines ? "line" : "sample", place); }

Expected<SampleFile> readSamples(const std::string &path) {
  FT_ASSIGN_OR_RETURN(const DataFile data, DataFile::open(path));
  const std::string_view text = data.text();
  SampleFile file;
  file.path = path;
  file.digest = data.digest();
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
