#include "runtime/Tokenizer/NormalForms.h"

#include "runtime/Tokenizer/UnicodeClasses.h"
#include "runtime/Tokenizer/Utf8.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utf8proc.h>

namespace ft::rt {

namespace {
using Points = std::vector<utf8proc_int32_t>;

/// The longest decomposition is U+FDFA's, of 18.
constexpr size_t MaxDecomposition = 32;

int combiningClass(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

Status decompose(utf8proc_int32_t c, bool compatible, Points &out) {
  std::array<utf8proc_int32_t, MaxDecomposition> parts;
  int bounds = UTF8PROC_BOUNDCLASS_START;
  const int options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
  const auto count = utf8proc_decompose_char(c, parts.data(), parts.size(), utf8proc_option_t(options), &bounds);
  if (count < 0 || count > utf8proc_ssize_t(parts.size()))
    return failed(fmt::format("utf8proc does not decompose U+{:04X}", uint32_t(c)));
  out.insert(out.end(), parts.begin(), parts.begin() + count);
  return {};
}

/// Puts marks in the order of their classes. utf8proc does it by neighbours, which is quadratic in a run of marks.
void orderMarks(Points &points) {
  auto isStarter = [](utf8proc_int32_t c) { return combiningClass(c) == 0; };
  for (auto at = points.begin(); at != points.end();) {
    auto first = std::find_if_not(at, points.end(), isStarter);
    at = std::find_if(first, points.end(), isStarter);
    std::stable_sort(first, at, [](auto a, auto b) { return combiningClass(a) < combiningClass(b); });
  }
}

Status flush(Points &points, bool composed, std::string &out) {
  orderMarks(points);
  utf8proc_ssize_t count = utf8proc_ssize_t(points.size());
  if (composed)
    count = utf8proc_normalize_utf32(points.data(), count, utf8proc_option_t(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  if (count < 0)
    return failed(fmt::format("utf8proc does not compose {} characters: {}", points.size(), utf8proc_errmsg(count)));
  for (utf8proc_ssize_t i = 0; i < count; ++i)
    appendUtf8(out, char32_t(points[i]));
  points.clear();
  return {};
}
} // namespace

Status toNormalForm(std::string &text, NormalForm form) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x80; }))
    return {};
  const bool composed = form == NormalForm::Nfc || form == NormalForm::Nfkc;
  const bool compatible = form == NormalForm::Nfkc || form == NormalForm::Nfkd;
  std::string out;
  out.reserve(text.size());
  Points points;
  for (size_t at = 0; at < text.size();) {
    bool wellFormed;
    const char32_t c = decodeUtf8(text, at, wellFormed);
    if (isUnknownToNormalization(c)) {
      // To the reference a starter that neither decomposes nor composes: a wall between two texts.
      FT_RETURN_IF_ERROR(flush(points, composed, out));
      appendUtf8(out, c);
    } else {
      FT_RETURN_IF_ERROR(decompose(utf8proc_int32_t(c), compatible, points));
    }
  }
  FT_RETURN_IF_ERROR(flush(points, composed, out));
  text = std::move(out);
  return {};
}

} // namespace ft::rt
