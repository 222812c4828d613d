#include "runtime/Training/RunFacts.h"

#include "runtime/Support/Checksum.h"
#include "runtime/Support/Json.h"
#include "runtime/Support/Sha256.h"
#include "runtime/Support/Strings.h"
#include "runtime/Training/RecipeFields.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

using namespace ft;
using namespace ft::rt;

namespace {
constexpr std::string_view weightsFact = "base_weights";

std::string hex(std::string_view bytes) {
  return toHex({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
}

/// Of all that is computed; not of where the run writes, how often it reports, or how much memory is reserved.
std::string programDigest(const PlanFile &file) {
  plan::Plan program = file.plan;
  program.clear_compiler(), program.clear_name(), program.clear_recipe_sha256(), program.clear_arenas();
  program.clear_exports(), program.clear_texts(), program.clear_run(), program.clear_stats();
  Sha256 hash;
  hash.update(program.SerializeAsString());
  for (size_t i = 1; i < file.sections.size(); ++i) {
    Checksum checksum;
    checksum.update(file.sections[i].bytes);
    const uint64_t value = checksum.value();
    hash.update(std::as_bytes(std::span(&value, 1)));
  }
  return toHex(hash.finish());
}

/// What makes the tensors of an adapter mean what they mean; empty where the run trains none.
std::string adapterOf(const plan::Plan &plan) {
  for (const plan::Text &text : plan.texts()) {
    if (text.file() != "adapter_config.json")
      continue;
    const auto config = parseJson(text.content(), text.file());
    if (!config.ok() || !config->is_object())
      return "malformed";
    std::string described;
    for (const char *field : {"r", "lora_alpha", "target_modules", "use_rslora", "use_dora"})
      if (const Json *value = findMember(*config, field))
        described += fmt::format("{}{} {}", described.empty() ? "" : ", ", field, value->dump());
    return described;
  }
  return "";
}

/// Whose moments the run has, as its recipe calls it: those of SGD and of LION have one name. Empty without a recipe.
std::string optimizerOf(const plan::Plan &plan) {
  for (const plan::Text &text : plan.texts())
    if (text.file() == resolvedRecipeFile)
      return recipeFields(text.content())["optim"];
  return "";
}

std::string dataDigest(const PreparedData &data) {
  Checksum checksum;
  checksum.update(data.file->bytes());
  return fmt::format("{:016x} ({} rows)", checksum.value(), data.file->rows());
}
} // namespace

std::vector<RunFact> ft::rt::inputFacts(const RunInputs &inputs) {
  const plan::Run &run = inputs.plan().run();
  auto number = [](double value) { return fmt::format("{}", value); };
  return {
      {"model", toHex(inputs.model->digest())},
      {"architecture", hex(inputs.plan().model_sha256())},
      {"adapter", adapterOf(inputs.plan())},
      {"optim", optimizerOf(inputs.plan())},
      {"program", programDigest(*inputs.file)},
      {"data", dataDigest(inputs.train)},
      {"eval_data", inputs.held.file ? dataDigest(inputs.held) : ""},
      {"ranks", std::to_string(inputs.world)},
      {"rows_per_step", std::to_string(inputs.rowsPerStep())},
      {"seed", std::to_string(run.seed())},
      {"learning_rate", number(run.learning_rate())},
      {"lr_scheduler_type", run.lr_scheduler_type()},
      {"warmup_steps", std::to_string(run.warmup_steps())},
      {"warmup_ratio", number(run.warmup_ratio())},
      {"adam_beta1", number(run.adam_beta1())},
      {"adam_beta2", number(run.adam_beta2())},
      {"steps", std::to_string(inputs.steps)},
      {"deterministic", inputs.plan().deterministic() ? "yes" : "no"},
  };
}

std::vector<RunFact> ft::rt::deviceFacts(const RunInputs &inputs, Device &device) {
  const DeviceInfo &info = device.info();
  std::vector<RunFact> facts = {{"target", inputs.plan().target().name()},
                                {"processor", fmt::format("{} ({})", info.name, info.arch)},
                                {"libraries", fmt::format("{}", fmt::join(withoutPaths(info.libraries), ", "))},
                                {"ftrun", FTC_VERSION}};
  if (device.hostAccessible()) // products are divided over threads
    facts.push_back({"threads", std::to_string(inputs.options.threads ? inputs.options.threads : usableProcessors())});
  return facts;
}

bool ft::rt::namesWeights(const std::vector<RunFact> &facts) {
  return std::any_of(facts.begin(), facts.end(), [](const RunFact &fact) { return fact.name == weightsFact; });
}

std::vector<RunFact> ft::rt::weightsFacts(const RunInputs &inputs) {
  if (!inputs.weights)
    return {};
  return {
      {std::string(weightsFact), fmt::format("{:016x}", inputs.weights->of(*inputs.model, inputs.options.threads))}};
}

std::vector<FactDifference> ft::rt::differences(const std::vector<RunFact> &then, const std::vector<RunFact> &now) {
  std::vector<FactDifference> found;
  for (const RunFact &fact : now) {
    const auto old = std::find_if(then.begin(), then.end(), [&](const RunFact &f) { return f.name == fact.name; });
    if (old == then.end() || old->value == fact.value)
      continue;
    const bool forbidden =
        fact.name == "model" || fact.name == "architecture" || fact.name == "adapter" || fact.name == "optim";
    found.push_back({fact.name, old->value, fact.value, forbidden});
  }
  return found;
}

std::string ft::rt::describe(const std::vector<FactDifference> &differences) {
  std::string text;
  for (const FactDifference &d : differences)
    text += fmt::format("{}{} is {} there and {} now", text.empty() ? "" : "; ", d.name,
                        d.then.empty() ? "none" : shown(d.then), d.now.empty() ? "none" : shown(d.now));
  return text;
}

std::string ft::rt::describeChanges(const Checkpoint &checkpoint, const plan::Plan &plan,
                                    const std::vector<RunFact> &now) {
  std::vector<FactDifference> found = differences(checkpoint.state().facts, now);
  const auto program =
      std::find_if(found.begin(), found.end(), [](const FactDifference &d) { return d.name == "program"; });
  if (program == found.end())
    return describe(found);
  const auto recipe = std::find_if(plan.texts().begin(), plan.texts().end(),
                                   [](const plan::Text &text) { return text.file() == resolvedRecipeFile; });
  std::string then(1 << 20, '\0'); // its checksum is compared when the checkpoint is opened
  std::ifstream in(checkpoint.path() + "/" + std::string(resolvedRecipeFile), std::ios::binary);
  in.read(then.data(), static_cast<std::streamsize>(then.size()));
  then.resize(static_cast<size_t>(in.gcount()));
  if (recipe == plan.texts().end() || then.empty())
    return describe(found);
  const std::vector<FieldDifference> fields = planFieldDifferences(then, recipe->content());
  if (fields.empty())
    return describe(found); // another ftc
  const size_t at = static_cast<size_t>(found.erase(program) - found.begin());
  for (size_t i = 0; i < fields.size(); ++i)
    found.insert(found.begin() + static_cast<std::ptrdiff_t>(at + i), {fields[i].name, fields[i].then, fields[i].now});
  return describe(found);
}

std::string ft::rt::productDifference(const std::vector<std::string> &then, const std::vector<std::string> &now) {
  if (then == now)
    return "";
  if (then.size() != now.size())
    return fmt::format("{} products were prepared there and {} now", then.size(), now.size());
  const auto [old, other] = std::mismatch(then.begin(), then.end(), now.begin());
  return fmt::format("the library offers no longer what computed a product: \"{}\" there and \"{}\" now",
                     shown(*old, 300), *other);
}
