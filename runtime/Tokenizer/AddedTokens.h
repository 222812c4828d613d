// Tokens that are found in the text before a tokenizer's model sees it.
#pragma once

#include "runtime/Support/Status.h"
#include "runtime/Tokenizer/ByteTrie.h"

#include <optional>
#include <span>
#include <string>
#include <unordered_map>

namespace ft::rt {

struct AddedToken {
  std::string content;
  uint32_t id = 0;
  bool special = false;    ///< a control token: left out where decoding skips those, and where text is only text
  bool normalized = false; ///< looked for in normalised text, in its own normalised form
  bool singleWord = false; ///< only between characters that are no letters of a word
  bool leftSpace = false;  ///< takes the white space in front of it
  bool rightSpace = false; ///< takes the white space behind it
  bool operator==(const AddedToken &) const = default;
};

/// Immutable; find() may run on several threads, in at most `text`'s bytes times the longest token's.
class AddedTokens {
public:
  /// A token longer than this is refused, which bounds the work of find().
  static constexpr size_t MaxBytes = 1024;

  /// `texts[i]` is what tokens[i] is looked for as.
  static Expected<AddedTokens> create(std::span<const AddedToken> tokens, std::span<const std::string> texts);

  /// A stretch of text that is a token, or none.
  struct Part {
    std::string_view text;
    const AddedToken *token; ///< null: plain text
  };
  /// Appends the parts of `text`, leftmost and longest tokens first. `specials` off: control tokens are plain text.
  void find(std::string_view text, bool specials, std::vector<Part> &parts) const;

private:
  bool matches(const AddedToken &token, std::string_view text, size_t begin, size_t end) const;

  std::vector<AddedToken> tokens;
  ByteTrie trie; ///< values: indices of `tokens`
};

} // namespace ft::rt
