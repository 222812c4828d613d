// Methods of texts, dicts and lists.
#include "runtime/Template/Builtins.h"
#include "runtime/Template/CodePoints.h"
#include "runtime/Template/TextFunctions.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <fmt/format.h>
#include <utf8proc.h>

namespace ft::rt::jinja {

namespace {
using Kind = Value::Kind;
using Bound = std::vector<std::optional<Value>>;

struct Method {
  std::string_view name;
  Function::Body body;
};

Expected<std::string> textArgument(const Value &value, std::string_view name) {
  if (!value.is(Kind::Text))
    return badInput(fmt::format("{} is of type {}; must be a text", name, value.typeName()));
  return value.text();
}

template <bool left, bool right> Expected<Value> stripMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("strip", "chars?", a));
  if (!bound[0] || bound[0]->is(Kind::None))
    return textValue(context, std::string(strip(self.text(), left, right)));
  FT_ASSIGN_OR_RETURN(const std::string characters, textArgument(*bound[0], "chars"));
  FT_RETURN_IF_ERROR(context.budget.spend(self.weight() * (1 + characters.size())));
  // strip() takes no characters for white space.
  return characters.empty() ? self : Value(std::string(strip(self.text(), left, right, characters)));
}

template <bool fromRight> Expected<Value> splitMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("split", "sep? maxsplit?", a));
  std::optional<std::string> separator;
  if (bound[0] && !bound[0]->is(Kind::None)) {
    FT_ASSIGN_OR_RETURN(separator, textArgument(*bound[0], "sep"));
  }
  FT_ASSIGN_OR_RETURN(const int64_t most, integerArgument(bound[1], "maxsplit", -1));
  return splitText(context, self.text(), separator, most, fromRight);
}

Expected<Value> splitLinesMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("splitlines", "keepends?", a));
  FT_RETURN_IF_ERROR(context.budget.spend(2 * self.weight()));
  std::vector<Value> lines;
  for (std::string_view line : splitLines(self.text(), bound[0] && bound[0]->truthy()))
    lines.emplace_back(line);
  return Value::of(Kind::List, std::move(lines));
}

/// startswith and endswith take a text or a tuple of texts.
template <bool front> Expected<Value> affixMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind(front ? "startswith" : "endswith", front ? "prefix" : "suffix", a));
  const std::vector<Value> one = {*bound[0]};
  for (const Value &affix : bound[0]->is(Kind::Tuple) ? bound[0]->items() : one) {
    FT_RETURN_IF_ERROR(context.budget.spend(affix.weight()));
    FT_ASSIGN_OR_RETURN(const std::string text, textArgument(affix, front ? "the prefix" : "the suffix"));
    if (front ? self.text().starts_with(text) : self.text().ends_with(text))
      return Value(true);
  }
  return Value(false);
}

template <bool front> Expected<Value> removeMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind(front ? "removeprefix" : "removesuffix", front ? "prefix" : "suffix", a));
  FT_ASSIGN_OR_RETURN(const std::string affix, textArgument(*bound[0], "the affix"));
  const std::string &text = self.text();
  if (!(front ? text.starts_with(affix) : text.ends_with(affix)))
    return self;
  return textValue(context, front ? text.substr(affix.size()) : text.substr(0, text.size() - affix.size()));
}

Expected<Value> replaceMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("replace", "old new count?", a));
  FT_ASSIGN_OR_RETURN(const std::string what, textArgument(*bound[0], "old"));
  FT_ASSIGN_OR_RETURN(const std::string by, textArgument(*bound[1], "new"));
  FT_ASSIGN_OR_RETURN(const int64_t most, integerArgument(bound[2], "count", -1));
  return replaced(context, self.text(), what, by, most);
}

Expected<Value> joinMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("join", "iterable", a));
  FT_ASSIGN_OR_RETURN(const std::vector<Value> items, iterate(*bound[0]));
  return joined(context, self.text(), items, /*onlyTexts=*/true);
}

