// The fields of one sample, from whatever form its file has.
#pragma once

#include "runtime/Text/Samples.h"

#include <array>
#include <optional>

namespace ft::rt {

/// Takes the fields by name, in any order, and makes a sample of those that belong together. Where a sample has the
/// fields of several forms, messages come before instruction, that before prompt, and that before text.
class SampleFields {
public:
  /// `columns` outlives the object.
  explicit SampleFields(const ColumnNames &columns) : columns(columns) {}

  /// Where a field's text goes; null for one that no form has as a text. Remembers the name for messages.
  std::optional<std::string> *field(std::string_view name);
  /// Where the JSON of a field goes that a chat has; null for any other.
  std::string *chatField(std::string_view name);
  /// Where the JSON goes of a field that is a text in one form and a list of messages in another; null for any other.
  std::string *listField(std::string_view name);
  /// A field that no form has; whether it is a truth value.
  void other(std::string_view name, bool truth);
  /// The field that was named last is null.
  void null();
  /// BadInput, without a place, where a required field is missing, or where what is there belongs to a form of training
  /// that ftc does not have.
  Expected<Sample> sample();

private:
  Expected<Sample> ofForm();
  Expected<Sample> chat();
  Expected<Sample> conversation();
  Expected<Sample> instruction();
  Status system(Sample &chat) const;
  Status missing(std::string_view name) const;

  enum Text : uint8_t { Instruction, Input, Output, Prompt, Completion, Whole, System };
  const ColumnNames &columns;
  std::array<std::optional<std::string>, 7> texts;                     ///< by Text
  std::string messages, prompt, completion, tools, functions, history; ///< JSON; empty: absent
  bool preferred = false, rejected = false, graded = false;            ///< of preference data
  std::string found, unread;
};

} // namespace ft::rt
