#include "runtime/Text/SampleFields.h"

#include "runtime/Support/Strings.h"
#include "runtime/Text/ChatMessages.h"
#include "runtime/Text/ChatTemplate.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using jinja::Value;

std::string_view named(const std::string &column, std::string_view name) {
  return column.empty() ? name : std::string_view(column);
}

/// Rather than what a column of this name holds in data of another kind.
bool isList(std::string_view json) {
  const size_t first = json.find_first_not_of(" \t\r\n\"");
  return first != json.npos && json[first] == '[';
}

bool endsWithAnswer(const Sample &chat) {
  return !chat.messages.empty() && *chat.messages.back().find("role") == Value("assistant");
}
} // namespace

std::optional<std::string> *SampleFields::field(std::string_view name) {
  if (found.size() < 400)
    found += fmt::format("{}{}", found.empty() ? "" : ", ", shown(name, 40));
  const std::pair<Text, std::string_view> names[] = {
      {Instruction, named(columns.instruction, "instruction")},
      {Input, named(columns.input, "input")},
      {Output, named(columns.output, "output")},
      {Prompt, named(columns.prompt, "prompt")},
      {Completion, named(columns.completion, "completion")},
      {Whole, named(columns.text, "text")},
      {System, "system"},
      {System, "system_prompt"},
  };
  for (const auto &[text, known] : names)
    if (known == name)
      return name == columns.messages ? nullptr : &texts[text];
  preferred |= (name == "chosen" || name == "preferred_output") && name != columns.messages;
  rejected |= (name == "rejected" || name == "non_preferred_output") && name != columns.messages;
  return nullptr;
}

void SampleFields::other(std::string_view name, bool truth) {
  graded |= truth && name == "label";
  if (unread.size() < 200)
    unread += fmt::format("{}{}", unread.empty() ? "" : ", ", shown(name, 40));
}

void SampleFields::null() {
  if (found.size() < 400)
    found += " (null)";
}

std::string *SampleFields::chatField(std::string_view name) {
  if (columns.messages.empty() ? name == "messages" || name == "conversations" : name == columns.messages)
    return &messages;
  const std::pair<std::string_view, std::string *> names[] = {
      {"tools", &tools}, {"functions", &functions}, {"history", &history}};
  for (const auto &[known, json] : names)
    if (known == name)
      return json;
  return nullptr;
}

std::string *SampleFields::listField(std::string_view name) {
  return name == named(columns.prompt, "prompt")           ? &prompt
         : name == named(columns.completion, "completion") ? &completion
                                                           : nullptr;
}

/// In front of a chat that has no system turn of its own.
Status SampleFields::system(Sample &chat) const {
  const std::optional<std::string> &own = texts[System];
  if (!own || own->empty())
    return {};
  const Value *first =
      chat.messages.empty() || *chat.messages[0].find("role") != Value("system") ? nullptr : &chat.messages[0];
  if (const Value *content = first ? first->find("content") : nullptr)
    return *content == Value(*own) ? Status()
                                   : badInput("field \"system\" and message 0 are two different system turns; leave "
                                              "one out");
  chat.messages.insert(chat.messages.begin(), chatMessage("system", *own));
  chat.train.insert(chat.train.begin(), std::nullopt);
  return {};
}

Expected<Sample> SampleFields::chat() {
  Sample sample;
  sample.form = Sample::Form::Chat;
  FT_RETURN_IF_ERROR(readMessages(messages, "messages", {columns.role, columns.content}, sample));
  if (preferred && rejected && !endsWithAnswer(sample))
    return missing("");
  FT_RETURN_IF_ERROR(readTools(tools, functions, sample));
  if (!sample.messages.empty())
    FT_RETURN_IF_ERROR(system(sample));
  return sample;
}