template <bool last, bool fails> Expected<Value> findMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind(fails ? "index" : "find", "sub", a));
  FT_ASSIGN_OR_RETURN(const std::string what, textArgument(*bound[0], "sub"));
  FT_RETURN_IF_ERROR(context.budget.spend(self.weight()));
  const size_t at = last ? self.text().rfind(what) : self.text().find(what);
  if (at != std::string::npos)
    return Value(int64_t(countCodePoints(std::string_view(self.text()).substr(0, at))));
  return fails ? Expected<Value>(badInput("index: the text does not hold what is looked for")) : Value(int64_t(-1));
}

Expected<Value> countMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("count", "value", a));
  FT_RETURN_IF_ERROR(context.budget.spend(self.weight() + bound[0]->weight()));
  if (self.isSequence())
    return Value(int64_t(std::count(self.items().begin(), self.items().end(), *bound[0])));
  FT_ASSIGN_OR_RETURN(const std::string what, textArgument(*bound[0], "sub"));
  if (what.empty())
    return Value(int64_t(countCodePoints(self.text()) + 1));
  int64_t count = 0;
  for (size_t at = 0; (at = self.text().find(what, at)) != std::string::npos; at += what.size())
    ++count;
  return Value(count);
}

template <std::string (*change)(std::string_view)>
Expected<Value> changeMethod(Context &context, const Value &self, const Arguments &a) {
  FT_RETURN_IF_ERROR(bind("the method", "", a).status());
  return textValue(context, change(self.text()));
}

/// isdigit() and its kin: of every character, of which there is one at least.
template <bool (*test)(char32_t)> Expected<Value> everyMethod(Context &context, const Value &self, const Arguments &a) {
  FT_RETURN_IF_ERROR(bind("the method", "", a).status());
  FT_RETURN_IF_ERROR(context.budget.spend(self.weight()));
  bool all = !self.text().empty();
  for (size_t at = 0; all && at < self.text().size();) {
    bool wellFormed;
    all = test(decodeUtf8(self.text(), at, wellFormed));
  }
  return Value(all);
}

bool isLetter(char32_t c) {
  const auto category = utf8proc_category(utf8proc_int32_t(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool isDecimal(char32_t c) { return utf8proc_category(utf8proc_int32_t(c)) == UTF8PROC_CATEGORY_ND; }
bool isAlphanumeric(char32_t c) { return isLetter(c) || isDecimal(c); }

template <bool left, bool right> Expected<Value> padMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("the method", "width fillchar?", a));
  FT_ASSIGN_OR_RETURN(const int64_t width, integerArgument(bound[0], "width", std::nullopt));
  FT_ASSIGN_OR_RETURN(const std::string fill, textArgument(bound[1].value_or(Value(" ")), "fillchar"));
  return padded(context, self.text(), width, fill, left, right);
}

constexpr Method TextMethods[] = {
    {"capitalize", changeMethod<capitalize>},
    {"center", padMethod<true, true>},
    {"count", countMethod},
    {"endswith", affixMethod<false>},
    {"find", findMethod<false, false>},
    {"format", formatMethod},
    {"index", findMethod<false, true>},
    {"isalnum", everyMethod<isAlphanumeric>},
    {"isalpha", everyMethod<isLetter>},
    {"isdecimal", everyMethod<isDecimal>},
    {"isdigit", everyMethod<isDecimal>},
    {"isspace", everyMethod<isPythonSpace>},
    {"join", joinMethod},
    {"ljust", padMethod<false, true>},
    {"lower", changeMethod<lower>},
    {"lstrip", stripMethod<true, false>},
    {"removeprefix", removeMethod<true>},
    {"removesuffix", removeMethod<false>},
    {"replace", replaceMethod},
    {"rfind", findMethod<true, false>},
    {"rjust", padMethod<true, false>},
    {"rsplit", splitMethod<true>},
    {"rstrip", stripMethod<false, true>},
    {"split", splitMethod<false>},
    {"splitlines", splitLinesMethod},
    {"startswith", affixMethod<true>},
    {"strip", stripMethod<true, true>},
    {"title", changeMethod<title>},
    {"upper", changeMethod<upper>},
};

/// Python's others, which no chat template has been seen to use.
constexpr std::string_view OtherTextMethods[] = {"casefold", "encode",       "expandtabs", "format_map", "isascii",
                                                 "islower",  "isidentifier", "isnumeric",  "istitle",    "isprintable",
                                                 "isupper",  "maketrans",    "partition",  "rindex",     "rpartition",
                                                 "swapcase", "translate",    "zfill"};

/// What can neither be called nor printed, rather than be undefined.
class UnsupportedMethod : public Object {
public:
  explicit UnsupportedMethod(std::string_view name) : name(name) {}
  std::string kindName() const override { return fmt::format("method {} of a str, which is not supported,", name); }
  bool callable() const override { return true; }

private:
  std::string_view name;
};

Expected<Value> getMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("get", "key default?", a));
  FT_RETURN_IF_ERROR(context.budget.spend(self.items().size() / 2));
  const Value *found = self.find(*bound[0]);
  return found ? *found : bound[1].value_or(Value::none());
}

