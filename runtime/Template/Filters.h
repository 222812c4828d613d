// What the files of filters share.
#pragma once

#include "runtime/Template/Builtins.h"

namespace ft::rt::jinja {

struct Filter {
  std::string_view name, signature; ///< see bind()
  Expected<Value> (*body)(Context &, const Value &input, const std::vector<std::optional<Value>> &arguments);
};

/// Those of sequences.
std::span<const Filter> sequenceFilters();

/// map, select, reject, selectattr, rejectattr: they take the name of a filter or test and its arguments.
bool isSelectingFilter(std::string_view name);
Expected<Value> applySelecting(Context &context, std::string_view name, const Value &input, const Arguments &arguments);

/// `form|format(values…)` or `form|format(name=value…)`: Python's '%'.
Expected<Value> formatFilter(Context &context, const Value &input, const Arguments &arguments);

/// item.a.b along a path "a.b", whose integer parts are indices. None or nothing: the item itself.
Expected<Value> alongPath(const Value &item, const std::optional<Value> &path);

} // namespace ft::rt::jinja