/// Messages of the prompt, of which none is trained, and of the completion.
Expected<Sample> SampleFields::conversation() {
  const std::string_view names[] = {named(columns.prompt, "prompt"), named(columns.completion, "completion")};
  const std::string *lists[] = {&prompt, &completion};
  Sample sample;
  sample.form = Sample::Form::Chat;
  for (size_t i = 0; i < 2; ++i) {
    if (lists[i]->empty())
      return texts[i == 0 ? Prompt : Completion]
                 ? badInput(fmt::format("field \"{}\" is a list of messages, and \"{}\" a text; both must be lists, or "
                                        "both texts",
                                        names[1 - i], names[i]))
                 : missing(names[i]);
    FT_RETURN_IF_ERROR(readMessages(*lists[i], names[i], {columns.role, columns.content}, sample));
    if (i == 0)
      std::fill(sample.train.begin(), sample.train.end(), std::optional(false));
  }
  FT_RETURN_IF_ERROR(readTools(tools, functions, sample));
  if (!sample.messages.empty())
    FT_RETURN_IF_ERROR(system(sample));
  return sample;
}

/// Turns of a chat where it has a system prompt, turns before it, or tools.
Expected<Sample> SampleFields::instruction() {
  auto &request = texts[Instruction], &input = texts[Input], &output = texts[Output];
  if (!request || !output)
    return missing(request ? named(columns.output, "output") : named(columns.instruction, "instruction"));
  Sample sample;
  sample.instruction = std::move(*request);
  sample.input = input.value_or("");
  sample.output = std::move(*output);
  Sample before;
  before.form = Sample::Form::Chat;
  if (isList(history))
    FT_RETURN_IF_ERROR(readHistory(history, before));
  if (isList(tools))
    FT_RETURN_IF_ERROR(readTools(tools, "", before));
  FT_RETURN_IF_ERROR(system(before));
  if (before.messages.empty() && before.tools == Value::none())
    return sample;
  addTurn("user", sample.request(), before);
  addTurn("assistant", sample.output, before);
  return before;
}

Status SampleFields::missing(std::string_view name) const {
  if (preferred && rejected)
    return badInput("has an answer that is preferred and one that is rejected: pairs for DPO, whose loss ftc does not "
                    "have; to train on the preferred ones alone: data { columns { completion: \"chosen\" } }, or "
                    "messages: \"chosen\" where that is a whole chat");
  return badInput(fmt::format("field \"{}\" is missing; must have instruction and output, and may have input, or have "
                              "prompt and completion, or messages, or text (other names: data {{ columns {{ … }} }}); "
                              "found: {}",
                              name, found.empty() ? "nothing" : found));
}

Expected<Sample> SampleFields::sample() {
  FT_ASSIGN_OR_RETURN(Sample sample, ofForm());
  sample.unread = std::move(unread);
  return sample;
}

Expected<Sample> SampleFields::ofForm() {
  if (!messages.empty())
    return chat();
  if (!texts[Instruction] && (!prompt.empty() || !completion.empty()))
    return conversation();
  auto &request = texts[Prompt], &answer = texts[Completion], &text = texts[Whole];
  Sample sample;
  if (text && !texts[Instruction] && !request) {
    sample.form = Sample::Form::Document;
    sample.output = std::move(*text);
    return sample;
  }
  if (texts[Instruction] || (!request && !answer))
    return instruction();
  if (!request || !answer)
    return missing(request ? named(columns.completion, "completion") : named(columns.prompt, "prompt"));
  if (graded)
    return badInput("has prompt, completion and a label that is true or false: answers that are wanted and others, for "
                    "KTO, whose loss ftc does not have; keep those that are wanted, without \"label\"");
  if (texts[System] && !texts[System]->empty())
    return badInput("has a system prompt, and prompt and completion are taken as they are; put it into the prompt, or "
                    "make messages of them");
  sample.form = Sample::Form::Plain;
  sample.instruction = std::move(*request);
  sample.output = std::move(*answer);
  return sample;
}

} // namespace ft::rt
