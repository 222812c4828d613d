// Tables of text: CSV and TSV.
#pragma once

#include "runtime/Support/Status.h"

#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// Reads records one after the other (RFC 4180, with any separator): a field in quotes may hold separators, line feeds
/// and, doubled, quotes; lines end with LF or CRLF; empty lines are passed over. The text outlives the reader.
class TableReader {
public:
  TableReader(std::string_view text, char separator) : text(text), separator(separator) {}

  /// The next record's fields; false at the end. BadInput, without a place, where a quote has no end or stands inside a
  /// field.
  Expected<bool> next(std::vector<std::string> &fields);
  /// Where the record that next() gave last, or failed in, starts; from 1.
  uint64_t line() const { return recordLine; }
  /// How far the text has been read.
  size_t offset() const { return at; }

private:
  Status readField(std::string &field);

  std::string_view text;
  char separator;
  size_t at = 0;
  uint64_t nextLine = 1, recordLine = 1;
};

} // namespace ft::rt
