// Cuts text into the pieces that a tokenizer's model sees one at a time.
#pragma once

#include "runtime/Tokenizer/Regex.h"
#include "runtime/Tokenizer/TokenizerSteps.h"

#include <deque>
#include <optional>
#include <span>

namespace ft::rt {

/// A sequence of steps, each of which sees every piece of the step before it alone, so that a look-ahead ends at the
/// piece's end. Immutable; split() may run on several threads, each with its own Scratch.
class PreTokenizer {
public:
  /// Refuses an expression that cannot be read, and a ByteLevel step that is not the last.
  static Expected<PreTokenizer> create(std::span<const PreTokenizerStep> steps);

  /// `text` views the text that was split, or `rewritten`.
  struct Piece {
    std::string_view text;
    bool first; ///< starts where the whole input starts
  };
  struct Scratch {
    std::vector<Piece> pieces, next;
    std::vector<Span> spans;
    std::deque<std::string> rewritten;
    Regex::Work work;
  };

  /// Leaves the pieces of `text` (well-formed UTF-8), none of them empty, in scratch.pieces. `first`: `text` starts
  /// where the whole input starts. Fails only where PCRE2 runs out of its limits.
  Status split(std::string_view text, bool first, Scratch &scratch) const;

  /// The model sees bytes as characters of GPT-2's alphabet.
  bool byteLevel() const { return bytes; }
  /// A step asks whether a piece starts where the whole input starts.
  bool asksForFirst() const { return first; }

private:
  struct Stage {
    PreTokenizerStep step;
    std::optional<Regex> regex;
  };
  Status cut(const Stage &stage, Piece piece, Scratch &scratch) const;

  std::vector<Stage> stages;
  bool bytes = false, first = false;
};

} // namespace ft::rt
