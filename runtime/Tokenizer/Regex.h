// Regular expressions of tokenizer.json, run by PCRE2.
#pragma once

#include "runtime/Support/Status.h"

#include <memory>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;

namespace ft::rt {

/// A stretch of text, and whether a pattern matched it.
struct Span {
  size_t begin, end;
  bool matched;
};

/// Immutable after compile(); find() may run on several threads, each with its own Work.
class Regex {
public:
  /// `pattern` in Oniguruma's syntax (see toPcre2).
  static Expected<Regex> compile(std::string_view pattern);

  class Work {
  public:
    Work();
    ~Work();
    Work(const Work &) = delete;
    Work &operator=(const Work &) = delete;

  private:
    friend class Regex;
    pcre2_real_match_data_8 *data;
  };

  /// Appends spans that, joined, are `text` (well-formed UTF-8): the matches, leftmost first, and what lies between.
  /// Matches may be empty; an empty one directly behind another match is passed over, as Oniguruma's iterator does.
  /// Fails only where PCRE2 runs out of its limits.
  Status find(std::string_view text, Work &work, std::vector<Span> &spans) const;

private:
  Regex() = default;
  std::shared_ptr<const pcre2_real_code_8> code;
  std::shared_ptr<pcre2_real_match_context_8> context, interpreter; ///< limits of compiled code, and of the interpreter
};

/// As Regex::find, for a text that is matched as it is; an empty one matches nowhere.
void findText(std::string_view text, std::string_view what, std::vector<Span> &spans);

} // namespace ft::rt