/// keys(), values() and items(), as lists.
template <bool keys, bool values> Expected<Value> partsMethod(Context &context, const Value &self, const Arguments &a) {
  FT_RETURN_IF_ERROR(bind("the method", "", a).status());
  const std::vector<Value> &items = self.items();
  FT_RETURN_IF_ERROR(context.budget.spend(items.size()));
  std::vector<Value> out;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    if (keys && values) {
      FT_ASSIGN_OR_RETURN(Value pair, Value::of(Kind::Tuple, {items[i], items[i + 1]}));
      out.push_back(std::move(pair));
    } else {
      out.push_back(items[i + values]);
    }
  }
  return Value::of(Kind::List, std::move(out));
}

Expected<Value> copyMethod(Context &, const Value &self, const Arguments &a) {
  FT_RETURN_IF_ERROR(bind("copy", "", a).status());
  return self;
}

Expected<Value> listIndexMethod(Context &context, const Value &self, const Arguments &a) {
  FT_ASSIGN_OR_RETURN(const Bound bound, bind("index", "value", a));
  FT_RETURN_IF_ERROR(context.budget.spend(self.weight()));
  const auto at = std::find(self.items().begin(), self.items().end(), *bound[0]);
  if (at == self.items().end())
    return badInput("index: the list does not hold what is looked for");
  return Value(int64_t(at - self.items().begin()));
}

constexpr Method DictMethods[] = {
    {"copy", copyMethod},
    {"get", getMethod},
    {"items", partsMethod<true, true>},
    {"keys", partsMethod<true, false>},
    {"values", partsMethod<false, true>},
};
constexpr Method ListMethods[] = {{"copy", copyMethod}, {"count", countMethod}, {"index", listIndexMethod}};

/// The sandbox that transformers renders in has no methods that change a value: their names are undefined.
constexpr std::string_view Changing[] = {"append", "clear",      "extend", "insert",  "pop", "popitem",
                                         "remove", "setdefault", "update", "reverse", "sort"};
std::optional<Value> find(std::span<const Method> methods, const Value &self, std::string_view name) {
  for (const Method &method : methods)
    if (method.name == name)
      return Value(std::static_pointer_cast<Object>(std::make_shared<Function>(method.name, self, method.body)));
  return std::nullopt;
}
} // namespace

std::optional<Value> methodOf(const Value &value, std::string_view name) {
  if (value.is(Kind::Text)) {
    const auto *other = std::find(std::begin(OtherTextMethods), std::end(OtherTextMethods), name);
    return other == std::end(OtherTextMethods)
               ? find(TextMethods, value, name)
               : std::optional(Value(std::static_pointer_cast<Object>(std::make_shared<UnsupportedMethod>(*other))));
  }
  if (!value.is(Kind::Dict) && !value.isSequence())
    return std::nullopt;
  if (std::find(std::begin(Changing), std::end(Changing), name) != std::end(Changing))
    return Value::undefined(fmt::format("'{}' of a {}, which a template must not change,", name, value.typeName()));
  return value.is(Kind::Dict) ? find(DictMethods, value, name) : find(ListMethods, value, name);
}

} // namespace ft::rt::jinja
