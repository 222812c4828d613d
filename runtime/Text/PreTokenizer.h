// Cuts text into the pieces inside which byte-pair merges may happen.
#pragma once

#include "runtime/Support/Status.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// A sequence of patterns. Each one cuts every piece of the stage before it into its matches and the gaps between
/// them; a stage sees one piece alone, so that a look-ahead ends at the piece's end (Hugging Face's `Sequence` of
/// `isolated` splits). Immutable; split() may run on several threads.
class PreTokenizer {
public:
  /// By GGUF's name (`tokenizer.ggml.pre`): "gpt-2", "smollm", "starcoder" or "llama-bpe". Any other name is refused
  /// with the list of those known, because a wrong pattern changes tokens silently.
  static Expected<PreTokenizer> named(std::string_view name);

  /// The name of a pattern as tokenizer.json spells it (`Split` with a regex), empty where it is not known.
  static std::string_view nameOfPattern(std::string_view pattern);
  /// The pattern of a name in that spelling, empty where tokenizer.json has no such Split for it.
  static std::string_view patternOf(std::string_view name);

  /// `text` must be well-formed UTF-8. Appends views of it that, joined, give it again. Fails only where PCRE2 runs
  /// out of its limits.
  Status split(std::string_view text, std::vector<std::string_view> &pieces) const;

private:
  struct Stage;
  std::vector<std::shared_ptr<const Stage>> stages;
};

} // namespace ft::rt
