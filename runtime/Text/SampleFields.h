// The fields of one sample, from whatever form its file has.
#pragma once

#include "runtime/Text/Samples.h"

#include <array>
#include <optional>

namespace ft::rt {

/// Takes the fields by name, in any order, and makes a sample of those that belong together.
class SampleFields {
public:
  /// `columns` outlives the object.
  explicit SampleFields(const ColumnNames &columns) : columns(columns) {}

  /// Where a field's text goes; null for one that no form has as a text. Remembers the name for messages.
  std::optional<std::string> *field(std::string_view name);
  /// Where the JSON of a field goes that a chat has; null for any other.
  std::string *chatField(std::string_view name);
  /// BadInput, without a place, where a required field is missing.
  Expected<Sample> sample();

private:
  Expected<Sample> chat() const;

  static constexpr std::array<std::string_view, 6> Names = {"instruction", "input",      "output",
                                                            "prompt",      "completion", "text"};
  const ColumnNames &columns;
  std::array<std::optional<std::string>, Names.size()> texts;
  std::string messages, tools; ///< JSON; empty: absent
  std::string found;
};

} // namespace ft::rt
