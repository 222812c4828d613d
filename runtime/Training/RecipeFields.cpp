#include "runtime/Training/RecipeFields.h"

#include <algorithm>
#include <iterator>

using namespace ft::rt;

namespace {
/// What of a recipe is no part of what a plan computes, or has a name of its own among a run's facts.
constexpr std::string_view ofTheRun[] = {"base_model",
                                         "target",
                                         "optim",
                                         "adam_beta1",
                                         "adam_beta2",
                                         "learning_rate",
                                         "warmup_steps",
                                         "warmup_ratio",
                                         "lr_scheduler_type",
                                         "max_steps",
                                         "num_epochs",
                                         "seed",
                                         "logging_steps",
                                         "eval_steps",
                                         "output_dir",
                                         "data",
                                         "template",
                                         "train_on_prompt",
                                         "template_variables",
                                         "system_prompt",
                                         "generate",
                                         "val_set_size",
                                         "save_steps",
                                         "save_total_limit",
                                         "save_on_signal",
                                         "load_best_model_at_end",
                                         "metric_for_best_model"};

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r"), end = text.find_last_not_of(" \t\r");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin + 1);
}
} // namespace

std::map<std::string, std::string> ft::rt::recipeFields(std::string_view resolved) {
  std::map<std::string, std::string> fields;
  std::vector<size_t> lengths; // of `path`, before each message that is open
  std::string path;
  while (!resolved.empty()) {
    const size_t end = std::min(resolved.find('\n'), resolved.size());
    const std::string_view line = trimmed(resolved.substr(0, end));
    resolved.remove_prefix(std::min(end + 1, resolved.size()));
    if (line.empty() || line.front() == '#')
      continue;
    if (line == "}") {
      if (!lengths.empty())
        path.resize(lengths.back()), lengths.pop_back();
    } else if (line.back() == '{') {
      lengths.push_back(path.size());
      path += std::string(trimmed(line.substr(0, line.size() - 1))) + ".";
    } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
      std::string &value = fields[path + std::string(line.substr(0, colon))];
      value += (value.empty() ? "" : ", ") + std::string(trimmed(line.substr(colon + 1)));
    }
  }
  return fields;
}

std::vector<FieldDifference> ft::rt::planFieldDifferences(std::string_view then, std::string_view now) {
  const std::map<std::string, std::string> old = recipeFields(then), other = recipeFields(now);
  std::map<std::string, FieldDifference> found;
  for (const auto &[name, value] : old)
    found[name] = {name, value, ""};
  for (const auto &[name, value] : other)
    found[name].name = name, found[name].now = value;
  std::vector<FieldDifference> differences;
  for (const auto &[name, difference] : found)
    if (difference.then != difference.now &&
        std::find(std::begin(ofTheRun), std::end(ofTheRun), name.substr(0, name.find('.'))) == std::end(ofTheRun))
      differences.push_back(difference);
  return differences;
}
