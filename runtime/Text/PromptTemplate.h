// How a sample becomes a prompt and a response.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Support/Status.h"

#include <string>
#include <string_view>

namespace ft::rt {

/// A named template. The response follows the prompt directly and is followed by the end of turn.
///  - alpaca: Stanford Alpaca's two texts (with and without input); the end is the tokenizer's end of text.
///  - chatml: <|im_start|>role\n…<|im_end|>\n turns; instruction and input make one user turn, a newline between,
///  behind
///    a system turn where there is a system prompt; the end is <|im_end|>.
class PromptTemplate {
public:
  /// "alpaca" or "chatml"; other names are refused with a suggestion, and a system prompt where the template has no
  /// turn for it.
  static Expected<PromptTemplate> named(std::string_view name, std::string_view systemPrompt = "");

  /// The text in front of the response.
  std::string prompt(std::string_view instruction, std::string_view input) const;
  /// The control token that ends a turn; empty: the tokenizer's end of text.
  std::string_view endOfTurn() const { return end; }
  std::string_view name() const { return templateName; }
  /// The whole template for people and for the adapter's folder: both forms with {instruction}, {input}, {response}.
  std::string text() const;
  /// Of text(): two templates that differ anywhere differ here.
  Sha256Digest digest() const { return sha256(text()); }

private:
  std::string_view templateName, withInput, withoutInput, end;
  std::string system; ///< the system turn, in front of either
};

} // namespace ft::rt
