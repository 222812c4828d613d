// The fields of one sample, from whatever form its file has.
#pragma once

#include "runtime/Text/Samples.h"

#include <array>
#include <optional>

namespace ft::rt {

/// Takes the fields by name, in any order, and makes a sample of those that belong together.
class SampleFields {
public:
  /// Where a field's text goes; null for one that no form has. Remembers the name for messages.
  std::optional<std::string> *field(std::string_view name);
  /// BadInput, without a place, where a required field is missing.
  Expected<Sample> sample();

private:
  static constexpr std::array<std::string_view, 5> Names = {"instruction", "input", "output", "prompt", "completion"};
  std::array<std::optional<std::string>, Names.size()> texts;
  std::string found;
  bool messages = false;
};

} // namespace ft::rt
