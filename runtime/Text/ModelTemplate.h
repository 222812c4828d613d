// What a model's files say of chats.
#pragma once

#include "runtime/Support/Status.h"

#include <optional>
#include <string>
#include <vector>

namespace ft::rt {

struct ModelTemplate {
  std::optional<std::string> text; ///< Jinja; nothing where the model has none
  std::string source;              ///< for messages: "model/chat_template.jinja"
  /// Special tokens by the names that templates know them by: ("bos_token", "<s>").
  std::vector<std::pair<std::string, std::string>> tokens;
};

/// Of a folder (or that of a .safetensors file): chat_template.jinja, else chat_template of tokenizer_config.json (a
/// text, or the one called "default" of a list); of a GGUF file: tokenizer.chat_template.
Expected<ModelTemplate> readModelTemplate(const std::string &modelPath);

} // namespace ft::rt
