#include "runtime/Text/SampleFields.h"

#include <algorithm>
#include <fmt/format.h>

namespace ft::rt {

std::optional<std::string> *SampleFields::field(std::string_view name) {
  found += fmt::format("{}{}", found.empty() ? "" : ", ", name.substr(0, 40));
  messages |= name == "messages" || name == "conversations";
  const auto at = std::find(Names.begin(), Names.end(), name);
  return at == Names.end() ? nullptr : &texts[size_t(at - Names.begin())];
}

Expected<Sample> SampleFields::sample() {
  auto &[instruction, input, output, prompt, completion] = texts;
  const bool plain = !instruction && (prompt || completion);
  auto &request = plain ? prompt : instruction;
  auto &answer = plain ? completion : output;
  for (const auto &[text, name] :
       {std::pair(&request, plain ? "prompt" : "instruction"), std::pair(&answer, plain ? "completion" : "output")})
    if (!*text)
      return badInput(fmt::format("field \"{}\" is missing; must have instruction and output, and may have input, or "
                                  "have prompt and completion; found: {}{}",
                                  name, found.empty() ? "nothing" : found,
                                  messages ? " (chats are not supported yet)" : ""));
  Sample sample;
  sample.plain = plain;
  sample.instruction = std::move(*request);
  sample.output = std::move(*answer);
  if (!plain)
    sample.input = input.value_or("");
  return sample;
}

} // namespace ft::rt
