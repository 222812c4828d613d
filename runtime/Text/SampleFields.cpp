#include "runtime/Text/SampleFields.h"

#include "runtime/Text/ChatMessages.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
std::string_view named(const std::string &column, std::string_view name) {
  return column.empty() ? name : std::string_view(column);
}
} // namespace

std::optional<std::string> *SampleFields::field(std::string_view name) {
  if (found.size() < 400)
    found += fmt::format("{}{}", found.empty() ? "" : ", ", name.substr(0, 40));
  const std::string *const given[] = {&columns.instruction, &columns.input,      &columns.output,
                                      &columns.prompt,      &columns.completion, &columns.text};
  for (size_t i = 0; i < Names.size(); ++i)
    if (named(*given[i], Names[i]) == name)
      return &texts[i];
  return nullptr;
}

std::string *SampleFields::chatField(std::string_view name) {
  if (columns.messages.empty() ? name == "messages" || name == "conversations" : name == columns.messages)
    return &messages;
  return name == "tools" ? &tools : nullptr;
}

Expected<Sample> SampleFields::chat() const {
  ChatMessagesForm form{columns.role, columns.content};
  return readChat(messages, tools, form);
}

Expected<Sample> SampleFields::sample() {
  if (!messages.empty())
    return chat();
  auto &[instruction, input, output, prompt, completion, text] = texts;
  Sample sample;
  if (text && !instruction && !prompt) {
    sample.form = Sample::Form::Document;
    sample.output = std::move(*text);
    return sample;
  }
  const bool plain = !instruction && (prompt || completion);
  auto &request = plain ? prompt : instruction;
  auto &answer = plain ? completion : output;
  const std::pair<bool, std::string_view> needed[] = {
      {request.has_value(), plain ? named(columns.prompt, "prompt") : named(columns.instruction, "instruction")},
      {answer.has_value(), plain ? named(columns.completion, "completion") : named(columns.output, "output")}};
  for (const auto &[there, name] : needed)
    if (!there)
      return badInput(fmt::format("field \"{}\" is missing; must have instruction and output, and may have input, or "
                                  "have prompt and completion, or messages, or text (other names: data {{ columns {{ … "
                                  "}} }}); found: {}",
                                  name, found.empty() ? "nothing" : found));
  sample.form = plain ? Sample::Form::Plain : Sample::Form::Instruction;
  sample.instruction = std::move(*request);
  sample.output = std::move(*answer);
  if (!plain)
    sample.input = input.value_or("");
  return sample;
}

} // namespace ft::rt
