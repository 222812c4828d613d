// What is known of the fields of a file that describes a model or an adapter, and the reader of their values.
#pragma once

#include "runtime/Support/Json.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// One field. Every field of a file is in a table or refused: nothing that changes what is computed stays unseen.
struct Field {
  enum class Meaning : uint8_t {
    Read,     ///< understood: its reader judges the value
    Harmless, ///< changes nothing that a step computes, whatever it says
    Only,     ///< changes nothing with one of `values`, which is all that is supported
  };
  std::string_view name;
  Meaning meaning = Meaning::Harmless;
  std::string_view values; ///< of Only: a JSON array; null is always among them, as it means absent
  std::string_view reason; ///< of Only: why no other
};

constexpr Field readField(std::string_view name) { return {name, Field::Meaning::Read, {}, {}}; }
constexpr Field harmless(std::string_view name) { return {name, Field::Meaning::Harmless, {}, {}}; }
constexpr Field only(std::string_view name, std::string_view values, std::string_view reason) {
  return {name, Field::Meaning::Only, values, reason};
}

const Field *findField(std::span<const Field> table, std::string_view name);

/// `own`, and what it lacks of `common`.
std::vector<Field> joinFields(std::span<const Field> own, std::span<const Field> common);

/// "config.json: attention_bias is true; must be false: …" for every member of `object` that the table does not allow.
/// One that the table lacks must be null. At most 20 are named. `prefix` stands before the names of members
/// ("rope_parameters.").
void judgeFields(const std::string &place, const Json &object, std::span<const Field> table,
                 std::vector<std::string> &problems, const std::string &prefix = "");

/// Reads members of one object; each that is missing, of another type or out of range adds a problem, and a legal value
/// stands in for it. Null is absent.
class FieldReader {
public:
  /// `prefix` stands before the names of members in messages ("llama.").
  FieldReader(std::string place, const Json &object, std::vector<std::string> &problems, std::string prefix = "")
      : place(std::move(place)), prefix(std::move(prefix)), object(object), problems(problems),
        before(problems.size()) {}

  /// An integer in [1, most].
  int64_t size(std::string_view name, std::optional<int64_t> absent, int64_t most);
  /// A number in (0, most].
  double positive(std::string_view name, std::optional<double> absent, double most);
  bool flag(std::string_view name, bool absent);
  std::string text(std::string_view name);

  const Json *find(std::string_view name) const { return findMember(object, name); }
  /// Whether the member is there and null, where that is not the same as absent.
  bool isNull(std::string_view name) const;
  /// "PLACE: NAME is VALUE; must be LEGAL".
  void refuse(std::string_view name, std::string_view value, std::string_view legal);
  /// Whether there are problems more than there were.
  bool failed() const { return problems.size() > before; }

private:
  std::string place, prefix;
  const Json &object;
  std::vector<std::string> &problems;
  size_t before;
};

} // namespace ft::rt
