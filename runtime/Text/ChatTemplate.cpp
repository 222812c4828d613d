#include "runtime/Text/ChatTemplate.h"

#include "runtime/Template/CodePoints.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using jinja::Value;

Status unstable(size_t index, bool isLast) {
  return badInput(fmt::format(
      "message {}: the chat template renders {}, so what of the text is this turn cannot be "
      "told; {}, or use template chatml",
      index, isLast ? "the messages before it differently when it follows" : "it differently when others follow",
      isLast ? "leave it untrained (\"train\": false)" : "train the last turn alone (data { targets: LAST })"));
}

/// Of whole characters: two may share their first bytes.
size_t commonPrefix(std::string_view a, std::string_view b) {
  size_t length = size_t(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  while (length > 0 && length < a.size() && (uint8_t(a[length]) & 0xC0) == 0x80)
    --length;
  return length;
}

/// The turn's own words stand in `text`: the end of its content (what was thought before it may be gone), or the names
/// of the functions that it calls.
bool holdsTurn(std::string_view text, const Value &message) {
  if (const Value *calls = message.find("tool_calls"); calls && calls->isSequence())
    for (const Value &call : calls->items()) {
      const Value *function = call.is(Value::Kind::Dict) ? call.find("function") : nullptr;
      const Value *name = function && function->is(Value::Kind::Dict) ? function->find("name") : nullptr;
      if (name && name->is(Value::Kind::Text) && text.find(name->text()) == text.npos)
        return false;
    }
  const Value *content = message.find("content");
  if (!content || !content->is(Value::Kind::Text))
    return true;
  std::string_view words = jinja::strip(content->text(), true, true);
  words.remove_prefix(words.rfind('\n') == words.npos ? 0 : words.rfind('\n') + 1);
  return text.find(words) != text.npos;
}

/// No text of a chat has it. Python prints it as it is.
constexpr std::string_view Mark = "\u16B8\u2E3B";

/// The same value with Mark for each text in it, but for what says the type of a part.
Expected<Value> marked(const Value &value, size_t &texts) {
  if (value.is(Value::Kind::Text)) {
    ++texts;
    return Value(Mark);
  }
  if (!value.isSequence() && !value.is(Value::Kind::Dict))
    return value;
  std::vector<Value> items = value.items();
  const bool isDict = value.is(Value::Kind::Dict);
  for (size_t i = isDict; i < items.size(); i += 1 + isDict)
    if (!isDict || !(items[i - 1] == Value("type"))) {
      FT_ASSIGN_OR_RETURN(items[i], marked(items[i], texts));
    }
  return Value::of(value.kind(), std::move(items));
}

Expected<Value> withContent(const Value &message, Value content) {
  std::vector<Value> items = message.items();
  for (size_t i = 0; i + 1 < items.size(); i += 2)
    if (items[i] == Value("content"))
      items[i + 1] = content;
  return Value::of(Value::Kind::Dict, std::move(items));
}

size_t countMarks(std::string_view text) {
  size_t count = 0;
  for (size_t at = text.find(Mark); at != text.npos; at = text.find(Mark, at + Mark.size()))
    ++count;
  return count;
}

/// A template that joins texts says of another content what its '+' cannot do.
Status explained(const Status &status, std::span<const Value> messages) {
  for (size_t i = 0; i < messages.size(); ++i)
    if (const Value *content = messages[i].find("content"); content && content->isSequence())
      return badInput(fmt::format("{} (message {} has its content in parts, which not every template takes; give it as "
                                  "one text)",
                                  status.message(), i));
  return status;
}
} // namespace

Value chatMessage(std::string_view role, std::string_view content) {
  return *Value::of(Value::Kind::Dict, {Value("role"), Value(role), Value("content"), Value(content)});
}

Expected<std::string> ChatTemplate::render(std::span<const Value> messages, const Value &tools, bool generates) const {
  jinja::Variables given = variables;
  FT_ASSIGN_OR_RETURN(Value list, Value::of(Value::Kind::List, {messages.begin(), messages.end()}));
  given.emplace_back("messages", std::move(list));
  given.emplace_back("tools", tools);
  given.emplace_back("documents", Value::none());
  given.emplace_back("add_generation_prompt", Value(generates));
  return form.render(given, now);
}

