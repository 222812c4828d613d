#include "runtime/Text/Table.h"

namespace ft::rt {

Status TableReader::readField(std::string &field) {
  field.clear();
  if (at == text.size() || text[at] != '"') {
    const size_t begin = at;
    while (at < text.size() && text[at] != separator && text[at] != '\n')
      ++at;
    field = text.substr(begin, at - begin);
    if (field.ends_with('\r') && (at == text.size() || text[at] == '\n'))
      field.pop_back();
    return {};
  }
  for (++at; at < text.size(); ++at) {
    nextLine += text[at] == '\n';
    if (text[at] != '"') {
      field += text[at];
    } else if (text.substr(at + 1).starts_with('"')) {
      field += text[++at];
    } else {
      ++at;
      at += text.substr(at).starts_with("\r\n") || text.substr(at) == "\r";
      if (at < text.size() && text[at] != separator && text[at] != '\n')
        return badInput("a field goes on behind its closing quote; quotes inside a field must be doubled");
      return {};
    }
  }
  return badInput("a quote has no end; quotes inside a field must be doubled");
}

Expected<bool> TableReader::next(std::vector<std::string> &fields) {
  fields.clear();
  for (bool blank = true; blank && at < text.size();) {
    const size_t length = text.substr(at).starts_with("\r\n") ? 2 : text[at] == '\n' ? 1 : 0;
    at += length;
    nextLine += length > 0;
    blank = length > 0;
  }
  if (at == text.size())
    return false;
  recordLine = nextLine;
  while (true) {
    FT_RETURN_IF_ERROR(readField(fields.emplace_back()));
    if (at == text.size())
      return true;
    if (text[at++] == '\n') {
      ++nextLine;
      return true;
    }
  }
}

} // namespace ft::rt
