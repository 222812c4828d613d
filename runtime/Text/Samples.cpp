#include "runtime/Text/Samples.h"

#include "runtime/Text/DataFile.h"
#include "runtime/Text/JsonCursor.h"
#include "runtime/Text/SampleFields.h"
#include "runtime/Text/Table.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace ft::rt {

namespace {
using Kind = JsonCursor::Kind;

/// One field that is read; null counts as absent.
Status readField(JsonCursor &json, const std::string &name, std::optional<std::string> &out) {
  const Kind kind = json.kind();
  if (kind == Kind::Null || kind == Kind::None)
    return json.skip(); // which says what is wrong where nothing starts
  if (kind != Kind::String)
    return badInput(fmt::format("field \"{}\" is of type {}; must be a string", name, JsonCursor::nameOf(kind)));
  FT_ASSIGN_OR_RETURN(out, json.string());
  return {};
}

/// `syntax` is set where the text is no JSON, rather than JSON that says something else.
Expected<Sample> readSample(JsonCursor &json, std::string_view text, const ColumnNames &columns, bool &syntax) {
  SampleFields fields(columns);
  syntax = false;
  if (const Kind kind = json.kind(); kind != Kind::Object && kind != Kind::None)
    return badInput(fmt::format("is of type {}; must be an object with fields, as instruction and output",
                                JsonCursor::nameOf(kind)));
  syntax = true;
  FT_RETURN_IF_ERROR(json.enter());
  while (true) {
    FT_ASSIGN_OR_RETURN(const bool more, json.next());
    if (!more)
      break;
    FT_ASSIGN_OR_RETURN(const std::string name, json.key());
    std::optional<std::string> *field = fields.field(name);
    const Kind kind = json.kind();
    const size_t begin = json.at();
    syntax = !field || kind == Kind::String || kind == Kind::None;
    FT_RETURN_IF_ERROR(field ? readField(json, name, *field) : json.skip());
    if (std::string *chat = kind == Kind::Null ? nullptr : fields.chatField(name))
      *chat = text.substr(begin, json.at() - begin);
    syntax = true;
  }
  syntax = false;
  return fields.sample();
}

Status readArray(std::string_view text, const ColumnNames &columns, SampleFile &file) {
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
    auto sample = readSample(json, text, columns, syntax);
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

Status readLines(std::string_view text, const ColumnNames &columns, SampleFile &file) {
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
    auto sample = readSample(json, line, columns, syntax);
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
/// A table with a header; its columns are a sample's fields, empty cells empty texts.
Status readTable(std::string_view text, char separator, const ColumnNames &columns, SampleFile &file) {
  TableReader table(text, separator);
  std::vector<std::string> header, cells;
  while (true) {
    auto more = table.next(header.empty() ? header : cells);
    auto named = [&](const std::string &what) {
      return badInput(fmt::format("{}:{}: {}", file.path, table.line(), what));
    };
    if (!more)
      return named(more.status().message());
    if (!*more)
      return {};
    if (cells.empty())
      continue;
    if (cells.size() != header.size())
      return named(fmt::format("has {} cells; the header has {}", cells.size(), header.size()));
    SampleFields fields(columns);
    for (size_t column = 0; column < cells.size(); ++column) {
      if (!isWellFormedUtf8(cells[column]))
        return named(fmt::format("column \"{}\" is not UTF-8; save the file as UTF-8", header[column]));
      if (auto *to = fields.field(header[column]))
        *to = std::move(cells[column]);
    }
    auto sample = fields.sample();
    if (!sample)
      return named(sample.status().message());
    sample->place = table.line();
    file.samples.push_back(std::move(*sample));
  }
}

/// The whole text is one document.
Status readText(std::string_view text, SampleFile &file) {
  if (!isWellFormedUtf8(text))
    return badInput(fmt::format("{}: is not UTF-8; save the file as UTF-8", file.path));
  Sample sample;
  sample.form = Sample::Form::Document;
  sample.output = text;
  file.samples.push_back(std::move(sample));
  return {};
}

/// A file's name without a packer's ending.
std::string_view unpackedName(std::string_view path) {
  for (std::string_view packed : {".gz", ".zst"})
    if (path.ends_with(packed))
      path.remove_suffix(packed.size());
  return path;
}

/// The separator of a table; zero: no table.
char separatorOf(std::string_view name) { return name.ends_with(".csv") ? ',' : name.ends_with(".tsv") ? '\t' : '\0'; }

bool isPlainText(std::string_view name) { return name.ends_with(".txt") || name.ends_with(".md"); }
} // namespace

std::string placeName(bool lines, uint64_t place) { return fmt::format("{} {}", lines ? "line" : "sample", place); }

Expected<SampleFile> readSamples(const std::string &path, const ColumnNames &columns) {
  FT_ASSIGN_OR_RETURN(const DataFile data, DataFile::open(path));
  const std::string_view text = data.text();
  SampleFile file;
  file.path = path;
  file.digest = data.digest();
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    return badInput(fmt::format("{}: is empty; must hold a JSON array, lines of JSON objects, or a table", path));
  const std::string_view name = unpackedName(path);
  if (isPlainText(name)) {
    FT_RETURN_IF_ERROR(readText(text, file));
    return file;
  }
  const char separator = separatorOf(name);
  if (!separator && text[first] != '[' && text[first] != '{')
    return badInput(
        fmt::format("{}: starts with '{}'; must be a JSON array ('[') or lines of JSON objects ('{{'), or be "
                    "named .csv, .tsv, .txt or .md",
                    path, text[first] >= ' ' && text[first] < 0x7F ? text[first] : '?'));
  file.lines = separator || text[first] == '{';
  FT_RETURN_IF_ERROR(separator    ? readTable(text, separator, columns, file)
                     : file.lines ? readLines(text, columns, file)
                                  : readArray(text, columns, file));
  if (file.samples.empty())
    return badInput(fmt::format("{}: holds no samples", path));
  return file;
}

} // namespace ft::rt
