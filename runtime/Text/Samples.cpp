#include "runtime/Text/Samples.h"

#include "runtime/Support/Strings.h"
#include "runtime/Text/FileShape.h"
#include "runtime/Text/SampleFields.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace ft::rt {

namespace {
using Kind = JsonCursor::Kind;

/// One field that is read; null counts as absent.
Status readField(JsonCursor &json, const std::string &name, std::optional<std::string> &out, SampleFields &fields) {
  const Kind kind = json.kind();
  if (kind == Kind::Null)
    fields.null();
  if (kind == Kind::Null || kind == Kind::None)
    return json.skip(); // which says what is wrong where nothing starts
  if (kind != Kind::String)
    return badInput(fmt::format("field \"{}\" is of type {}; must be a string", name, JsonCursor::nameOf(kind)));
  FT_ASSIGN_OR_RETURN(out, json.string());
  return {};
}

Status twice(std::string_view name) {
  return badInput(fmt::format("field \"{}\" is there twice; leave one out", shown(name)));
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
    std::string *chat = field ? fields.listField(name) : fields.chatField(name);
    if ((field && *field) || (chat && !chat->empty())) { // readers differ in which of the two they take
      syntax = false;
      return twice(name);
    }
    const Kind kind = json.kind();
    if (chat && kind == Kind::Array)
      field = nullptr;
    else if (field)
      chat = nullptr;
    if (!field && !chat)
      fields.other(name, kind == Kind::Boolean);
    const size_t begin = json.at();
    syntax = !field || kind == Kind::String || kind == Kind::None;
    FT_RETURN_IF_ERROR(field ? readField(json, name, *field, fields) : json.skip());
    if (chat && kind != Kind::Null)
      *chat = text.substr(begin, json.at() - begin);
    syntax = true;
  }
  syntax = false;
  return fields.sample();
}

bool isPlainText(std::string_view name) { return name.ends_with(".txt") || name.ends_with(".md"); }

/// Where a document that goes on behind `most` bytes is cut: behind a line feed that no white space follows, where
/// every pre-tokenizer in use cuts as well; else in front of a character.
size_t stretchOf(std::string_view text, size_t most) {
  if (text.size() <= most)
    return text.size();
  for (size_t end = most; end > most / 2; --end)
    if (text[end - 1] == '\n' && std::string_view(" \t\r\n\f\v").find(text[end]) == std::string_view::npos)
      return end;
  size_t end = most;
  while (end > 1 && (uint8_t(text[end]) & 0xC0) == 0x80)
    --end;
  return end;
}
} // namespace

std::string placeName(bool lines, uint64_t place) { return fmt::format("{} {}", lines ? "line" : "sample", place); }

Expected<SampleSource> SampleSource::open(const std::string &path, const ColumnNames &columns) {
  FT_ASSIGN_OR_RETURN(DataFile data, DataFile::open(path));
  SampleSource source(std::move(data), path, columns);
  const std::string_view text = source.text();
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos)
    return badInput(fmt::format("{}: is empty; must hold a JSON array, lines of JSON objects, or a table", path));
  const std::string name = unpackedName(path);
  source.separator = separatorOf(name, text);
  source.form = isPlainText(name)    ? Form::Text
                : source.separator   ? Form::Table
                : text[first] == '{' ? Form::Lines
                                     : Form::Array;
  if (source.form == Form::Array && text[first] != '[')
    return badInput(
        fmt::format("{}: starts with '{}'; must be a JSON array ('[') or lines of JSON objects ('{{'), or be "
                    "named .csv, .tsv, .txt or .md",
                    path, text[first] >= ' ' && text[first] < 0x7F ? text[first] : '?'));
  if (source.form == Form::Table)
    FT_RETURN_IF_ERROR(source.readHeader());
  return source;
}

Status SampleSource::readHeader() {
  table = TableReader(text(), separator);
  if (auto more = table.next(header); !more)
    return badInput(fmt::format("{}:{}: {}", name, table.line(), more.status().message()));
  if (!header.empty() && header.size() <= 2 && header[0].starts_with("sep="))
    return badInput(
        fmt::format("{}:1: \"sep=\" tells a spreadsheet what stands between cells; take this line out", name));
  if (text().find('\n') == std::string_view::npos && text().find('\r') != std::string_view::npos)
    return badInput(fmt::format("{}: its lines end with CR alone; convert it (tr '\\r' '\\n' < in > out)", name));
  return {};
}

Status SampleSource::notJson(size_t at, std::string_view reason) const {
  const auto line = 1 + std::count(text().begin(), text().begin() + ptrdiff_t(at), '\n');
  return badInput(fmt::format("{}:{}: not JSON: {}", name, line, reason));
}

SampleSource::Reader::Reader(const SampleSource &source) : source(&source), json(source.text()), table(source.table) {}

Expected<bool> SampleSource::Reader::next(Record &record) {
  Expected<bool> more = source->form == Form::Array ? nextElement(record)
                        : source->form == Form::Table
                            ? nextRow(record)
                            : Expected<bool>(source->form == Form::Lines ? nextLine(record) : nextStretch(record));
  if (more.ok() && !*more && count == 0)
    return badInput(fmt::format("{}: holds no samples", source->name));
  count += more.ok() && *more;
  return more;
}

