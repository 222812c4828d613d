#include "runtime/Text/PromptTemplate.h"

#include "runtime/Support/FileKind.h"
#include "runtime/Support/MappedFile.h"
#include "runtime/Support/Strings.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fmt/format.h>

namespace ft::rt {

namespace {
namespace fs = std::filesystem;
using jinja::Value;

// tatsu-lab/stanford_alpaca, train.py, PROMPT_DICT. No newline behind "### Response:", as there.
constexpr std::string_view AlpacaWithInput =
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:";
constexpr std::string_view AlpacaWithoutInput = "Below is an instruction that describes a task. "
                                                "Write a response that appropriately completes the request.\n\n"
                                                "### Instruction:\n{instruction}\n\n### Response:";
constexpr std::string_view Chatml =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// "strftime_now=2025-01-31".
Expected<std::tm> dayOf(std::string_view text) {
  std::tm day{};
  int used = 0;
  const std::string copy(text);
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2d%n", &day.tm_year, &day.tm_mon, &day.tm_mday, &used) != 3 ||
      size_t(used) != text.size() || day.tm_mon < 1 || day.tm_mon > 12 || day.tm_mday < 1 || day.tm_mday > 31)
    return badInput(fmt::format("template_variables: strftime_now is {}; must be a day, as 2025-01-31", shown(text)));
  day.tm_year -= 1900;
  day.tm_mon -= 1;
  day.tm_hour = 12;
  std::tm same = day;
  timegm(&same); // day of the week and of the year
  if (same.tm_mday != day.tm_mday)
    return badInput(fmt::format("template_variables: strftime_now is {}, which is no day", shown(text)));
  return same;
}

struct Given {
  jinja::Variables variables;
  std::optional<std::tm> now;
};

/// Values are JSON where they can be read as such (true, 3), else texts.
Expected<Given> readVariables(const std::vector<std::string> &settings, const ModelTemplate &model) {
  Given given;
  for (const auto &[name, text] : model.tokens)
    given.variables.emplace_back(name, Value(text));
  for (const std::string &setting : settings) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return badInput(fmt::format("template_variables has {}; must be NAME=VALUE", shown(setting)));
    const std::string name = setting.substr(0, equals), text = setting.substr(equals + 1);
    if (name == "strftime_now") {
      FT_ASSIGN_OR_RETURN(given.now, dayOf(text));
      continue;
    }
    if (name == "messages" || name == "tools" || name == "add_generation_prompt")
      return badInput(fmt::format("template_variables sets {}, which the data says", name));
    const auto json = nlohmann::ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
    const bool simple = json.is_boolean() || json.is_number() || json.is_null() || json.is_string();
    FT_ASSIGN_OR_RETURN(Value value, simple ? templateValue(json) : Expected<Value>(Value(text)));
    given.variables.emplace_back(name, std::move(value));
  }
  return given;
}

Expected<Template> readFile(const std::string &name, const std::string &baseFolder) {
  const fs::path relative = fs::path(baseFolder.empty() ? "." : baseFolder) / name;
  const std::string path = isNamed(relative) ? relative.lexically_normal().string() : name;
  if (!isNamed(path))
    return badInput(
        fmt::format("template \"{}\" not found; tried {}, {}", name, relative.lexically_normal().string(), name));
  FT_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  return Template::parse({reinterpret_cast<const char *>(file.bytes().data()), file.size()}, path);
}

Expected<Template> chatSource(const std::string &name, const TextOptions &options, const ModelTemplate &model) {
  if (name == "chatml")
    return Template::parse(Chatml, "chatml");
  if (name != "model")
    return readFile(name, options.baseFolder);
  if (!model.text)
    return badInput("template is model, and the model has no chat template (chat_template.jinja, chat_template of "
                    "tokenizer_config.json, or of a GGUF file); use template chatml or alpaca, or name a file");
  return Template::parse(*model.text, model.source);
}
} // namespace

