// Chats to text, with what of it is trained.
#pragma once

#include "runtime/Template/Template.h"
#include "runtime/Text/Samples.h"

namespace ft::rt {

/// A stretch of bytes of a text.
struct TextSpan {
  size_t begin = 0, end = 0;
  bool operator==(const TextSpan &) const = default;
};

struct ChatText {
  std::string text;
  std::vector<TextSpan> targets; ///< in order, apart from each other
};

/// Immutable; every function may run on several threads.
class ChatTemplate {
public:
  /// `variables` are what every rendering is told beside the messages (bos_token, NAME=VALUE of a recipe).
  ChatTemplate(Template form, jinja::Variables variables, std::optional<std::tm> now)
      : form(std::move(form)), variables(std::move(variables)), now(now) {}

  /// The text that ends a turn of the assistant; set once it is known (see TextCodec).
  void setEndOfTurn(std::string text) { endOfTurn = std::move(text); }

  /// `generates`: up to where the assistant's answer starts.
  Expected<std::string> render(std::span<const jinja::Value> messages, const jinja::Value &tools, bool generates) const;

  /// The whole chat, and where turn i stands in it for each i with targets[i]: from where generation would start, found
  /// by rendering what comes before it, to where the turn ends, found by rendering it as the last. What was rendered
  /// apart must be a prefix of the whole. Where a template renders a turn differently when others follow (Qwen3 drops
  /// what was thought), the turn ends with the first end of turn, as it does in generation, and one that follows it
  /// without a user's between begins behind the next opening of a turn of the assistant. BadInput where neither can
  /// be told, and where content in parts is lost or printed as a list, or a system turn or a tool's data lost.
  Expected<ChatText> encode(std::span<const jinja::Value> messages, const jinja::Value &tools,
                            const std::vector<bool> &targets) const;

  const Template &source() const { return form; }

private:
  Expected<TextSpan> turn(const std::string &whole, std::span<const jinja::Value> messages, size_t index,
                          const jinja::Value &tools) const;
  Status checkParts(std::span<const jinja::Value> messages, const jinja::Value &tools) const;
  Status checkSystem(const std::string &whole, std::span<const jinja::Value> messages, const jinja::Value &tools) const;
  Status checkAnswerOfTool(std::span<const jinja::Value> messages, size_t index, const jinja::Value &tools) const;
  Expected<size_t> beginBehindOpening(const std::string &whole, std::span<const jinja::Value> messages, size_t index,
                                      const jinja::Value &tools) const;
  Expected<size_t> beginOfTurn(const std::string &whole, std::span<const jinja::Value> messages, size_t index,
                               const jinja::Value &tools) const;

  Template form;
  jinja::Variables variables;
  std::optional<std::tm> now;
  std::string endOfTurn;
};

/// {"role": role, "content": content}.
jinja::Value chatMessage(std::string_view role, std::string_view content);

} // namespace ft::rt
