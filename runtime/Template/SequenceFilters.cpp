#include "runtime/Template/CodePoints.h"
#include "runtime/Template/Filters.h"
#include "runtime/Template/Print.h"
#include "runtime/Template/TextFunctions.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <numeric>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;
using Bound = std::vector<std::optional<Value>>;

bool isGiven(const std::optional<Value> &value) { return value && !value->is(Kind::None); }

/// Texts are compared without their case unless `caseSensitive`.
Expected<std::vector<Value>> keysOf(const std::vector<Value> &items, const std::optional<Value> &path,
                                    bool caseSensitive) {
  std::vector<Value> keys;
  for (const Value &item : items) {
    FT_ASSIGN_OR_RETURN(Value key, alongPath(item, path));
    keys.push_back(!caseSensitive && key.is(Kind::Text) ? Value(lower(key.text())) : std::move(key));
  }
  return keys;
}

/// A stable order, by merging: a comparison may fail.
Expected<std::vector<size_t>> sortedOrder(Context &context, const std::vector<Value> &keys, bool reverse) {
  std::vector<size_t> order(keys.size()), merged;
  std::iota(order.begin(), order.end(), size_t(0));
  for (size_t run = 1; run < order.size(); run *= 2, order.swap(merged)) {
    merged.clear();
    for (size_t begin = 0; begin < order.size(); begin += 2 * run) {
      size_t left = begin, right = std::min(begin + run, order.size());
      const size_t middle = right, end = std::min(begin + 2 * run, order.size());
      while (left < middle && right < end) {
        const Value &first = keys[order[left]], &second = keys[order[right]];
        FT_RETURN_IF_ERROR(context.budget.spend(std::min(first.weight(), second.weight())));
        FT_ASSIGN_OR_RETURN(const bool swaps, reverse ? lessThan(first, second) : lessThan(second, first));
        merged.push_back(order[swaps ? right++ : left++]);
      }
      merged.insert(merged.end(), order.begin() + ptrdiff_t(left), order.begin() + ptrdiff_t(middle));
      merged.insert(merged.end(), order.begin() + ptrdiff_t(right), order.begin() + ptrdiff_t(end));
    }
  }
  return order;
}

Expected<Value> batchFilter(Context &, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(input));
  FT_ASSIGN_OR_RETURN(const int64_t size, integerArgument(a[0], "linecount", std::nullopt));
  if (size < 1 || size > 100000)
    return badInput("batch: linecount must be in [1, 100000]");
  std::vector<Value> lines;
  for (size_t at = 0; at < items.size(); at += size_t(size)) {
    const size_t end = std::min(items.size(), at + size_t(size));
    std::vector<Value> line(items.begin() + ptrdiff_t(at), items.begin() + ptrdiff_t(end));
    if (isGiven(a[1]))
      line.resize(size_t(size), *a[1]);
    FT_ASSIGN_OR_RETURN(Value made, Value::of(Kind::List, std::move(line)));
    lines.push_back(std::move(made));
  }
  return Value::of(Kind::List, std::move(lines));
}

Expected<Value> dictSortFilter(Context &context, const Value &input, const Bound &a) {
  if (!input.is(Kind::Dict))
    return badInput(fmt::format("dictsort takes a dict, not a value of type {}", input.typeName()));
  const std::string by = a[1] && a[1]->is(Kind::Text) ? a[1]->text() : "key";
  if (by != "key" && by != "value")
    return badInput("dictsort: by must be \"key\" or \"value\"");
  std::vector<Value> pairs, sorted;
  for (size_t i = 0; i + 1 < input.items().size(); i += 2) {
    FT_ASSIGN_OR_RETURN(Value pair, Value::of(Kind::Tuple, {input.items()[i], input.items()[i + 1]}));
    pairs.push_back(std::move(pair));
  }
  FT_ASSIGN_OR_RETURN(const std::vector<Value> keys,
                      keysOf(pairs, Value(int64_t(by == "value")), a[0] && a[0]->truthy()));
  FT_ASSIGN_OR_RETURN(const std::vector<size_t> order, sortedOrder(context, keys, a[2] && a[2]->truthy()));
  for (size_t i : order)
    sorted.push_back(pairs[i]);
  return Value::of(Kind::List, std::move(sorted));
}

template <bool last> Expected<Value> endFilter(Context &, const Value &input, const Bound &) {
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(input));
  if (items.empty())
    return Value::undefined(last ? "the last item of nothing" : "the first item of nothing");
  return last ? items.back() : items.front();
}