TextOptions TextOptions::from(const plan::Run &run, std::string baseFolder) {
  TextOptions options;
  options.templateName = run.template_();
  options.systemPrompt = run.system_prompt();
  options.variables.assign(run.template_variables().begin(), run.template_variables().end());
  options.lastTurnOnly = run.data_targets() == "last";
  options.baseFolder = std::move(baseFolder);
  return options;
}

Expected<PromptTemplate> PromptTemplate::choose(const TextOptions &options, const ModelTemplate &model) {
  PromptTemplate result;
  result.options = options;
  result.templateName = options.templateName;
  if (result.templateName.empty())
    result.templateName = model.text ? "model" : "alpaca";
  constexpr std::string_view names[] = {"alpaca", "chatml", "model"};
  const std::string &name = result.templateName;
  if (std::find(std::begin(names), std::end(names), name) == std::end(names) &&
      name.find_first_of("./") == std::string::npos)
    return badInput(fmt::format("template \"{}\" is not known; must be model, chatml, alpaca or a file{}", name,
                                suggestion(name, std::span<const std::string_view>(names))));
  if (name == "alpaca") {
    if (!options.systemPrompt.empty())
      return badInput("template alpaca has no system turn, and there is a system prompt; use template chatml, or leave "
                      "system_prompt out");
    return result;
  }
  FT_ASSIGN_OR_RETURN(Template form, chatSource(name, options, model));
  FT_ASSIGN_OR_RETURN(Given given, readVariables(options.variables, model));
  result.turns.emplace(std::move(form), std::move(given.variables), given.now);
  return result;
}

std::string PromptTemplate::alpaca(std::string_view instruction, std::string_view input) {
  // One pass, so that text of a sample that looks like a placeholder stays as it is.
  std::string out;
  for (std::string_view rest = input.empty() ? AlpacaWithoutInput : AlpacaWithInput; !rest.empty();) {
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

std::vector<Value> PromptTemplate::messagesOf(const Sample &sample) const {
  std::vector<Value> messages;
  const bool chat = sample.form == Sample::Form::Chat;
  const bool ownSystem = chat && !sample.messages.empty() && *sample.messages[0].find("role") == Value("system");
  if (!options.systemPrompt.empty() && !ownSystem)
    messages.push_back(chatMessage("system", options.systemPrompt));
  if (chat) {
    messages.insert(messages.end(), sample.messages.begin(), sample.messages.end());
    return messages;
  }
  messages.push_back(chatMessage("user", sample.request()));
  messages.push_back(chatMessage("assistant", sample.output));
  return messages;
}

std::vector<bool> PromptTemplate::targetsOf(const Sample &sample, std::span<const Value> messages) const {
  std::vector<bool> targets;
  size_t last = messages.size();
  for (size_t i = 0; i < messages.size(); ++i) {
    targets.push_back(*messages[i].find("role") == Value("assistant"));
    last = targets[i] ? i : last;
  }
  const size_t added = messages.size() - (sample.form == Sample::Form::Chat ? sample.messages.size() : messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    if (options.lastTurnOnly)
      targets[i] = i == last;
    if (i >= added && i - added < sample.train.size() && sample.train[i - added])
      targets[i] = *sample.train[i - added];
  }
  return targets;
}

std::string PromptTemplate::text() const {
  if (!turns)
    return fmt::format("template: alpaca\n--- with input\n{}{{response}}{{end of text}}\n--- without input\n"
                       "{}{{response}}{{end of text}}\n",
                       AlpacaWithInput, AlpacaWithoutInput);
  std::string out = fmt::format("template: {}\n", templateName);
  if (!options.systemPrompt.empty())
    out += fmt::format("system prompt: {}\n", options.systemPrompt);
  for (const std::string &variable : options.variables)
    out += fmt::format("variable: {}\n", variable);
  if (options.lastTurnOnly)
    out += "targets: the last turn of the assistant\n";
  return out + fmt::format("--- Jinja\n{}\n", turns->source().source());
}

} // namespace ft::rt
