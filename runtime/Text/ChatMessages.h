// Chats as people write them: OpenAI's messages and ShareGPT's conversations.
#pragma once

#include "runtime/Text/Samples.h"

namespace ft::rt {

/// What a message's fields are called; empty: role and content, or from and value where there is a "from".
struct ChatMessagesForm {
  const std::string &role, &content;
};

/// Appends the messages of a JSON list (a text with JSON in it is taken as well; none of them is no error) to a chat.
/// Roles are system, user, assistant and tool, and the names that data sets have for them; a turn named function_call
/// or tool_call, whose text is JSON of a call or of several, is one of the assistant with `tool_calls`, as is OpenAI's
/// older `function_call`. What a template sees of a message is what transformers makes of it: no members that are null,
/// and what was thought (reasoning_content, thinking or reasoning) under the names that templates ask for. A message's
/// `train` or `training` (or `weight`, 0 or 1) says whether a turn of the assistant is trained. BadInput, without the
/// sample's place, naming the message and what is wrong; `name` is the list's.
Status readMessages(std::string_view messages, std::string_view name, const ChatMessagesForm &form, Sample &chat);
/// What the model may call, from JSON lists, either of which may be empty: tools as templates see them, or OpenAI's
/// older functions.
Status readTools(std::string_view tools, std::string_view functions, Sample &chat);
/// Turns before the sample's own: JSON of a list of pairs, a request and its answer.
Status readHistory(std::string_view history, Sample &chat);
/// A turn that says nothing of whether it is trained.
void addTurn(std::string_view role, std::string_view content, Sample &chat);
/// A chat of messages and tools alone.
Expected<Sample> readChat(std::string_view messages, std::string_view tools, const ChatMessagesForm &form);

} // namespace ft::rt
