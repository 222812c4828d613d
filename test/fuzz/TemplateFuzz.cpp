// A chat template, rendered for a chat: work, depth and size are bounded.
#include "runtime/Template/Template.h"
#include "test/fuzz/FuzzFile.h"

using namespace ft;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const auto parsed = rt::Template::parse(fuzz::textOf(data, size), "t");
  if (!parsed.ok())
    return 0;
  const auto chat = rt::templateValue(nlohmann::ordered_json::parse(
      R"([{"role":"system","content":"s"},{"role":"user","content":"a\nb"},{"role":"assistant","content":"ü"}])"));
  constexpr uint64_t work = 1 << 20;
  (void)parsed->render({{"messages", *chat}, {"add_generation_prompt", rt::jinja::Value(true)}}, std::nullopt, work);
  return 0;
}
