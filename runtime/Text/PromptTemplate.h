// How a sample becomes text: Alpaca's form, or turns of a chat.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Text/ChatTemplate.h"
#include "runtime/Text/ModelTemplate.h"

namespace ft::rt {

/// What a run says of its samples' text.
struct TextOptions {
  std::string templateName; ///< alpaca, chatml, model, or a file; empty: model where there is one, else alpaca
  std::string systemPrompt; ///< in front of chats that have no system turn; empty: none
  std::vector<std::string> variables; ///< NAME=VALUE
  bool lastTurnOnly = false;          ///< of a chat's turns of the assistant
  std::string baseFolder;             ///< where a relative file starts

  static TextOptions from(const plan::Run &run, std::string baseFolder);
};

/// A chosen template.
///  - alpaca: Stanford Alpaca's two texts (with and without input); the end is the tokenizer's end of text.
///  - a chat template, of the model, of a file, or `chatml`: <|im_start|>role\n…<|im_end|>\n turns. Instruction and
///  input
///    make one user turn, a newline between.
class PromptTemplate {
public:
  /// Other names are refused with a suggestion; a system prompt where the template has no turn for it; `model` where
  /// the model has no template.
  static Expected<PromptTemplate> choose(const TextOptions &options, const ModelTemplate &model);

  /// Null: alpaca.
  const ChatTemplate *chat() const { return turns ? &*turns : nullptr; }
  ChatTemplate *chat() { return turns ? &*turns : nullptr; }
  /// Alpaca's text in front of the response.
  static std::string alpaca(std::string_view instruction, std::string_view input);

  /// The system prompt where there is one, and the sample's messages or its instruction as the user's.
  std::vector<jinja::Value> messagesOf(const Sample &sample) const;
  /// Those of messagesOf() that are trained.
  std::vector<bool> targetsOf(const Sample &sample, std::span<const jinja::Value> messages) const;

  const std::string &name() const { return templateName; }
  /// All that a sample's text depends on, for people and for the adapter's folder.
  std::string text() const;
  /// Of text(): two templates that differ anywhere differ here.
  Sha256Digest digest() const { return sha256(text()); }

private:
  std::string templateName;
  TextOptions options;
  std::optional<ChatTemplate> turns;
};

} // namespace ft::rt
