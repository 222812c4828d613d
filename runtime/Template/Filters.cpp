// The table of filters, and those of single values; SequenceFilters.cpp has those of sequences.
#include "runtime/Template/Filters.h"

#include "runtime/Support/Strings.h"
#include "runtime/Template/CodePoints.h"
#include "runtime/Template/Print.h"
#include "runtime/Template/TextFunctions.h"
#include "runtime/Tokenizer/UnicodeClasses.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <utility>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;
using Bound = std::vector<std::optional<Value>>;

Expected<Value> absFilter(Context &, const Value &input, const Bound &) {
  if (!input.isNumber())
    return badInput(fmt::format("a value of type {} has no absolute value", input.typeName()));
  if (input.is(Kind::Boolean)) // is a number to Python
    return Value(input.integer());
  if (input.is(Kind::Real))
    return Value(std::fabs(input.real()));
  return input.integer() < 0 ? negative(input) : Expected<Value>(input);
}

template <std::string (*change)(std::string_view)>
Expected<Value> changeFilter(Context &context, const Value &input, const Bound &) {
  FT_ASSIGN_OR_RETURN(const std::string text, printed(input));
  return textValue(context, change(text));
}

/// Jinja's words begin behind white space, "-" and opening brackets.
std::string titleWords(std::string_view text) {
  std::string out, rest;
  bool begins = true;
  for (size_t at = 0; at < text.size();) {
    const size_t length = codePointLength(text, at);
    const std::string_view one = text.substr(at, length);
    at += length;
    const bool border = one.find_first_of("-({[<") == 0 || strip(one, true, false).empty();
    if (!border && !begins) {
      rest += one; // in lower case as a whole: some letters' depends on their neighbours
      continue;
    }
    out += lower(std::exchange(rest, "")) + (border ? std::string(one) : upper(one));
    begins = border;
  }
  return out + lower(rest);
}

Expected<Value> centerFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::string text, printed(input));
  FT_ASSIGN_OR_RETURN(const int64_t width, integerArgument(a[0], "width", 80));
  return padded(context, text, width, " ", true, true);
}

Expected<Value> defaultFilter(Context &, const Value &input, const Bound &a) {
  const bool replaces = input.is(Kind::Undefined) || (a[1] && a[1]->truthy() && !input.truthy());
  return replaces ? a[0].value_or(Value("")) : input;
}

Expected<Value> intFilter(Context &, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const int64_t base, integerArgument(a[1], "base", 10));
  if (base < 2 || base > 36)
    return badInput("int: the base must be in [2, 36]");
  if (input.is(Kind::Undefined))
    return badInput(fmt::format("{} is undefined", input.undefinedName()));
  if (input.isInteger())
    return Value(input.integer());
  std::optional<double> real = input.is(Kind::Real) ? std::optional(input.real()) : std::nullopt;
  if (input.is(Kind::Text)) {
    if (auto integer = integerOf(input.text(), int(base)))
      return Value(*integer);
    real = realOf(input.text());
  }
  if (real && std::fabs(*real) < 0x1p63)
    return Value(int64_t(*real));
  return a[0].value_or(Value(int64_t(0)));
}

Expected<Value> floatFilter(Context &, const Value &input, const Bound &a) {
  if (input.isNumber())
    return Value(input.real());
  if (input.is(Kind::Undefined))
    return badInput(fmt::format("{} is undefined", input.undefinedName()));
  if (const auto real = input.is(Kind::Text) ? realOf(input.text()) : std::nullopt)
    return finite(*real);
  return a[0].value_or(Value(0.0));
}