Expected<bool> SampleSource::Reader::nextElement(Record &record) {
  auto named = [&](const Status &status) { return source->notJson(json.at(), status.message()); };
  if (count == 0)
    FT_RETURN_IF_ERROR(json.enter());
  auto more = json.next();
  if (!more)
    return named(more.status());
  if (!*more)
    return json.finished() ? Expected<bool>(false) : named(badInput("something follows the array"));
  json.kind(); // to where the value starts
  const size_t begin = json.at();
  if (Status status = json.skip(); !status.ok())
    return named(status);
  record = {source->text().substr(begin, json.at() - begin), count};
  return true;
}

bool SampleSource::Reader::nextLine(Record &record) {
  const std::string_view text = source->text();
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    record = {text.substr(at, end - at), ++line};
    at = end + 1;
    if (record.text.find_first_not_of(" \t\r") != std::string_view::npos)
      return true;
  }
  return false;
}

Expected<bool> SampleSource::Reader::nextRow(Record &record) {
  std::vector<std::string> cells;
  while (true) {
    const size_t begin = table.offset();
    const auto more = table.next(cells);
    if (!more)
      return badInput(fmt::format("{}:{}: {}", source->name, table.line(), more.status().message()));
    record = {source->text().substr(begin, table.offset() - begin), table.line()};
    if (!*more || std::any_of(cells.begin(), cells.end(), [](const std::string &cell) { return !cell.empty(); }))
      return more; // else ",,", which is how programs write an empty row
  }
}

bool SampleSource::Reader::nextStretch(Record &record) {
  const std::string_view rest = source->text().substr(at);
  record = {rest.substr(0, stretchOf(rest, MaxStretch)), count};
  at += record.text.size();
  return !record.text.empty();
}

Expected<Sample> SampleSource::sample(const Record &record) const {
  auto sample = form == Form::Array   ? element(record)
                : form == Form::Lines ? object(record)
                : form == Form::Table ? row(record)
                                      : stretch(record);
  if (sample)
    sample->place = record.place;
  return sample;
}

Expected<Sample> SampleSource::element(const Record &record) const {
  JsonCursor json(record.text);
  bool syntax;
  auto sample = readSample(json, record.text, columns, syntax);
  if (sample)
    return sample;
  return syntax ? notJson(size_t(record.text.data() - text().data()) + json.at(), sample.status().message())
                : badInput(fmt::format("{}: {}: {}", name, placeName(false, record.place), sample.status().message()));
}

Expected<Sample> SampleSource::object(const Record &record) const {
  JsonCursor json(record.text);
  bool syntax;
  auto sample = readSample(json, record.text, columns, syntax);
  if (sample && !json.finished()) {
    sample = badInput(record.text[json.at()] == ',' ? "a comma follows the object; lines of JSON have none between them"
                                                    : "something follows the object");
    syntax = true;
  }
  if (sample)
    return sample;
  const bool first = text().substr(0, size_t(record.text.data() - text().data())).find('{') == std::string_view::npos;
  const std::string what = first ? asObjects(text()) : "";
  if (syntax && !what.empty())
    return badInput(fmt::format("{}: {}", name, what));
  return badInput(fmt::format("{}:{}: {}{}{}{}", name, record.place, syntax ? "not JSON: " : "",
                              sample.status().message(), what.empty() ? "" : "; the file ", what));
}

/// A row of a table with a header: its columns are a sample's fields, empty cells empty texts.
Expected<Sample> SampleSource::row(const Record &record) const {
  auto named = [&](std::string_view what) { return badInput(fmt::format("{}:{}: {}", name, record.place, what)); };
  std::vector<std::string> cells;
  if (auto more = TableReader(record.text, separator).next(cells); !more)
    return named(more.status().message());
  if (cells.size() != header.size())
    return named(fmt::format("has {} cells; the header has {}", cells.size(), header.size()));
  SampleFields fields(columns);
  for (size_t column = 0; column < cells.size(); ++column) {
    if (!isWellFormedUtf8(cells[column]))
      return named(fmt::format("column \"{}\" is not UTF-8; save the file as UTF-8", header[column]));
    auto *to = fields.field(header[column]);
    std::string *chat = fields.chatField(header[column]); // JSON in a cell
    if ((to && *to) || (chat && !chat->empty()))
      return named(twice(header[column]).message());
    if (to)
      *to = std::move(cells[column]);
    else if (chat)
      *chat = std::move(cells[column]);
    else
      fields.other(header[column], false);
  }
  auto sample = fields.sample();
  return sample ? std::move(sample) : named(sample.status().message());
}

Expected<Sample> SampleSource::stretch(const Record &record) const {
  if (!isWellFormedUtf8(record.text))
    return badInput(fmt::format("{}: is not UTF-8; save the file as UTF-8", name));
  Sample sample;
  sample.form = Sample::Form::Document;
  sample.output = record.text;
  sample.starts = record.text.data() == text().data();
  sample.ends = record.text.data() + record.text.size() == text().data() + text().size();
  return sample;
}

} // namespace ft::rt
