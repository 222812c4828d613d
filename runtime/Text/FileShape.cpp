#include "runtime/Text/FileShape.h"

#include "runtime/Support/Strings.h"
#include "runtime/Text/JsonCursor.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
/// What a chat's own lists are called.
bool isOfChats(std::string_view name) {
  constexpr std::string_view names[] = {"messages",  "conversations", "prompt", "completion", "tools",
                                        "functions", "history",       "chosen", "rejected"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}
} // namespace

std::string asObjects(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  JsonCursor json(text);
  if (json.kind() != JsonCursor::Kind::Object || !json.skip().ok())
    return "";
  const bool several = json.at() > text.find('\n'), whole = json.finished();
  JsonCursor members(text);
  for (auto more = members.enter().ok() ? members.next() : Expected<bool>(false); whole && more.ok() && *more;
       more = members.next()) {
    const auto name = members.key();
    if (!name)
      break;
    if (members.kind() == JsonCursor::Kind::Array && !isOfChats(*name))
      if (const size_t first = text.find_first_not_of(" \t\r\n", members.at() + 1); text[first] == '{')
        return fmt::format("is one JSON object; its samples may be the list \"{}\": jq -c '.[\"{}\"][]' in > out.jsonl",
                           shown(*name, 40), shown(*name, 40));
    if (!members.skip().ok())
      break;
  }
  if (!several)
    return "";
  return fmt::format(
      "is {} over several lines; must be an array of objects, or one object a line (jq -c . in > out.jsonl)",
      whole ? "one JSON object" : "JSON objects");
}

std::string unpackedName(std::string_view path) {
  std::string name(path.substr(path.rfind('/') + 1)); // all of it where there is no slash
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 0x20) : c; });
  for (std::string_view packed : {".gz", ".gzip", ".zst", ".zstd"})
    if (name.ends_with(packed)) {
      name.resize(name.size() - packed.size());
      break;
    }
  return name;
}

char separatorOf(std::string_view name, std::string_view text) {
  if (!name.ends_with(".csv"))
    return name.ends_with(".tsv") ? '\t' : '\0';
  const std::string_view header = text.substr(0, text.find('\n', text.find_first_not_of("\r\n")));
  return header.find(',') != header.npos    ? ','
         : header.find(';') != header.npos  ? ';'
         : header.find('\t') != header.npos ? '\t'
                                            : ',';
}

} // namespace ft::rt
