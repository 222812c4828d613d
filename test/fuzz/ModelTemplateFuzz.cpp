// The chat template of a model's folder: tokenizer_config.json, and behind a zero byte chat_template.jinja.
#include "runtime/Template/Template.h"
#include "runtime/Text/ModelTemplate.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const fuzz::Folder folder;
  const std::string_view text = fuzz::textOf(data, size);
  const size_t end = std::min(text.find('\0'), text.size());
  folder.write("tokenizer_config.json", text.substr(0, end));
  std::error_code ignored;
  std::filesystem::remove(folder.path + "/chat_template.jinja", ignored);
  if (end < text.size())
    folder.write("chat_template.jinja", text.substr(end + 1));
  const auto model = rt::readModelTemplate(folder.path);
  if (!model.ok() || !model->text)
    return 0;
  const auto parsed = rt::Template::parse(*model->text, model->source);
  if (!parsed.ok() && !parsed.status().message().starts_with(model->source))
    std::abort();
  return 0;
}
