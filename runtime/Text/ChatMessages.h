// Chats as people write them: OpenAI's messages and ShareGPT's conversations.
#pragma once

#include "runtime/Text/Samples.h"

namespace ft::rt {

/// What a message's fields are called; empty: role and content, or from and value where there is a "from".
struct ChatMessagesForm {
  const std::string &role, &content;
};

/// A chat from the JSON of its messages and of its tools (empty: none; a text with JSON in it is taken as well). Roles
/// are system, user, assistant and tool, and ShareGPT's names for them. What a template sees of a message is what
/// transformers makes of it: no members that are null, and what was thought (reasoning_content, thinking or reasoning)
/// under the names that templates ask for. A message's `train` (or `weight`, 0 or 1) says
/// whether a turn of the assistant is trained. BadInput, without the sample's place, naming the message and what is
/// wrong.
Expected<Sample> readChat(std::string_view messages, std::string_view tools, const ChatMessagesForm &form);

} // namespace ft::rt
