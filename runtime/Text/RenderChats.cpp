// Renders many chats as training does, for comparisons with transformers (test/goldens/templates/make_goldens.py).
// Reads lines of JSON, {"template": …, "messages": …, "tools": …, "variables": {…}, "generates": …}, and writes a line
// for each: {"text": …} or {"error": …}. strftime_now says 31 January 2025.

#include "runtime/Template/RenderRequests.h"
#include "runtime/Text/ChatMessages.h"
#include "runtime/Text/ChatTemplate.h"

#include <ctime>

using namespace ft::rt;
using nlohmann::ordered_json;

static Expected<std::string> rendered(const ordered_json &request) {
  static const std::string none;
  const ordered_json &tools = request["tools"];
  FT_ASSIGN_OR_RETURN(const Sample chat,
                      readChat(request["messages"].dump(), tools.is_null() ? "" : tools.dump(), {none, none}));
  FT_ASSIGN_OR_RETURN(Template form, Template::parse(request["template"].get<std::string>(), "template"));
  FT_ASSIGN_OR_RETURN(jinja::Variables variables, requestedVariables(request));
  std::tm day{};
  day.tm_year = 125;
  day.tm_mday = 31;
  day.tm_wday = 5;
  day.tm_yday = 30;
  const ChatTemplate chats(std::move(form), std::move(variables), day);
  return chats.render(chat.messages, chat.tools, request["generates"].get<bool>());
}

int main() { answerRequests(rendered); }
