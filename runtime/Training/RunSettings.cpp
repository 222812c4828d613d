#include "runtime/Training/RunSettings.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <functional>
#include <limits>
#include <map>
#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
/// Sets one field from text; the legal values where the text is none of them.
using Setter = std::function<std::string(plan::Run &, std::string_view)>;

template <typename Number> bool parse(std::string_view text, Number &number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Setter integer(void (plan::Run::*set)(uint64_t), uint64_t least, uint64_t most) {
  return [=](plan::Run &run, std::string_view text) -> std::string {
    uint64_t value = 0;
    if (!parse(text, value) || value < least || value > most)
      return fmt::format("an integer in [{}, {}]", least, most);
    (run.*set)(value);
    return {};
  };
}

enum class Low { Closed, Open };

Setter real(void (plan::Run::*set)(double), Low low, double most) {
  return [=](plan::Run &run, std::string_view text) -> std::string {
    double value = 0;
    if (!parse(text, value) || !(low == Low::Open ? value > 0 : value >= 0) || !(value <= most))
      return fmt::format("a number in {}0, {}]", low == Low::Open ? '(' : '[', most);
    (run.*set)(value);
    return {};
  };
}

Setter flag(void (plan::Run::*set)(bool)) {
  return [=](plan::Run &run, std::string_view text) -> std::string {
    if (text != "true" && text != "false")
      return "true or false";
    (run.*set)(text == "true");
    return {};
  };
}

/// Recipes write the names of enumerations in capitals: both are taken.
Setter choice(std::string *(plan::Run::*field)(), std::vector<std::string> legal) {
  return [=](plan::Run &run, std::string_view text) -> std::string {
    std::string names;
    for (const std::string &name : legal) {
      if (std::equal(name.begin(), name.end(), text.begin(), text.end(),
                     [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); })) {
        *(run.*field)() = name;
        return {};
      }
      names += (names.empty() ? "" : " or ") + name;
    }
    return names;
  };
}

Setter path(std::string *(plan::Run::*field)()) {
  return [=](plan::Run &run, std::string_view text) -> std::string {
    if (text.empty())
      return "a path";
    *(run.*field)() = text;
    return {};
  };
}

/// One in place of a list.
Setter onlyPath(google::protobuf::RepeatedPtrField<std::string> *(plan::Run::*field)()) {
  return [=](plan::Run &run, std::string_view text) -> std::string {
    if (text.empty())
      return "a path, or synthetic:SEED";
    (run.*field)()->Clear();
    *(run.*field)()->Add() = text;
    return {};
  };
}

const std::map<std::string, Setter, std::less<>> &setters() {
  using plan::Run;
  // The ranges of recipe.proto; 0 stands for a field that a recipe leaves out.
  static const std::map<std::string, Setter, std::less<>> table = {
      {"seed", integer(&Run::set_seed, 0, std::numeric_limits<uint64_t>::max())},
      {"learning_rate", real(&Run::set_learning_rate, Low::Open, 10)},
      {"lr_scheduler_type", choice(&Run::mutable_lr_scheduler_type, {"constant", "linear", "cosine"})},
      {"warmup_steps", integer(&Run::set_warmup_steps, 0, mostSteps)},
      {"warmup_ratio", real(&Run::set_warmup_ratio, Low::Closed, 1)},
      {"max_steps", integer(&Run::set_max_steps, 0, mostSteps)},
      {"num_epochs", real(&Run::set_num_epochs, Low::Open, 10000)},
      {"logging_steps", integer(&Run::set_logging_steps, 1, mostSteps)},
      {"eval_steps", integer(&Run::set_eval_steps, 0, mostSteps)},
      {"save_steps", integer(&Run::set_save_steps, 0, mostSteps)},
      {"save_total_limit", integer(&Run::set_save_total_limit, 0, mostSteps)},
      {"load_best_model_at_end", flag(&Run::set_load_best_model_at_end)},
      {"save_on_signal", flag(&Run::set_save_on_signal)},
      {"output_dir", path(&Run::mutable_output_dir)},
      {"data.train", onlyPath(&Run::mutable_data_train)},
      {"data.eval", onlyPath(&Run::mutable_data_eval)},
      {"data.targets", choice(&Run::mutable_data_targets, {"all", "last"})},
      {"template",
       [](Run &run, std::string_view text) -> std::string {
         if (text != "model" && text != "alpaca" && text != "chatml" && text.find_first_of("./") == text.npos)
           return "model or chatml or alpaca or a file";
         run.set_template_(std::string(text));
         return {};
       }},
      {"template_variables",
       [](Run &run, std::string_view text) -> std::string {
         if (text.find('=') == text.npos || text.starts_with('='))
           return "NAME=VALUE";
         run.clear_template_variables();
         run.add_template_variables(std::string(text));
         return {};
       }},
      {"system_prompt",
       [](Run &run, std::string_view text) {
         run.set_system_prompt(std::string(text));
         return std::string();
       }},
      {"train_on_prompt", flag(&Run::set_train_on_prompt)},
      {"val_set_size", real(&Run::set_val_set_size, Low::Closed, 0.5)},
      {"generate.instruction",
       [](Run &run, std::string_view text) {
         run.mutable_generate()->set_instruction(std::string(text));
         return std::string();
       }},
      {"generate.input",
       [](Run &run, std::string_view text) {
         run.mutable_generate()->set_input(std::string(text));
         return std::string();
       }},
      {"generate.max_new_tokens",
       [](Run &run, std::string_view text) {
         uint64_t value = 0;
         if (!parse(text, value) || value > 65536)
           return std::string("an integer in [0, 65536]");
         run.mutable_generate()->set_max_new_tokens(value);
         return std::string();
       }},
  };
  return table;
}
} // namespace

Status ft::rt::applySetting(plan::Run &run, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return badInput(fmt::format("--set {}: must be name=value", shown(assignment)));
  const std::string_view name = assignment.substr(0, equals), value = assignment.substr(equals + 1);
  const auto found = setters().find(name);
  if (found == setters().end()) {
    std::vector<std::string> names;
    for (const auto &entry : setters())
      names.push_back(entry.first);
    return badInput(
        fmt::format("--set {}: no run-time field of this name{}; what a plan fixes is changed by ftc compile "
                    "--set",
                    shown(name), suggestion(name, std::span<const std::string>(names))));
  }
  const std::string legal = isUtf8(value) ? found->second(run, value) : "text in UTF-8";
  return legal.empty() ? Status() : badInput(fmt::format("--set {}: is \"{}\"; must be {}", name, shown(value), legal));
}
