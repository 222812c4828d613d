#include "runtime/Support/SyntheticSource.h"

#include <charconv>

using namespace ft::rt;

/// The number that the text is, all of it.
template <typename Number> static bool readNumber(std::string_view text, Number &number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string SyntheticSource::text() const {
  std::string text(prefix);
  text.append(std::to_string(seed));
  if (maskedTo > 0)
    text.append(":").append(std::to_string(maskedFrom));
  if (maskedTo > maskedFrom)
    text.append("-").append(std::to_string(maskedTo));
  return text;
}

std::optional<SyntheticSource> SyntheticSource::parse(std::string_view source) {
  if (source.substr(0, prefix.size()) != prefix)
    return std::nullopt;
  source.remove_prefix(prefix.size());
  SyntheticSource result;
  const size_t colon = source.find(':');
  if (!readNumber(source.substr(0, colon), result.seed))
    return std::nullopt;
  if (colon == std::string_view::npos)
    return result;
  const std::string_view masked = source.substr(colon + 1);
  const size_t dash = masked.find('-');
  if (!readNumber(masked.substr(0, dash), result.maskedFrom))
    return std::nullopt;
  result.maskedTo = result.maskedFrom;
  if (dash != std::string_view::npos && !readNumber(masked.substr(dash + 1), result.maskedTo))
    return std::nullopt;
  constexpr uint32_t most = 99;
  return result.maskedFrom <= result.maskedTo && result.maskedTo <= most ? std::optional(result) : std::nullopt;
}