Expected<Value> itemsFilter(Context &context, const Value &input, const Bound &) {
  if (input.is(Kind::Undefined))
    return Value::of(Kind::List, {});
  if (!input.is(Kind::Dict))
    return badInput(fmt::format("items takes a dict, not a value of type {}", input.typeName()));
  return static_cast<const Function &>(*methodOf(input, "items")->object()).call(context, {});
}

Expected<Value> joinFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(std::vector<Value> items, iterate(input));
  FT_ASSIGN_OR_RETURN(const std::string separator, printed(a[0].value_or(Value(""))));
  for (Value &item : items) {
    FT_ASSIGN_OR_RETURN(item, alongPath(item, a[1]));
  }
  return joined(context, separator, items, /*onlyTexts=*/false);
}

Expected<Value> lengthFilter(Context &, const Value &input, const Bound &) {
  switch (input.kind()) {
  case Kind::Undefined:
    return Value(int64_t(0));
  case Kind::Text:
    return Value(int64_t(countCodePoints(input.text())));
  case Kind::List:
  case Kind::Tuple:
    return Value(int64_t(input.items().size()));
  case Kind::Dict:
    return Value(int64_t(input.items().size() / 2));
  default:
    return badInput(fmt::format("a value of type {} has no length", input.typeName()));
  }
}

Expected<Value> listFilter(Context &, const Value &input, const Bound &) {
  FT_ASSIGN_OR_RETURN(std::vector<Value> items, iterate(input));
  return Value::of(Kind::List, std::move(items));
}

template <bool largest> Expected<Value> extremeFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(input));
  if (items.empty())
    return Value::undefined("the extreme of nothing");
  FT_ASSIGN_OR_RETURN(const std::vector<Value> keys, keysOf(items, a[1], a[0] && a[0]->truthy()));
  FT_ASSIGN_OR_RETURN(const std::vector<size_t> order, sortedOrder(context, keys, largest));
  return items[order[0]]; // the first of equals, as Python takes it
}

Expected<Value> reverseFilter(Context &, const Value &input, const Bound &) {
  FT_ASSIGN_OR_RETURN(std::vector<Value> items, iterate(input));
  std::reverse(items.begin(), items.end());
  if (!input.is(Kind::Text))
    return Value::of(Kind::List, std::move(items));
  std::string text;
  for (const Value &item : items)
    text += item.text();
  return Value(std::move(text));
}

Expected<Value> sortFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(input));
  if (isGiven(a[2]) && a[2]->is(Kind::Text) && a[2]->text().find(',') != std::string::npos)
    return badInput("sort: several attributes are not supported");
  FT_ASSIGN_OR_RETURN(const std::vector<Value> keys, keysOf(items, a[2], a[1] && a[1]->truthy()));
  FT_ASSIGN_OR_RETURN(const std::vector<size_t> order, sortedOrder(context, keys, a[0] && a[0]->truthy()));
  std::vector<Value> sorted;
  for (size_t i : order)
    sorted.push_back(items[i]);
  return Value::of(Kind::List, std::move(sorted));
}

Expected<Value> sumFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(input));
  Value sum = a[1].value_or(Value(int64_t(0)));
  for (const Value &item : items) {
    FT_ASSIGN_OR_RETURN(const Value next, alongPath(item, a[0]));
    FT_ASSIGN_OR_RETURN(sum, binary(context, "+", sum, next));
  }
  return sum;
}

Expected<Value> uniqueFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(input));
  FT_ASSIGN_OR_RETURN(const std::vector<Value> keys, keysOf(items, a[1], a[0] && a[0]->truthy()));
  std::vector<Value> kept, seen;
  for (size_t i = 0; i < items.size(); ++i) {
    FT_RETURN_IF_ERROR(context.budget.spend((1 + seen.size()) * std::min<uint64_t>(keys[i].weight(), 1u << 24)));
    if (keys[i].is(Kind::List) || keys[i].is(Kind::Dict))
      return badInput(
          fmt::format("unique: values of type {} cannot be told apart; give an attribute", keys[i].typeName()));
    if (std::find(seen.begin(), seen.end(), keys[i]) != seen.end())
      continue;
    seen.push_back(keys[i]);
    kept.push_back(items[i]);
  }
  return Value::of(Kind::List, std::move(kept));
}

