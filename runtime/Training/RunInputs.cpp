#include "runtime/Training/RunInputs.h"

#include "runtime/Plan/Mesh.h"
#include "runtime/Plan/Verify.h"
#include "runtime/Text/BatchSource.h"
#include "runtime/Tokenizer/TokenizerFiles.h"
#include "runtime/Training/RunSettings.h"
#include "runtime/Weights/RunTexts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

using namespace ft;
using namespace ft::rt;

namespace {
std::string folderOf(const std::string &path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string oneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

/// What ftrun was told beside the recipe goes with it, as comments: a run's folder says all that made it.
void noteSettings(const RunOptions &options, plan::Plan &plan) {
  std::string lines;
  for (const std::string &setting : options.settings)
    lines += fmt::format("# ftrun --set {}\n", oneLine(setting));
  if (options.maxSteps)
    lines += fmt::format("# ftrun --max-steps {}\n", *options.maxSteps);
  if (!options.data.empty())
    lines += fmt::format("# ftrun --data {}\n", oneLine(options.data));
  if (!options.adapter.empty())
    lines += fmt::format("# ftrun --adapter {}\n", oneLine(options.adapter));
  for (plan::Text &text : *plan.mutable_texts())
    if (text.file() == resolvedRecipeFile)
      *text.mutable_content() += lines;
}

/// A file that the run leaves beside what the plan says.
void addText(RunInputs &inputs, const std::string &name, std::string content) {
  plan::Text *text = inputs.file->plan.add_texts();
  text->set_file(name);
  text->set_content(std::move(content));
}

Status readPlan(RunInputs &inputs) {
  FT_ASSIGN_OR_RETURN(PlanFile read, readPlanFile(inputs.options.plan));
  inputs.file = std::make_unique<PlanFile>(std::move(read));
  FT_RETURN_IF_ERROR(verifyPlan(inputs.plan()));
  inputs.world = plan::Mesh(inputs.plan()).ranks();
  if (inputs.options.ranks.value_or(inputs.world) != inputs.world)
    return badInput(fmt::format("--ranks {}: the plan is for {}; leave --ranks out, or compile the recipe with --set "
                                "parallelism.dp_replicate_size={}",
                                *inputs.options.ranks, inputs.world, *inputs.options.ranks));
  plan::Run &run = *inputs.file->plan.mutable_run();
  for (const std::string &setting : inputs.options.settings)
    FT_RETURN_IF_ERROR(applySetting(run, setting));
  if (inputs.options.maxSteps)
    run.set_max_steps(*inputs.options.maxSteps);
  noteSettings(inputs.options, inputs.file->plan);
  return {};
}

bool trainsAdapters(const plan::Plan &plan) {
  return std::any_of(plan.tensors().begin(), plan.tensors().end(),
                     [](const plan::Tensor &tensor) { return tensor.role() == plan::Tensor::ADAPTER; });
}

/// A whole model leaves with its tokenizer; an adapter finds it with its base.
Status keepTokenizer(RunInputs &inputs, Console &console) {
  if (trainsAdapters(inputs.plan()))
    return {};
  auto files = tokenizerFiles(*inputs.model);
  if (!files.ok()) {
    console.line(fmt::format("note: no tokenizer goes with the trained model: {}", files.status().message()));
    return {};
  }
  for (NamedFile &file : *files)
    addText(inputs, file.name, std::move(file.content));
  return {};
}

Status openModel(RunInputs &inputs, Console &console) {
  if (inputs.options.model.empty())
    return badInput("--model is missing; name the base model: a folder with safetensors, a .safetensors or .gguf file, "
                    "or seeded:SEED for random weights");
  FT_ASSIGN_OR_RETURN(inputs.model, ModelSource::open(inputs.options.model));
  FT_RETURN_IF_ERROR(inputs.model->check(inputs.plan()));
  if (!inputs.options.adapter.empty()) {
    FT_ASSIGN_OR_RETURN(inputs.adapter, AdapterSource::open(inputs.options.adapter, inputs.plan()));
  }
  return keepTokenizer(inputs, console);
}

/// Encodes what is to be answered; what generation would find out after the start is found here.
Status preparePrompt(RunInputs &inputs) {
  const plan::Plan &plan = inputs.plan();
  const plan::Generate &generate = plan.run().generate();
  if (!inputs.codec || generate.max_new_tokens() == 0)
    return {};
  if (std::none_of(plan.segments().begin(), plan.segments().end(),
                   [](const plan::Segment &segment) { return segment.kind() == plan::Segment::GENERATE; }))
    return badInput("generate.max_new_tokens is set, but the plan is of a recipe without generate; compile it with "
                    "generate { instruction: … }");
  FT_ASSIGN_OR_RETURN(inputs.prompt, inputs.codec->encodePrompt(generate.instruction(), generate.input()));
  if (inputs.prompt.size() > plan.batch().max_document_len())
    return badInput(
        fmt::format("generate.instruction and generate.input take {} tokens in template {}; must be at most "
                    "max_document_len {}: shorten them",
                    inputs.prompt.size(), plan.run().template_(), plan.batch().max_document_len()));
  for (const uint32_t id : inputs.prompt)
    if (id >= plan.batch().vocab_size())
      return badInput(
          fmt::format("generate.instruction has token {} of {}; must be below the model's vocab_size {}: the "
                      "tokenizer does not belong to this model",
                      id, inputs.codec->tokenizer().source(), plan.batch().vocab_size()));
  return {};
}

Status openData(RunInputs &inputs) {
  const plan::Run &run = inputs.plan().run();
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(inputs.plan().batch()));
  const std::string base = folderOf(inputs.options.plan);
  const DataRequest train = DataRequest::train(run, shape, base, inputs.options.data);
  // Text needs the tokenizer; synthetic tokens do not, and a folder without one can train on them.
  const bool text = !isSynthetic(train.source) || run.generate().max_new_tokens() > 0;
  if (text && !inputs.model->isSeeded()) {
    FT_ASSIGN_OR_RETURN(inputs.codec, TextCodec::load(inputs.options.model, run.template_(), run.system_prompt()));
    addText(inputs, "template.txt", inputs.codec->promptTemplate().text());
  } else if (!isSynthetic(train.source)) {
    return badInput(
        fmt::format("{} needs the model's tokenizer, and --model {} has none: name a model with its files, or "
                    "pass --data synthetic:SEED",
                    train.source, inputs.options.model));
  }
  FT_RETURN_IF_ERROR(preparePrompt(inputs));
  const TextCodec *codec = inputs.codec ? &*inputs.codec : nullptr;
  FT_ASSIGN_OR_RETURN(inputs.train, preparedData(train, codec));
  if (hasEvaluation(run)) {
    const DataRequest held = DataRequest::evaluation(run, shape, base, inputs.options.data);
    FT_ASSIGN_OR_RETURN(inputs.held, preparedData(held, codec));
  }
  inputs.steps = totalSteps(run, shape, inputs.train.file->rows(), inputs.world);
  return {};
}

/// What the run leaves says which model it started from, and what its samples end with.
Status completeFiles(RunInputs &inputs, Console &console) {
  const std::optional<uint32_t> end = inputs.codec ? std::optional(inputs.codec->endOfTurn()) : std::nullopt;
  FT_ASSIGN_OR_RETURN(const std::vector<std::string> notes, completeTexts(inputs.file->plan, *inputs.model, end));
  for (const std::string &note : notes)
    console.line("note: " + note);
  return {};
}
} // namespace

Expected<RunInputs> ft::rt::openInputs(const RunOptions &options, Console &console) {
  RunInputs inputs(options);
  FT_RETURN_IF_ERROR(readPlan(inputs));
  FT_RETURN_IF_ERROR(openModel(inputs, console));
  FT_RETURN_IF_ERROR(openData(inputs));
  FT_RETURN_IF_ERROR(completeFiles(inputs, console));
  return inputs;
}
