// JSON of data, read forward: what nobody asks for is skipped, not built.
#pragma once

#include "runtime/Support/Status.h"

#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// Reads one text from front to back, in time linear in it. Errors are BadInput with a reason alone ("a value is cut
/// off"); where they stand, at() says. A skipped number may be any that JSON can write: only what is read has a range.
class JsonCursor {
public:
  explicit JsonCursor(std::string_view text) : text(text) {}

  enum class Kind : uint8_t { Object, Array, String, Number, Boolean, Null, None };
  /// Of the value that starts behind the white space here; None at the end, and where no value can start.
  Kind kind();
  static std::string_view nameOf(Kind kind);

  /// Steps into an object or array: then next() before every member (and key() for an object's), until it says false.
  /// Nesting is bounded by MaxDepth.
  Status enter();
  Expected<bool> next();
  Expected<std::string> key();

  /// Values. string() refuses ill-formed UTF-8 and halves of surrogate pairs.
  Expected<std::string> string();
  Status skip();

  /// Nothing but white space is left.
  bool finished();
  size_t at() const { return offset; }

  static constexpr size_t MaxDepth = 64;

private:
  void skipSpace();
  Status expect(std::string_view word);
  Status skipString();
  Status skipNumber();
  Expected<char32_t> hex4();

  struct Level {
    char close;
    bool started;
  };
  std::string_view text;
  size_t offset = 0;
  std::vector<Level> levels;
};

} // namespace ft::rt
