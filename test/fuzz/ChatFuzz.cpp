// A chat and a template for it, behind each other with a zero between: what is trained lies in order inside the text.
#include "runtime/Text/ChatMessages.h"
#include "runtime/Text/ChatTemplate.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view text = fuzz::textOf(data, size);
  const size_t cut = text.find('\0');
  if (cut == text.npos || size > 4096) // a turn is two renderings
    return 0;
  static const std::string own;
  const auto chat = rt::readChat(text.substr(0, cut), "", {own, own});
  auto parsed = rt::Template::parse(text.substr(cut + 1), "t");
  if (!chat.ok() || !parsed.ok())
    return 0;
  rt::ChatTemplate form(std::move(*parsed), {{"bos_token", rt::jinja::Value("<s>")}}, std::nullopt);
  form.setEndOfTurn("<e>");
  std::vector<bool> targets;
  for (const rt::jinja::Value &message : chat->messages)
    targets.push_back(*message.find("role") == rt::jinja::Value("assistant"));
  const auto rendered = form.encode(chat->messages, chat->tools, targets);
  size_t at = 0;
  for (const rt::TextSpan &span : rendered.ok() ? rendered->targets : std::vector<rt::TextSpan>()) {
    if (span.begin < at || span.end < span.begin || span.end > rendered->text.size())
      std::abort();
    at = span.end;
  }
  return 0;
}
