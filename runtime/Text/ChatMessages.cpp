#include "runtime/Text/ChatMessages.h"

#include "runtime/Support/Strings.h"
#include "runtime/Template/Template.h"
#include "runtime/Text/JsonCursor.h"

#include <fmt/format.h>

namespace ft::rt {

namespace {
using Json = nlohmann::ordered_json;
using jinja::Value;

/// The names that data sets use, and what templates know.
constexpr std::pair<std::string_view, std::string_view> Roles[] = {
    {"system", "system"},    {"user", "user"},     {"assistant", "assistant"}, {"tool", "tool"},
    {"human", "user"},       {"gpt", "assistant"}, {"chatgpt", "assistant"},   {"model", "assistant"},
    {"observation", "tool"}, {"function", "tool"}, {"ipython", "tool"},        {"function_response", "tool"},
    {"developer", "system"},
};

Expected<std::string> roleOf(const Json &name) {
  const std::string given = name.is_string() ? name.get<std::string>() : name.dump();
  for (const auto &[known, role] : Roles)
    if (known == given)
      return std::string(role);
  return badInput(fmt::format("role is {}; must be system, user, assistant or tool", shown(given)));
}

const Json *find(const Json &object, std::string_view name) {
  const auto at = object.find(std::string(name));
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

/// `train`: true or false; `weight`: 1 or 0.
Expected<std::optional<bool>> trainOf(const Json &message, const std::string &role) {
  std::optional<bool> trains;
  for (std::string_view name : {"train", "weight"})
    if (const Json *flag = find(message, name)) {
      const bool number = name == "weight" && flag->is_number() && (*flag == 0 || *flag == 1);
      if (!number && !flag->is_boolean())
        return badInput(fmt::format("{} is {}; must be {}", name, shown(flag->dump()),
                                    name == "train" ? "true or false" : "0 or 1"));
      trains = flag->is_boolean() ? flag->get<bool>() : *flag == 1;
    }
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
                                  i, shown(type->dump(-1, ' ', true, Json::error_handler_t::replace))));
  }
  return {};
}

Status readMessage(const Json &message, const ChatMessagesForm &form, Sample &sample) {
  if (!message.is_object())
    return badInput(fmt::format("is of type {}; must be an object with role and content", message.type_name()));
  const bool shareGpt = form.role.empty() && !find(message, "role") && find(message, "from");
  const std::string roleName = !form.role.empty() ? form.role : shareGpt ? "from" : "role";
  const std::string contentName = !form.content.empty() ? form.content : shareGpt ? "value" : "content";
  const Json *name = find(message, roleName);
  if (!name)
    return badInput(fmt::format("field \"{}\" is missing", roleName));
  FT_ASSIGN_OR_RETURN(const std::string role, roleOf(*name));
  const Json *content = find(message, contentName);
  const bool calls = find(message, "tool_calls") != nullptr;
  if (!content && !(role == "assistant" && calls))
    return badInput(fmt::format("field \"{}\" is missing", contentName));
  if (content && !content->is_string() && !content->is_array() && !content->is_object())
    return badInput(fmt::format("field \"{}\" is {}; must be a text", contentName, shown(content->dump())));
  if (content)
    FT_RETURN_IF_ERROR(checkParts(*content));
  FT_ASSIGN_OR_RETURN(const std::optional<bool> trains, trainOf(message, role));
  Json turn = {{"role", role}};
  if (content)
    turn["content"] = *content;
  for (const auto &[key, field] : message.items())
    if (key != roleName && key != contentName && key != "role" && key != "content" && key != "train" && key != "weight")
      turn[key] = field;
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

/// Only what a cursor can walk over is parsed: that bounds the depth.
Json parsedBounded(std::string_view text) {
  JsonCursor cursor(text);
  return cursor.skip().ok() && cursor.finished() ? Json::parse(text, nullptr, /*allow_exceptions=*/false)
                                                 : Json(Json::value_t::discarded);
}

Expected<Json> parsed(std::string_view text, std::string_view name) {
  Json json = parsedBounded(text);
  if (json.is_string()) { // data sets of tables keep JSON in a text
    const std::string held = json.get<std::string>();
    json = parsedBounded(held);
    if (json.is_discarded())
      return badInput(fmt::format("field \"{}\" is the text \"{}\"; must be a list, or a text that is JSON of one",
                                  name, shown(held, 60)));
  }
  if (json.is_discarded())
    return badInput(
        fmt::format("field \"{}\" is not JSON that can be read (UTF-8, numbers that a double holds)", name));
  return json;
}
} // namespace

Expected<Sample> readChat(std::string_view messages, std::string_view tools, const ChatMessagesForm &form) {
  FT_ASSIGN_OR_RETURN(const Json list, parsed(messages, "messages"));
  if (!list.is_array() || list.empty())
    return badInput(fmt::format("field \"messages\" is {}; must be a list of messages, and not empty",
                                shown(list.dump(-1, ' ', true, Json::error_handler_t::replace), 60)));
  Sample sample;
  sample.form = Sample::Form::Chat;
  for (size_t i = 0; i < list.size(); ++i)
    if (Status status = readMessage(list[i], form, sample); !status.ok())
      return badInput(fmt::format("message {}: {}", i, status.message()));
  if (tools.empty())
    return sample;
  FT_ASSIGN_OR_RETURN(const Json json, parsed(tools, "tools"));
  if (!json.is_array())
    return badInput(fmt::format("field \"tools\" is of type {}; must be a list", json.type_name()));
  if (!json.empty()) {
    FT_ASSIGN_OR_RETURN(sample.tools, templateValue(json));
  }
  return sample;
}

} // namespace ft::rt
