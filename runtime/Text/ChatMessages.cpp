#include "runtime/Text/ChatMessages.h"

#include "runtime/Support/Strings.h"
#include "runtime/Template/Template.h"
#include "runtime/Text/ChatTemplate.h"
#include "runtime/Text/JsonCursor.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

namespace {
using Json = nlohmann::ordered_json;
using jinja::Value;

/// The names that data sets use, and what templates know.
constexpr std::pair<std::string_view, std::string_view> Roles[] = {
    {"system", "system"}, {"user", "user"},          {"assistant", "assistant"},    {"tool", "tool"},
    {"human", "user"},    {"gpt", "assistant"},      {"chatgpt", "assistant"},      {"model", "assistant"},
    {"bot", "assistant"}, {"ai", "assistant"},       {"observation", "tool"},       {"function", "tool"},
    {"ipython", "tool"},  {"tool_response", "tool"}, {"function_response", "tool"}, {"developer", "system"},
};

/// "User" is "user".
bool isNamed(std::string_view given, std::string_view known) {
  return std::equal(given.begin(), given.end(), known.begin(), known.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? char(a | 0x20) : a) == b; });
}

/// Turns of the assistant whose text is the JSON of what they call.
bool isCall(std::string_view role) { return role == "function_call" || role == "tool_call"; }

