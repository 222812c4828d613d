// What `tokenizers` takes for a space, a letter of a word, a number and so on.
#pragma once

#include <string>
#include <string_view>

namespace ft::rt {

/// Unicode's White_Space.
bool isSpace(char32_t c);
/// Rust's \w: alphabetic, marks, decimal digits, connectors, joiners.
bool isWord(char32_t c);
/// Rust's char::is_numeric: Nd, Nl, No.
bool isNumeric(char32_t c);
/// ASCII's punctuation and symbols, and Unicode's P.
bool isPunctuation(char32_t c);
/// Younger than the normalisation forms of `tokenizers`: neither decomposed nor reordered there.
bool isUnknownToNormalization(char32_t c);
/// Appends the lower case, character by character: no final sigma, and two characters for U+0130.
void appendLowercase(std::string &out, char32_t c);

/// Characters of a general category ("Lu", or "L" for all of L) that PCRE2 10.42 (Unicode 14) does not know and the
/// regular expressions of `tokenizers` (Unicode 16) do, as ranges of a PCRE2 class; empty where there are none.
std::string newCharactersOf(std::string_view category);

} // namespace ft::rt
