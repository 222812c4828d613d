#include "runtime/Tokenizer/RegexSyntax.h"

#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/UnicodeClasses.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace ft::rt {

namespace {
/// White_Space of Unicode and its complement, spelled out: PCRE2's \s has U+180E besides.
constexpr std::string_view Spaces = "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
                                    "\\x{202f}\\x{205f}\\x{3000}";
constexpr std::string_view NoSpaces =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{d7ff}\\x{e000}-\\x{10ffff}";
constexpr std::array Categories = {"L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N",
                                   "Nd", "Nl", "No", "P",  "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
                                   "S",  "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp", "Cc", "Cf"};
/// Scripts without a character that is younger than Unicode 14 and of use in a pre-tokenizer, but for Han.
constexpr std::array Scripts = {"Han",      "Hiragana", "Katakana", "Hangul", "Latin", "Greek",
                                "Cyrillic", "Hebrew",   "Arabic",   "Thai",   "Lao",   "Devanagari"};
constexpr std::string_view NewHan = "\\x{2b739}\\x{2ebf0}-\\x{2ee5d}\\x{31350}-\\x{323af}";

class Translator {
public:
  explicit Translator(std::string_view pattern) : pattern(pattern) {}

  Expected<std::string> run() {
    while (at < pattern.size()) {
      const char c = pattern[at];
      if (c == '\\')
        FT_RETURN_IF_ERROR(escape(/*inClass=*/false));
      else if (c == '[')
        FT_RETURN_IF_ERROR(characterClass());
      else if (c == '(')
        FT_RETURN_IF_ERROR(group());
      else if (c == '}' && (next() == '+' || next() == '?'))
        return refuse(pattern.substr(at, 2), "a second quantifier behind {}");
      else if (c == '{' && next() == ',')
        return refuse("{,", "an interval without a lower bound");
      else
        out += pattern[at++];
    }
    return out;
  }

private:
  Status refuse(std::string_view what, std::string_view why) const {
    return badInput(fmt::format("the expression \"{}\" has \"{}\" at byte {}, {}, which is not supported",
                                shown(pattern), shown(what), at, why));
  }
  char next() const { return at + 1 < pattern.size() ? pattern[at + 1] : '\0'; }

  Status group() {
    if (next() == '*')
      return refuse("(*", "a verb");
    if (next() == '?') {
      static constexpr std::array<std::string_view, 9> Known = {"(?:", "(?=",  "(?!",  "(?<=", "(?<!",
                                                                "(?>", "(?i:", "(?i)", "(?-i:"};
      const std::string_view rest = pattern.substr(at);
      auto known = std::find_if(Known.begin(), Known.end(), [&](auto start) { return rest.starts_with(start); });
      if (known == Known.end())
        return refuse(rest.substr(0, 4), "a group or flag");
      out += *known;
      at += known->size();
      return {};
    }
    out += pattern[at++];
    return {};
  }

  Status characterClass() {
    out += pattern[at++];
    if (at < pattern.size() && pattern[at] == '^')
      out += pattern[at++];
    for (bool first = true; at < pattern.size(); first = false) {
      const char c = pattern[at];
      if (c == ']' && !first) {
        out += pattern[at++];
        return {};
      }
      if (c == '[' || (c == '&' && next() == '&'))
        return refuse(pattern.substr(at, 2), "a class inside a class");
      if (c == '\\')
        FT_RETURN_IF_ERROR(escape(/*inClass=*/true));
      else
        out += pattern[at++];
    }
    return refuse("[", "a class without an end");
  }

  /// A set of characters, inside a class or as one.
  Status set(std::string_view members, bool negated, bool inClass, std::string_view what) {
    if (inClass && negated)
      return refuse(what, "a complement inside a class");
    if (inClass)
      out += members;
    else
      out += fmt::format("[{}{}]", negated ? "^" : "", members);
    return {};
  }

  Status property(bool negated, bool inClass) {
    const size_t end = pattern.find('}', at);
    if (next() == '\0' || at + 2 >= pattern.size() || pattern[at + 2] != '{' || end == std::string_view::npos)
      return refuse(pattern.substr(at, 2), "a property without a name");
    const std::string_view whole = pattern.substr(at, end + 1 - at);
    std::string_view name = pattern.substr(at + 3, end - at - 3);
    if (name.starts_with('^')) {
      negated = !negated;
      name.remove_prefix(1);
    }
    std::string members = fmt::format("\\p{{{}}}", name);
    if (std::find(Categories.begin(), Categories.end(), name) != Categories.end())
      members += newCharactersOf(name);
    else if (std::find(Scripts.begin(), Scripts.end(), name) == Scripts.end())
      return refuse(whole, "a property that is not known");
    else if (name == "Han")
      members += NewHan;
    FT_RETURN_IF_ERROR(set(members, negated, inClass, whole));
    at = end + 1;
    return {};
  }

  Status codePoint() {
    // \x41, \x{41} and \u0041. A byte above 7F would be part of a character in Oniguruma.
    const bool braced = at + 2 < pattern.size() && pattern[at + 2] == '{';
    const size_t digits = braced ? at + 3 : at + 2;
    const size_t end = braced ? pattern.find('}', digits) : digits + (next() == 'u' ? 4 : 2);
    if (end == std::string_view::npos || end > pattern.size() || end == digits ||
        !std::all_of(pattern.begin() + digits, pattern.begin() + end,
                     [](unsigned char c) { return std::isxdigit(c); }) ||
        (next() == 'x' && !braced && pattern[digits] > '7'))
      return refuse(pattern.substr(at, 4), "a code point");
    out += fmt::format("\\x{{{}}}", pattern.substr(digits, end - digits));
    at = braced ? end + 1 : end;
    return {};
  }

  Status escape(bool inClass) {
    const char c = next();
    const std::string_view both = pattern.substr(at, 2);
    switch (c) {
    case 'p':
    case 'P':
      return property(c == 'P', inClass);
    case 'x':
    case 'u':
      return codePoint();
    case 's':
      FT_RETURN_IF_ERROR(set(Spaces, false, inClass, both));
      break;
    case 'S':
      FT_RETURN_IF_ERROR(set(NoSpaces, false, inClass, both));
      break;
    case 'd':
    case 'D':
      FT_RETURN_IF_ERROR(set("\\p{Nd}" + newCharactersOf("Nd"), c == 'D', inClass, both));
      break;
    case 'v':
      out += "\\x{b}";
      break;
    case 'A':
    case 'z':
    case 'Z':
      if (inClass)
        return refuse(both, "an anchor inside a class");
      out += both;
      break;
    case 'a':
    case 'e':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      out += both;
      break;
    default:
      if (c == '\0' || std::isalnum(static_cast<unsigned char>(c)))
        return refuse(both, "an escape");
      out += both;
    }
    at += 2;
    return {};
  }

  std::string_view pattern;
  size_t at = 0;
  std::string out;
};
} // namespace

Expected<std::string> toPcre2(std::string_view pattern) { return Translator(pattern).run(); }

} // namespace ft::rt
