// Python's functions of texts, for filters and methods alike.
#pragma once

#include "runtime/Template/Builtins.h"

namespace ft::rt::jinja {

/// str.replace(): an empty `what` stands between all characters. `most` below zero: all.
Expected<Value> replaced(Context &context, std::string_view text, std::string_view what, std::string_view by,
                         int64_t most);
/// str.split() and rsplit(): no separator is any white space. Empty separators are refused.
Expected<Value> splitText(Context &context, std::string_view text, const std::optional<std::string> &separator,
                          int64_t most, bool fromRight);
/// str.splitlines(), which ends lines at more than "\n".
std::vector<std::string_view> splitLines(std::string_view text, bool keepEnds = false);
/// ' '.join(): the items' str(), which filters join, or texts alone, which the method joins.
Expected<Value> joined(Context &context, std::string_view separator, const std::vector<Value> &items, bool onlyTexts);
/// str.center() and its kin: `left` and `right` say on which sides `fill` is put.
Expected<Value> padded(Context &context, std::string_view text, int64_t width, std::string_view fill, bool left,
                       bool right);

/// int() and float() of a text; nothing where Python has none. Of a base of 16, 8 or 2 a prefix may say so ("0x1f").
std::optional<int64_t> integerOf(std::string_view text, int base);
std::optional<double> realOf(std::string_view text);

} // namespace ft::rt::jinja
