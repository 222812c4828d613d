#include "runtime/Tokenizer/Regex.h"

#include "runtime/Support/Strings.h"
#include "runtime/Tokenizer/RegexSyntax.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <fmt/format.h>

namespace ft::rt {

namespace {
std::string describe(int error) {
  std::array<PCRE2_UCHAR, 160> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char *>(text.data());
}

// What a match may go back to, and the steps of it, which are some seconds.
constexpr uint32_t interpreterKib = 1 << 20, interpreterSteps = 1 << 28;

size_t behindCharacter(std::string_view text, size_t at) {
  do
    ++at;
  while (at < text.size() && (uint8_t(text[at]) & 0xC0) == 0x80);
  return at;
}
} // namespace

// One pair of offsets: no group is read.
Regex::Work::Work() : data(pcre2_match_data_create(1, nullptr)) {}
Regex::Work::~Work() { pcre2_match_data_free(data); }

Expected<Regex> Regex::compile(std::string_view pattern) {
  FT_ASSIGN_OR_RETURN(const std::string translated, toPcre2(pattern));
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> options(
      pcre2_compile_context_create(nullptr), pcre2_compile_context_free);
  if (!options)
    return failed("PCRE2 has no memory for a compile context");
  // Ruby's syntax, which `tokenizers` gives Oniguruma: ^ and $ match at every line feed.
  pcre2_set_newline(options.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code *code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, options.get());
  if (!code)
    return badInput(fmt::format("the expression \"{}\" cannot be compiled: {}", shown(pattern), describe(error)));
  Regex result;
  result.code.reset(code, pcre2_code_free);
  // Without a just-in-time compiler pcre2_match interprets: slower, same matches.
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  result.context.reset(pcre2_match_context_create(nullptr), pcre2_match_context_free);
  if (!result.context)
    return failed("PCRE2 has no memory for a match context");
  // The default of 10 million would refuse a run of blanks of that length. The patterns of tokenizers are linear; a
  // hostile one stops at 2³² steps.
  pcre2_set_match_limit(result.context.get(), UINT32_MAX);
  result.interpreter.reset(pcre2_match_context_copy(result.context.get()), pcre2_match_context_free);
  if (!result.interpreter)
    return failed("PCRE2 has no memory for a match context");
  pcre2_set_heap_limit(result.interpreter.get(), interpreterKib);
  pcre2_set_match_limit(result.interpreter.get(), interpreterSteps);
  return result;
}

Status Regex::find(std::string_view text, Work &work, std::vector<Span> &spans) const {
  if (!work.data)
    return failed("PCRE2 has no memory for match data");
  const auto *subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t from = 0, covered = 0;
  bool any = false;
  while (from <= text.size()) {
    int found = pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK, work.data, context.get());
    // Compiled code keeps what it may go back to on a stack of 32 KiB, the interpreter on the heap.
    if (found == PCRE2_ERROR_JIT_STACKLIMIT)
      found = pcre2_match(code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, work.data,
                          interpreter.get());
    if (found == PCRE2_ERROR_NOMATCH)
      break;
    if (found < 0)
      return badInput(fmt::format("the pre-tokenizer fails {} bytes into a text of {} bytes: {}", from, text.size(),
                                  describe(found)));
    const PCRE2_SIZE *range = pcre2_get_ovector_pointer(work.data);
    if (range[0] == range[1] && any && range[1] == covered) {
      from = behindCharacter(text, from);
      continue;
    }
    if (range[0] > covered)
      spans.push_back({covered, range[0], false});
    spans.push_back({range[0], range[1], true});
    from = covered = range[1];
    any = true;
  }
  if (covered < text.size())
    spans.push_back({covered, text.size(), false});
  return {};
}

void findText(std::string_view text, std::string_view what, std::vector<Span> &spans) {
  size_t covered = 0;
  for (size_t at = text.find(what); at != text.npos && !what.empty(); at = text.find(what, covered)) {
    if (at > covered)
      spans.push_back({covered, at, false});
    spans.push_back({at, at + what.size(), true});
    covered = at + what.size();
  }
  if (covered < text.size())
    spans.push_back({covered, text.size(), false});
}

} // namespace ft::rt
