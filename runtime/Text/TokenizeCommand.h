// Behind `ftc tokenize`.
#pragma once

#include "runtime/Support/Status.h"

#include <string>
#include <string_view>

namespace ft::rt {

/// What a model sees of a text: a line for each token, its id and its text between quotes, control tokens marked; then
/// how many there are. With what the tokenizer puts around every text. A part of a character
/// is shown as U+FFFD.
Expected<std::string> tokenizedText(const std::string &modelPath, std::string_view text);

/// The text of ids, control tokens included. `ids`: numbers between white space or commas, perhaps with what
/// tokenizedText() writes behind them.
Expected<std::string> decodedIds(const std::string &modelPath, std::string_view ids);

} // namespace ft::rt
