// Texts as Python sees them: sequences of code points. All take well-formed UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ft::rt::jinja {

/// Bytes of the code point at `at`.
size_t codePointLength(std::string_view text, size_t at);
size_t countCodePoints(std::string_view text);
/// The byte where code point `index` starts; text.size() behind the last.
size_t byteOfCodePoint(std::string_view text, size_t index);

/// str.isspace() of one code point: Unicode's white space and the separators U+001C to U+001F.
bool isPythonSpace(char32_t c);

/// str.strip() and its one-sided forms. `characters` empty: white space.
std::string_view strip(std::string_view text, bool left, bool right, std::string_view characters = "");

/// str.lower(), str.upper(), str.capitalize(), str.title().
std::string lower(std::string_view text);
std::string upper(std::string_view text);
std::string capitalize(std::string_view text);
std::string title(std::string_view text);

} // namespace ft::rt::jinja
