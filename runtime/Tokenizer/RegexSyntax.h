// Oniguruma's regular expressions, as tokenizer.json has them, in PCRE2's words.
#pragma once

#include "runtime/Support/Status.h"

#include <string>
#include <string_view>

namespace ft::rt {

/// The same expression for PCRE2 with UTF, UCP and MULTILINE. Classes are spelled out where the two libraries differ in
/// Unicode's version or in meaning (\s, \d, \p{…}, \v). What would mean something else, or is not known to mean the
/// same, is refused by name: \w, \b, \h, back references, named groups, flags other than i, set operations in classes.
Expected<std::string> toPcre2(std::string_view pattern);

} // namespace ft::rt
