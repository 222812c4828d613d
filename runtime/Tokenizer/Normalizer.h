// Text to the text that a tokenizer's model was trained on.
#pragma once

#include "runtime/Tokenizer/ByteTrie.h"
#include "runtime/Tokenizer/CharsMap.h"
#include "runtime/Tokenizer/Regex.h"
#include "runtime/Tokenizer/TokenizerSteps.h"

#include <optional>
#include <span>

namespace ft::rt {

/// Immutable; apply() may run on several threads.
class Normalizer {
public:
  /// Refuses an expression or a character map that cannot be read, and what is beyond MaxSteps or MaxWritten.
  static Expected<Normalizer> create(std::span<const NormalizerStep> steps);

  /// Rewrites `text` in place, one step after the other. BadInput where that makes it 64 times as long, which no
  /// normalizer does.
  Status apply(std::string &text, Regex::Work &work) const;
  /// `first`: the text starts where the whole input does. It no longer does where what it started with was stripped, or
  /// replaced by nothing or by what stands for a later character.
  Status apply(std::string &text, Regex::Work &work, bool &first) const;
  bool empty() const { return stages.empty(); }
  /// The first step reads ill-formed UTF-8 itself.
  bool readsBytes() const;

private:
  struct Stage {
    NormalizerStep step;
    std::optional<Regex> regex;
    CharsMap charsMap;
    ByteTrie fixed;
  };
  Status apply(std::string &text, Regex::Work &work, size_t &front) const;

  std::vector<Stage> stages;
};

} // namespace ft::rt