Expected<Value> indentFilter(Context &context, const Value &input, const Bound &a) {
  if (!input.is(Kind::Text))
    return badInput(fmt::format("indent takes a text, not a value of type {}", input.typeName()));
  std::string indention;
  if (a[0] && a[0]->is(Kind::Text)) {
    indention = a[0]->text();
  } else {
    FT_ASSIGN_OR_RETURN(const int64_t width, integerArgument(a[0], "width", 4));
    FT_RETURN_IF_ERROR(context.budget.spend(uint64_t(std::max<int64_t>(width, 0))));
    indention.assign(size_t(std::max<int64_t>(width, 0)), ' ');
  }
  const bool first = a[1] && a[1]->truthy(), blank = a[2] && a[2]->truthy();
  const std::string text = input.text() + "\n";
  std::string out = first ? indention : "";
  bool begins = true;
  for (std::string_view line : splitLines(text)) {
    FT_RETURN_IF_ERROR(context.budget.spend(line.size() + indention.size() + 1));
    if (!begins) {
      out += '\n';
      out += blank || !line.empty() ? indention : "";
    }
    out += line;
    begins = false;
  }
  return Value(std::move(out));
}

Expected<Value> replaceFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::string text, printed(input));
  FT_ASSIGN_OR_RETURN(const std::string what, printed(*a[0]));
  FT_ASSIGN_OR_RETURN(const std::string by, printed(*a[1]));
  FT_ASSIGN_OR_RETURN(const int64_t most, integerArgument(a[2], "count", -1));
  return replaced(context, text, what, by, most);
}

Expected<Value> roundFilter(Context &, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const int64_t precision, integerArgument(a[0], "precision", 0));
  if (!input.isNumber() || precision < 0 || precision > 15)
    return badInput("round takes a number, and a precision in [0, 15]");
  const std::string method = a[1] && a[1]->is(Kind::Text) ? a[1]->text() : "common";
  if (method == "common")
    return input.isInteger() ? Value(input.integer())
                             : Value(std::stod(fmt::format("{:.{}f}", input.real(), precision)));
  if (method != "ceil" && method != "floor")
    return badInput("round: the method must be common, ceil or floor");
  const double scale = std::pow(10.0, double(precision)), scaled = input.real() * scale;
  return finite((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Expected<Value> stringFilter(Context &context, const Value &input, const Bound &) {
  FT_ASSIGN_OR_RETURN(std::string text, printed(input));
  return textValue(context, std::move(text));
}

Expected<Value> safeFilter(Context &, const Value &input, const Bound &) {
  FT_ASSIGN_OR_RETURN(std::string text, printed(input));
  return Value::markup(std::move(text));
}

Expected<Value> toJsonFilter(Context &context, const Value &input, const Bound &a) {
  JsonForm form;
  form.ascii = a[0] && a[0]->truthy();
  form.sorted = a[3] && a[3]->truthy();
  if (a[1] && a[1]->is(Kind::Text)) {
    form.indent = a[1]->text();
  } else if (a[1] && !a[1]->is(Kind::None)) {
    FT_ASSIGN_OR_RETURN(const int64_t width, integerArgument(a[1], "indent", 0));
    if (width > 64)
      return badInput("tojson: the indent must be at most 64");
    form.indent = std::string(size_t(std::max<int64_t>(width, 0)), ' ');
  }
  if (a[2] && !a[2]->is(Kind::None)) {
    const auto &pair = *a[2];
    if (!pair.isSequence() || pair.items().size() != 2 || !pair.items()[0].is(Kind::Text) ||
        !pair.items()[1].is(Kind::Text))
      return badInput("tojson: separators must be a pair of texts");
    form.itemSeparator = pair.items()[0].text();
    form.keySeparator = pair.items()[1].text();
  }
  const uint64_t perItem = 8 + (form.indent ? 64 * form.indent->size() : 0) +
                           (form.itemSeparator ? form.itemSeparator->size() + form.keySeparator->size() : 0);
  if (input.weight() > UINT64_MAX / perItem)
    return context.budget.spend(UINT64_MAX);
  FT_RETURN_IF_ERROR(context.budget.spend(input.weight() * (form.indent ? perItem : 2)));
  FT_ASSIGN_OR_RETURN(std::string text, json(input, form));
  return textValue(context, std::move(text));
}

Expected<Value> trimFilter(Context &context, const Value &input, const Bound &a) {
  FT_ASSIGN_OR_RETURN(const std::string text, printed(input));
  std::string characters;
  if (a[0] && !a[0]->is(Kind::None)) {
    FT_ASSIGN_OR_RETURN(characters, printed(*a[0]));
    FT_RETURN_IF_ERROR(context.budget.spend(text.size() * (1 + characters.size())));
  }
  return textValue(context, std::string(strip(text, true, true, characters)));
}

Expected<Value> wordCountFilter(Context &context, const Value &input, const Bound &) {
  FT_ASSIGN_OR_RETURN(const std::string text, printed(input));
  FT_RETURN_IF_ERROR(context.budget.spend(text.size()));
  int64_t words = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    bool wellFormed;
    const bool word = isWord(decodeUtf8(text, at, wellFormed));
    words += word && !inside;
    inside = word;
  }
  return Value(words);
}

constexpr Filter ValueFilters[] = {
    {"abs", "", absFilter},
    {"capitalize", "", changeFilter<capitalize>},
    {"center", "width?", centerFilter},
    {"d", "default_value? boolean?", defaultFilter},
    {"default", "default_value? boolean?", defaultFilter},
    {"float", "default?", floatFilter},
    {"indent", "width? first? blank?", indentFilter},
    {"int", "default? base?", intFilter},
    {"lower", "", changeFilter<lower>},
    {"replace", "old new count?", replaceFilter},
    {"round", "precision? method?", roundFilter},
    {"safe", "", safeFilter},
    {"string", "", stringFilter},
    {"title", "", changeFilter<titleWords>},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", toJsonFilter},
    {"trim", "chars?", trimFilter},
    {"upper", "", changeFilter<upper>},
    {"wordcount", "", wordCountFilter},
};

/// What these make of a safe text is safe: Jinja applies the text's own methods. Others take it as any text.
constexpr std::string_view KeepSafe[] = {"capitalize", "center", "indent", "last", "lower",
                                         "reverse",    "string", "trim",   "upper"};

/// Jinja's others.
constexpr std::string_view NotSupported[] = {"attr",     "e",         "escape", "filesizeformat", "forceescape",
                                             "groupby",  "pprint",    "random", "slice",          "striptags",
                                             "truncate", "urlencode", "urlize", "wordwrap",       "xmlattr"};

const Filter *find(std::span<const Filter> filters, std::string_view name) {
  for (const Filter &filter : filters)
    if (filter.name == name)
      return &filter;
  return nullptr;
}
} // namespace

