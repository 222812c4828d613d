// UTF-8 as the tokenizers need it: decoding with replacement, one code point at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ft::rt {

/// Appends the UTF-8 form of a Unicode scalar value.
void appendUtf8(std::string &out, char32_t codePoint);

/// Decodes the code point at `offset` and moves `offset` behind it. An ill-formed sequence gives U+FFFD and moves
/// `offset` behind its maximal well-formed prefix, or by one byte (Unicode 3.9, "substitution of maximal subparts":
/// what Python's errors='replace' and Rust's from_utf8_lossy do). `wellFormed` says which case it was.
char32_t decodeUtf8(std::string_view bytes, size_t &offset, bool &wellFormed);

/// Well-formed UTF-8: the text itself, with U+FFFD for every ill-formed part.
std::string replaceIllFormedUtf8(std::string_view bytes);

bool isWellFormedUtf8(std::string_view bytes);

/// `text` with every `what`, leftmost first, as `by`. An empty `what` is nowhere.
std::string replaceAll(std::string_view text, std::string_view what, std::string_view by);

} // namespace ft::rt
