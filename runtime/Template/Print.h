// Values as text.
#pragma once

#include "runtime/Template/Value.h"

namespace ft::rt::jinja {

/// Python's str(): what {{ value }} prints. Objects are refused.
Expected<std::string> printed(const Value &value);
/// Python's repr().
Expected<std::string> represented(const Value &value);

/// Of json.dumps() in transformers' tojson.
struct JsonForm {
  bool ascii = false, sorted = false;
  std::optional<std::string> indent; ///< what one level is indented by
  std::optional<std::string> itemSeparator, keySeparator;
};
Expected<std::string> json(const Value &value, const JsonForm &form);

/// repr() of a float: the shortest that reads back.
std::string printedReal(double value);

} // namespace ft::rt::jinja