constexpr Filter Table[] = {
    {"batch", "linecount fill_with?", batchFilter},
    {"count", "", lengthFilter},
    {"dictsort", "case_sensitive? by? reverse?", dictSortFilter},
    {"first", "", endFilter<false>},
    {"items", "", itemsFilter},
    {"join", "d? attribute?", joinFilter},
    {"last", "", endFilter<true>},
    {"length", "", lengthFilter},
    {"list", "", listFilter},
    {"max", "case_sensitive? attribute?", extremeFilter<true>},
    {"min", "case_sensitive? attribute?", extremeFilter<false>},
    {"reverse", "", reverseFilter},
    {"sort", "reverse? case_sensitive? attribute?", sortFilter},
    {"sum", "attribute? start?", sumFilter},
    {"unique", "case_sensitive? attribute?", uniqueFilter},
};

/// The items that pass, or do not; `attributes`: by an attribute of theirs.
Expected<Value> selected(Context &context, const std::vector<Value> &items, bool keeps, bool attributes,
                         const Arguments &a) {
  if (attributes && a.positional.empty())
    return badInput("an attribute's name is missing");
  const std::optional<Value> path = attributes ? std::optional(a.positional[0]) : std::nullopt;
  Arguments rest{{a.positional.begin() + ptrdiff_t(attributes), a.positional.end()}, a.named};
  std::string test;
  if (!rest.positional.empty()) {
    if (!rest.positional[0].is(Kind::Text) || !isTest(rest.positional[0].text()))
      return badInput("the name of a test is missing, or there is no such test");
    test = rest.positional[0].text();
    rest.positional.erase(rest.positional.begin());
  }
  std::vector<Value> kept;
  for (const Value &item : items) {
    FT_ASSIGN_OR_RETURN(const Value judged, alongPath(item, path));
    bool passes = judged.truthy();
    if (!test.empty()) {
      FT_ASSIGN_OR_RETURN(passes, applyTest(context, test, judged, rest));
    }
    if (passes == keeps)
      kept.push_back(item);
  }
  return Value::of(Kind::List, std::move(kept));
}

Expected<Value> mapped(Context &context, const std::vector<Value> &items, const Arguments &a) {
  std::vector<Value> out;
  if (a.positional.empty()) {
    FT_ASSIGN_OR_RETURN(const Bound bound, bind("filter map", "attribute default?", a));
    for (const Value &item : items) {
      FT_ASSIGN_OR_RETURN(Value value, alongPath(item, bound[0]));
      out.push_back(value.is(Kind::Undefined) && isGiven(bound[1]) ? *bound[1] : std::move(value));
    }
    return Value::of(Kind::List, std::move(out));
  }
  // map('map', …) would nest without a bound.
  if (!a.positional[0].is(Kind::Text) || !isFilter(a.positional[0].text()) || isSelectingFilter(a.positional[0].text()))
    return badInput("map: the name of a filter is missing, or there is no such filter");
  const Arguments rest{{a.positional.begin() + 1, a.positional.end()}, a.named};
  for (const Value &item : items) {
    FT_ASSIGN_OR_RETURN(Value value, applyFilter(context, a.positional[0].text(), item, rest));
    out.push_back(std::move(value));
  }
  return Value::of(Kind::List, std::move(out));
}
} // namespace

std::span<const Filter> sequenceFilters() { return Table; }

Expected<Value> alongPath(const Value &item, const std::optional<Value> &path) {
  if (!isGiven(path))
    return item;
  if (!path->is(Kind::Text))
    return itemOf(item, *path);
  Value value = item;
  for (std::string_view rest = path->text(), part; !rest.empty();) {
    part = rest.substr(0, rest.find('.'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    int64_t index = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool number = error == std::errc() && end == part.data() + part.size() && index >= 0;
    FT_ASSIGN_OR_RETURN(value, itemOf(value, number ? Value(index) : Value(part)));
  }
  return value;
}

bool isSelectingFilter(std::string_view name) {
  constexpr std::string_view names[] = {"map", "reject", "rejectattr", "select", "selectattr"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Expected<Value> applySelecting(Context &context, std::string_view name, const Value &input,
                               const Arguments &arguments) {
  if (!input.truthy())
    return Value::of(Kind::List, {});
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(input));
  FT_RETURN_IF_ERROR(context.budget.spend(items.size()));
  if (name == "map")
    return mapped(context, items, arguments);
  return selected(context, items, name.starts_with("select"), name.ends_with("attr"), arguments);
}

} // namespace ft::rt::jinja
