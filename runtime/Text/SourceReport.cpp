#include "runtime/Text/SourceReport.h"

#include "runtime/Support/Json.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {
constexpr std::pair<const char *, uint64_t SourceStats::*> Counts[] = {
    {"samples", &SourceStats::samples},       {"documents", &SourceStats::documents},
    {"tokens", &SourceStats::tokens},         {"targets", &SourceStats::targets},
    {"truncated", &SourceStats::truncated},   {"too_long", &SourceStats::tooLong},
    {"untrained", &SourceStats::untrained},   {"end_trained", &SourceStats::endTrained},
    {"duplicates", &SourceStats::duplicates},
};
} // namespace

std::string writeSources(std::span<const SourceStats> sources) {
  if (sources.empty())
    return "";
  Json list = Json::array();
  for (const SourceStats &source : sources) {
    Json item = {{"name", source.name}};
    for (const auto &[name, count] : Counts)
      item[name] = source.*count;
    if (!source.unread.empty())
      item["unread"] = source.unread;
    list.push_back(std::move(item));
  }
  return list.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

Expected<std::vector<SourceStats>> readSources(std::string_view text) {
  std::vector<SourceStats> sources;
  if (text.empty())
    return sources;
  FT_ASSIGN_OR_RETURN(const Json list, parseJson(text, "sources"));
  if (!list.is_array())
    return badInput("sources are no list");
  for (const Json &item : list) {
    SourceStats source;
    const Json *name = item.is_object() ? findMember(item, "name") : nullptr;
    if (!name || !name->is_string())
      return badInput(fmt::format("source {} has no name", sources.size()));
    source.name = name->get<std::string>();
    for (const auto &[key, count] : Counts) {
      const Json *value = findMember(item, key);
      if (!value || !value->is_number_unsigned())
        return badInput(fmt::format("source {} has no {}", sources.size(), key));
      source.*count = value->get<uint64_t>();
    }
    if (const Json *unread = findMember(item, "unread"); unread && unread->is_string())
      source.unread = unread->get<std::string>();
    sources.push_back(std::move(source));
  }
  return sources;
}

} // namespace ft::rt