bool isFilter(std::string_view name) {
  return name == "format" || find(ValueFilters, name) || find(sequenceFilters(), name) || isSelectingFilter(name);
}

std::string unknownFilter(std::string_view name) {
  if (std::find(std::begin(NotSupported), std::end(NotSupported), name) != std::end(NotSupported))
    return fmt::format("the filter {} is not supported", name);
  std::vector<std::string_view> names;
  for (std::span<const Filter> filters : {std::span<const Filter>(ValueFilters), sequenceFilters()})
    for (const Filter &filter : filters)
      names.push_back(filter.name);
  return fmt::format("there is no filter {}{}", shown(name),
                     suggestion(name, std::span<const std::string_view>(names)));
}

Expected<Value> applyFilter(Context &context, std::string_view name, const Value &input, const Arguments &arguments) {
  FT_RETURN_IF_ERROR(context.budget.spend(input.weight()));
  if (isSelectingFilter(name))
    return applySelecting(context, name, input, arguments);
  if (name == "format")
    return formatFilter(context, input, arguments);
  const Filter *filter = find(ValueFilters, name);
  if (!filter)
    filter = find(sequenceFilters(), name);
  if (!filter)
    return badInput(unknownFilter(name));
  FT_ASSIGN_OR_RETURN(const Bound bound, bind(fmt::format("filter {}", name), filter->signature, arguments));
  auto result = filter->body(context, input, bound);
  const bool safe = input.isMarkup() && std::find(std::begin(KeepSafe), std::end(KeepSafe), name) != std::end(KeepSafe);
  return safe && result && result->is(Kind::Text) ? Value::markup(result->text()) : std::move(result);
}

} // namespace ft::rt::jinja