/// Mistral's writes what the system says in front of a question that is last, and so nowhere where an answer follows.
Status ChatTemplate::checkSystem(const std::string &whole, std::span<const Value> messages, const Value &tools) const {
  std::vector<Value> others(messages.begin(), messages.end());
  for (size_t i = 0; i < messages.size(); ++i) {
    const Value *content = messages[i].find("content"), *role = messages[i].find("role");
    if (!content || !content->is(Value::Kind::Text) || !role || *role != Value("system") ||
        jinja::strip(content->text(), true, true).empty())
      continue;
    FT_ASSIGN_OR_RETURN(others[i], withContent(messages[i], Value(Mark)));
    const auto other = render(others, tools, /*generates=*/false);
    others[i] = messages[i];
    if (other.ok() && *other == whole)
      return badInput(fmt::format("message {}: the chat template leaves out what the system says; write it into a "
                                  "question, or use template chatml",
                                  i));
  }
  return {};
}

/// Tools answer with data, which templates write as such, or leave out where they know texts alone: then the chat reads
/// as if nothing were there.
Status ChatTemplate::checkAnswerOfTool(std::span<const Value> messages, size_t index, const Value &tools) const {
  std::vector<Value> others(messages.begin(), messages.end());
  FT_ASSIGN_OR_RETURN(others[index], withContent(messages[index], Value("")));
  const auto given = render(messages, tools, /*generates=*/false), without = render(others, tools, /*generates=*/false);
  if (!given.ok() || !without.ok() || *given != *without || messages[index].find("content")->items().empty())
    return {};
  return badInput(
      fmt::format("message {}: its content is data, which the chat template leaves out; give it as a text of "
                  "JSON",
                  index));
}

/// Templates that know texts alone leave parts out without a word, or write them as Python prints a list. What one
/// makes of a text in its place tells what it does with a text.
Status ChatTemplate::checkParts(std::span<const Value> messages, const Value &tools) const {
  std::vector<Value> others(messages.begin(), messages.end());
  for (size_t i = 0; i < messages.size(); ++i) {
    const Value *content = messages[i].find("content"), *role = messages[i].find("role");
    if (!content || !(content->isSequence() || content->is(Value::Kind::Dict)))
      continue;
    if (role && *role == Value("tool")) {
      FT_RETURN_IF_ERROR(checkAnswerOfTool(messages, i, tools));
      continue;
    }
    size_t texts = 0, wanted = 0;
    FT_ASSIGN_OR_RETURN(Value parts, marked(*content, texts));
    std::string joined;
    while (wanted < texts)
      joined += Mark, ++wanted;
    FT_ASSIGN_OR_RETURN(others[i], withContent(messages[i], joined));
    if (const auto asText = render(others, tools, /*generates=*/false); asText.ok())
      wanted = std::min(wanted, countMarks(*asText));
    FT_ASSIGN_OR_RETURN(others[i], withContent(messages[i], parts));
    const auto given = render(others, tools, /*generates=*/false);
    others[i] = messages[i];
    if (!given.ok()) // as the words were not: it looks at them
      continue;
    const bool printed = given->find(fmt::format("'{}'", Mark)) != given->npos ||
                         given->find(fmt::format("\"{}\"", Mark)) != given->npos;
    if (printed || countMarks(*given) < wanted)
      return badInput(
          fmt::format("message {}: its content is in parts, which the chat template {}; give it as one text", i,
                      printed ? "writes as a list, with brackets and quotes" : "leaves out"));
  }
  return {};
}