std::string dumped(const Json &json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

Expected<std::string> roleOf(const Json &name) {
  const std::string given = name.is_string() ? name.get<std::string>() : dumped(name);
  for (const auto &[known, role] : Roles)
    if (isNamed(given, known))
      return std::string(role);
  return isCall(given) ? Expected<std::string>("assistant")
                       : badInput(fmt::format("role is {}; must be system, user, assistant or tool", shown(given)));
}

const Json *find(const Json &object, std::string_view name) {
  const auto at = object.find(std::string(name));
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

/// `train` or `training`: true or false; `weight`: 1 or 0.
Expected<std::optional<bool>> trainOf(const Json &message, const std::string &role) {
  std::optional<bool> trains;
  for (std::string_view name : {"train", "training", "weight"})
    if (const Json *flag = find(message, name)) {
      const bool number = name == "weight" && flag->is_number() && (*flag == 0 || *flag == 1);
      if (!number && !flag->is_boolean())
        return badInput(fmt::format("{} is {}; must be {}", name, shown(dumped(*flag)),
                                    name == "weight" ? "0 or 1" : "true or false"));
      trains = flag->is_boolean() ? flag->get<bool>() : *flag == 1;
    }
  for (std::string_view name : {"train_detail", "training_detail"})
    if (find(message, name))
      return badInput(
          fmt::format("{} says which parts of a turn are trained; ftc trains a turn or not: \"train\": true "
                      "or false",
                      name));
  if (trains == true && role != "assistant")
    return badInput(fmt::format("a turn of {} shall be trained; only those of the assistant can be", role));
  return trains;
}

/// What transformers makes of a message before a template sees it: members that are null are not there, and what was
/// thought, under whichever of its names, is there as "thinking" and as "reasoning_content".
Json asTransformersGives(const Json &message) {
  Json given = Json::object();
  const Json *thought = nullptr;
  for (std::string_view name : {"reasoning_content", "thinking", "reasoning"})
    if (!thought)
      thought = find(message, name);
  if (thought)
    given["thinking"] = *thought;
  for (const auto &[key, field] : message.items())
    if (!field.is_null())
      given[key] = field;
  if (thought)
    given["reasoning_content"] = *thought;
  return given;
}

/// A list of parts is as good as a text where all of them are texts.
Status checkParts(const Json &content) {
  for (size_t i = 0; content.is_array() && i < content.size(); ++i) {
    const Json *type = content[i].is_object() ? find(content[i], "type") : nullptr;
    if (type && *type != "text")
      return badInput(fmt::format("part {} of the content is of type {}; must be \"text\": models are trained on text "
                                  "alone, and a template may leave out other parts without a word",
                                  i, shown(dumped(*type))));
  }
  return {};
}

/// Only what a cursor can walk over is parsed: that bounds the depth.
Json parsedBounded(std::string_view text) {
  JsonCursor cursor(text);
  return cursor.skip().ok() && cursor.finished() ? Json::parse(text, nullptr, /*allow_exceptions=*/false)
                                                 : Json(Json::value_t::discarded);
}

/// What a call names, as templates know it: OpenAI's older form with its arguments as JSON.
Expected<Json> callOf(Json function) {
  if (!function.is_object() || !find(function, "name") || !find(function, "arguments"))
    return badInput(fmt::format("calls {}; must be an object with name and arguments", shown(dumped(function), 60)));
  Json &arguments = function["arguments"];
  if (arguments.is_string())
    if (Json inside = parsedBounded(arguments.get<std::string>()); inside.is_object())
      arguments = std::move(inside);
  return Json{{"type", "function"}, {"function", std::move(function)}};
}

/// The calls that the text of a turn holds: one, or a list of them.
Expected<Json> callsIn(const Json &text) {
  Json calls = text.is_string() ? parsedBounded(text.get<std::string>()) : text;
  if (calls.is_discarded())
    return badInput(
        fmt::format("calls a function by the text {}; must be JSON of an object with name and arguments, or "
                    "of a list of such",
                    shown(dumped(text), 60)));
  if (!calls.is_array())
    calls = Json::array({std::move(calls)});
  for (Json &call : calls) {
    FT_ASSIGN_OR_RETURN(call, callOf(std::move(call)));
  }
  return calls;
}

Status missing(std::string_view field, const Json &message) {
  std::string found;
  for (const auto &[key, value] : message.items())
    if (found.size() < 200)
      found += fmt::format("{}{}{}", found.empty() ? "" : ", ", shown(key), value.is_null() ? " (null)" : "");
  return badInput(fmt::format("field \"{}\" is missing (other names: data {{ columns {{ role: … content: … }} }}); "
                              "found: {}",
                              field, found.empty() ? "nothing" : found));
}

Status readMessage(const Json &message, const ChatMessagesForm &form, Sample &sample) {
  if (!message.is_object())
    return badInput(fmt::format("is of type {}; must be an object with role and content", message.type_name()));
  const bool shareGpt = form.role.empty() && !find(message, "role") && find(message, "from");
  const std::string roleName = !form.role.empty() ? form.role : shareGpt ? "from" : "role";
  const std::string contentName = !form.content.empty() ? form.content : shareGpt ? "value" : "content";
  const Json *name = find(message, roleName);
  if (!name)
    return missing(roleName, message);
  FT_ASSIGN_OR_RETURN(const std::string role, roleOf(*name));
  const Json *content = find(message, contentName);
  const bool calls = find(message, "tool_calls") || find(message, "function_call");
  if (!content && !(role == "assistant" && calls))
    return missing(contentName, message);
  if (content && !content->is_string() && !content->is_array() && !content->is_object())
    return badInput(fmt::format("field \"{}\" is {}; must be a text", contentName, shown(dumped(*content))));
  if (content)
    FT_RETURN_IF_ERROR(checkParts(*content));
  FT_ASSIGN_OR_RETURN(const std::optional<bool> trains, trainOf(message, role));
  Json turn = {{"role", role}};
  if (content && name->is_string() && isCall(name->get<std::string>())) {
    FT_ASSIGN_OR_RETURN(turn["tool_calls"], callsIn(*content));
  } else if (content) {
    turn["content"] = *content;
  }
  for (const auto &[key, field] : message.items())
    if (key == "function_call" && !field.is_null() && !find(message, "tool_calls")) {
      FT_ASSIGN_OR_RETURN(Json call, callOf(field));
      turn["tool_calls"] = Json::array({std::move(call)});
    } else if (key != roleName && key != contentName && key != "role" && key != "content" && key != "train" &&
               key != "training" && key != "weight") {
      turn[key] = field;
    }
  const Json given = asTransformersGives(turn);
  std::vector<Value> items;
  for (const auto &[key, field] : given.items()) {
    FT_ASSIGN_OR_RETURN(Value value, templateValue(field));
    items.emplace_back(key);
    items.push_back(std::move(value));
  }
  FT_ASSIGN_OR_RETURN(Value made, Value::of(Value::Kind::Dict, std::move(items)));
  sample.messages.push_back(std::move(made));
  sample.train.push_back(trains);
  return {};
}

/// As pandas writes a list into a cell: Python's quotes rather than JSON's.
bool isPythons(std::string_view text) {
  const size_t first = text.find_first_of("'\"");
  return first != text.npos && text[first] == '\'' && first > 0 && text.find_first_not_of(" \t\r\n[{(") == first;
}

/// None where a table or a data set has an empty text.
Expected<Json> parsed(std::string_view text, std::string_view name) {
  constexpr std::string_view pythons =
      "field \"{}\" is written as Python prints it, with ' around texts; write it as JSON (json.dumps)";
  if (isPythons(text))
    return badInput(fmt::format(pythons, name));
  Json json = parsedBounded(text);
  if (json.is_string()) { // data sets of tables keep JSON in a text
    const std::string held = json.get<std::string>();
    if (held.find_first_not_of(" \t\r\n") == held.npos)
      return Json::array();
    if (isPythons(held))
      return badInput(fmt::format(pythons, name));
    json = parsedBounded(held);
    if (json.is_discarded())
      return badInput(fmt::format("field \"{}\" is the text \"{}\"; must be a list, or a text that is JSON of one",
                                  name, shown(held, 60)));
  }
  if (json.is_discarded())
    return badInput(
        fmt::format("field \"{}\" is not JSON that can be read (UTF-8, numbers that a double holds)", name));
  return json.is_null() ? Json::array() : json;
}

Expected<Json> listOf(std::string_view text, std::string_view name) {
  if (text.empty())
    return Json::array();
  FT_ASSIGN_OR_RETURN(Json json, parsed(text, name));
  if (!json.is_array())
    return badInput(fmt::format("field \"{}\" is of type {}; must be a list", name, json.type_name()));
  return json;
}
} // namespace

Status readMessages(std::string_view messages, std::string_view name, const ChatMessagesForm &form, Sample &chat) {
  FT_ASSIGN_OR_RETURN(const Json list, parsed(messages, name));
  if (!list.is_array())
    return badInput(fmt::format("field \"{}\" is {}; must be a list of messages", name, shown(dumped(list), 60)));
  for (size_t i = 0; i < list.size(); ++i)
    if (Status status = readMessage(list[i], form, chat); !status.ok())
      return badInput(
          fmt::format("{}message {}: {}", name == "messages" ? "" : fmt::format("{}, ", name), i, status.message()));
  return {};
}

Status readTools(std::string_view tools, std::string_view functions, Sample &chat) {
  FT_ASSIGN_OR_RETURN(Json list, listOf(tools, "tools"));
  FT_ASSIGN_OR_RETURN(Json older, listOf(functions, "functions"));
  if (!list.empty() && !older.empty())
    return badInput("has tools and functions; leave one out");
  for (Json &function : older)
    list.push_back({{"type", "function"}, {"function", std::move(function)}});
  for (size_t i = 0; i < list.size(); ++i)
    if (!list[i].is_object())
      return badInput(
          fmt::format("tool {} is {}; must be an object that describes a function: its name, description and "
                      "parameters",
                      i, shown(dumped(list[i]), 60)));
  if (!list.empty()) {
    FT_ASSIGN_OR_RETURN(chat.tools, templateValue(list));
  }
  return {};
}

Status readHistory(std::string_view history, Sample &chat) {
  FT_ASSIGN_OR_RETURN(const Json list, listOf(history, "history"));
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_array() || list[i].size() != 2 || !list[i][0].is_string() || !list[i][1].is_string())
      return badInput(fmt::format("entry {} of \"history\" is {}; must be a list of a request and its answer", i,
                                  shown(dumped(list[i]), 60)));
    addTurn("user", list[i][0].get<std::string>(), chat);
    addTurn("assistant", list[i][1].get<std::string>(), chat);
  }
  return {};
}

void addTurn(std::string_view role, std::string_view content, Sample &chat) {
  chat.messages.push_back(chatMessage(role, content));
  chat.train.emplace_back();
}

Expected<Sample> readChat(std::string_view messages, std::string_view tools, const ChatMessagesForm &form) {
  Sample sample;
  sample.form = Sample::Form::Chat;
  FT_RETURN_IF_ERROR(readMessages(messages, "messages", form, sample));
  FT_RETURN_IF_ERROR(readTools(tools, "", sample));
  return sample;
}

} // namespace ft::rt
