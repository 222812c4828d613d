#include "runtime/Text/PromptTemplate.h"

#include "runtime/Support/Strings.h"

#include <array>
#include <fmt/format.h>

namespace ft::rt {

namespace {
struct Known {
  std::string_view name, withInput, withoutInput, end;
};

constexpr Known Templates[] = {
    // tatsu-lab/stanford_alpaca, train.py, PROMPT_DICT. No newline behind "### Response:", as there.
    {"alpaca",
     "Below is an instruction that describes a task, paired with an input that provides further context. "
     "Write a response that appropriately completes the request.\n\n"
     "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
     "Below is an instruction that describes a task. "
     "Write a response that appropriately completes the request.\n\n"
     "### Instruction:\n{instruction}\n\n### Response:",
     ""},
    {"chatml", "<|im_start|>user\n{instruction}\n{input}<|im_end|>\n<|im_start|>assistant\n",
     "<|im_start|>user\n{instruction}<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"},
};
} // namespace

Expected<PromptTemplate> PromptTemplate::named(std::string_view name, std::string_view systemPrompt) {
  std::array<std::string_view, std::size(Templates)> names;
  for (size_t i = 0; i < names.size(); ++i) {
    const Known &known = Templates[i];
    names[i] = known.name;
    if (known.name != name)
      continue;
    PromptTemplate result;
    result.templateName = known.name;
    result.withInput = known.withInput;
    result.withoutInput = known.withoutInput;
    result.end = known.end;
    if (!systemPrompt.empty() && name != "chatml")
      return badInput(fmt::format("template {} has no system turn, and there is a system prompt; use template chatml, "
                                  "or leave system_prompt out",
                                  name));
    if (!systemPrompt.empty())
      result.system = fmt::format("<|im_start|>system\n{}<|im_end|>\n", systemPrompt);
    return result;
  }
  return badInput(fmt::format("template \"{}\" is not known; must be alpaca or chatml{}", name,
                              suggestion(name, std::span<const std::string_view>(names))));
}

std::string PromptTemplate::prompt(std::string_view instruction, std::string_view input) const {
  // One pass, so that text of a sample that looks like a placeholder stays as it is.
  std::string out = system;
  for (std::string_view rest = input.empty() ? withoutInput : withInput; !rest.empty();) {
    if (rest.starts_with("{instruction}")) {
      out += instruction;
      rest.remove_prefix(13);
    } else if (rest.starts_with("{input}")) {
      out += input;
      rest.remove_prefix(7);
    } else {
      out += rest.front();
      rest.remove_prefix(1);
    }
  }
  return out;
}

std::string PromptTemplate::text() const {
  const std::string_view tail = end.empty() ? "{end of text}" : end;
  return fmt::format("template: {}\n--- with input\n{}{}{{response}}{}\n--- without input\n{}{}{{response}}{}\n",
                     templateName, system, withInput, tail, system, withoutInput, tail);
}

} // namespace ft::rt