/// Where the messages before a turn are rendered otherwise without it, or there are none: behind the last place in
/// front of the turn's words that reads as what generation starts with. Another answer in its place tells where its
/// words are. A chat that begins with the assistant is asked for behind another message: many templates render no empty
/// chat, and some put a system turn in front of the first message.
Expected<size_t> ChatTemplate::beginBehindOpening(const std::string &whole, std::span<const Value> messages,
                                                  size_t index, const Value &tools) const {
  const bool isLast = index > 0 && index + 1 == messages.size();
  const Value asked[] = {chatMessage("user", Mark)};
  const std::span<const Value> front = index > 0 ? messages.first(index) : std::span(asked);
  FT_ASSIGN_OR_RETURN(const std::string prompt, render(front, tools, /*generates=*/true));
  FT_ASSIGN_OR_RETURN(const std::string before, render(front, tools, /*generates=*/false));
  std::vector<Value> others(messages.begin(), messages.end());
  others[index] = chatMessage("assistant", Mark);
  FT_ASSIGN_OR_RETURN(const std::string other, render(others, tools, /*generates=*/false));
  const std::string_view upToAnswer = std::string_view(whole).substr(0, commonPrefix(whole, other));
  if (!prompt.starts_with(before) || (index > 0 && (prompt.size() == before.size() || whole == other)))
    return unstable(index, isLast);
  // The answer may lack the end of it ("<think>").
  for (std::string_view opening = std::string_view(prompt).substr(before.size());; opening.remove_suffix(1)) {
    if (opening.empty())
      return index == 0 && prompt.size() == before.size() ? Expected<size_t>(upToAnswer.size())
                                                          : unstable(index, isLast);
    const size_t at = upToAnswer.rfind(opening);
    if (at == upToAnswer.npos || (opening.size() + before.size() != prompt.size() && !upToAnswer.ends_with(opening)))
      continue;
    const size_t begin = at + opening.size();
    // An end of turn between the two: the place is an earlier turn's.
    if (index > 0 && (endOfTurn.empty() || upToAnswer.find(endOfTurn, begin) != upToAnswer.npos))
      return unstable(index, isLast);
    return begin;
  }
}

/// Behind what generation starts from. A template that opens its prompt with what an answer in the data does not have
/// ("<think>") starts behind what both share, which is more than the messages before.
Expected<size_t> ChatTemplate::beginOfTurn(const std::string &whole, std::span<const Value> messages, size_t index,
                                           const Value &tools) const {
  if (index == 0)
    return beginBehindOpening(whole, messages, index, tools);
  FT_ASSIGN_OR_RETURN(const std::string prompt, render(messages.first(index), tools, /*generates=*/true));
  if (whole.starts_with(prompt))
    return prompt.size();
  FT_ASSIGN_OR_RETURN(const std::string before, render(messages.first(index), tools, /*generates=*/false));
  if (!whole.starts_with(before))
    return beginBehindOpening(whole, messages, index, tools);
  // Another answer in its place tells the template's words from the answer's first ones.
  std::vector<Value> others(messages.begin(), messages.end());
  others[index] = chatMessage("assistant", Mark);
  FT_ASSIGN_OR_RETURN(const std::string other, render(others, tools, /*generates=*/false));
  const size_t shared = std::min(commonPrefix(prompt, whole), commonPrefix(prompt, other));
  return shared > before.size() ? Expected<size_t>(shared) : unstable(index, index + 1 == messages.size());
}

Expected<TextSpan> ChatTemplate::turn(const std::string &whole, std::span<const Value> messages, size_t index,
                                      const Value &tools) const {
  FT_ASSIGN_OR_RETURN(const size_t begin, beginOfTurn(whole, messages, index, tools));
  if (index + 1 == messages.size())
    return TextSpan{begin, whole.size()};
  FT_ASSIGN_OR_RETURN(const std::string upTo, render(messages.first(index + 1), tools, /*generates=*/false));
  if (upTo.size() > begin && whole.starts_with(upTo))
    return TextSpan{begin, upTo.size()};
  const size_t end = endOfTurn.empty() ? std::string::npos : whole.find(endOfTurn, begin);
  if (end == std::string::npos || !holdsTurn(std::string_view(whole).substr(begin, end - begin), messages[index]))
    return unstable(index, /*isLast=*/false);
  return TextSpan{begin, end + endOfTurn.size()};
}

Expected<ChatText> ChatTemplate::encode(std::span<const Value> messages, const Value &tools,
                                        const std::vector<bool> &targets) const {
  ChatText result;
  auto text = render(messages, tools, /*generates=*/false);
  if (!text.ok())
    return explained(text.status(), messages);
  FT_RETURN_IF_ERROR(checkParts(messages, tools));
  FT_RETURN_IF_ERROR(checkSystem(*text, messages, tools));
  result.text = std::move(*text);
  for (size_t i = 0; i < messages.size(); ++i) {
    if (!targets[i])
      continue;
    FT_ASSIGN_OR_RETURN(const TextSpan span, turn(result.text, messages, i, tools));
    if (!result.targets.empty() && span.begin < result.targets.back().end)
      return unstable(i, i + 1 == messages.size());
    result.targets.push_back(span);
  }
  return result;
}

} // namespace ft::rt
