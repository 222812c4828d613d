// str.format().
#include "runtime/Template/Builtins.h"
#include "runtime/Template/Print.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace ft::rt::jinja {

namespace {
/// What the fields of one call take their values from.
class Fields {
public:
  explicit Fields(const Arguments &arguments) : arguments(arguments) {}

  /// `field` is what stands between braces: a name, and maybe "!s" or "!r" behind it.
  Expected<std::string> text(std::string_view field) {
    const size_t end = std::min(field.find_first_of("!:"), field.size());
    const std::string_view rest = field.substr(end);
    if (!rest.empty() && rest != "!s" && rest != "!r" && rest != ":" && rest != "!s:" && rest != "!r:")
      return badInput(fmt::format("format: '{}' behind a field is not supported; '!s' and '!r' are", rest));
    FT_ASSIGN_OR_RETURN(const Value value, find(field.substr(0, end)));
    return rest.starts_with("!r") ? represented(value) : printed(value);
  }

private:
  Expected<Value> find(std::string_view name) {
    if (name.find_first_of(".[{") != std::string_view::npos)
      return badInput(
          fmt::format("format: the field '{}' is not supported; a field is empty, a number or a name", name));
    size_t index = next;
    if (name.empty()) {
      if (numbered)
        return badInput("format: fields have numbers, and one has none");
      ++next;
    } else {
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), index);
      if (error != std::errc() || end != name.data() + name.size()) {
        for (const auto &[own, value] : arguments.named)
          if (own == name)
            return value;
        return badInput(fmt::format("format: nothing is given for the field '{}'", name));
      }
      if (next > 0)
        return badInput("format: fields have no numbers, and one has");
      numbered = true;
    }
    if (index >= arguments.positional.size())
      return badInput(fmt::format("format: there is no argument {} of {}", index, arguments.positional.size()));
    return arguments.positional[index];
  }

  const Arguments &arguments;
  size_t next = 0;
  bool numbered = false;
};
} // namespace

Expected<Value> formatMethod(Context &context, const Value &self, const Arguments &arguments) {
  const std::string_view form = self.text();
  Fields fields(arguments);
  std::string out;
  for (size_t at = 0; at < form.size();) {
    const char c = form[at];
    if (c != '{' && c != '}') {
      out += c;
      ++at;
    } else if (form.substr(at + 1).starts_with(c)) {
      out += c;
      at += 2;
    } else {
      const size_t end = form.find('}', at);
      if (c == '}' || end == std::string_view::npos)
        return badInput(fmt::format("format: a '{}' stands alone", c));
      FT_ASSIGN_OR_RETURN(const std::string text, fields.text(form.substr(at + 1, end - at - 1)));
      FT_RETURN_IF_ERROR(context.budget.spend(text.size()));
      out += text;
      at = end + 1;
    }
  }
  return textValue(context, std::move(out));
}

} // namespace ft::rt::jinja
