#include "runtime/Training/RunInputs.h"

#include "runtime/Metrics/ProgressLine.h"
#include "runtime/Plan/Mesh.h"
#include "runtime/Plan/SavedState.h"
#include "runtime/Plan/Verify.h"
#include "runtime/Support/FileKind.h"
#include "runtime/Text/BatchSource.h"
#include "runtime/Tokenizer/TokenizerFiles.h"
#include "runtime/Training/Resume.h"
#include "runtime/Training/RunSettings.h"
#include "runtime/Weights/RunTexts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

using namespace ft;
using namespace ft::rt;

namespace {
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

/// Whether the plan has memory for what a step has changed.
bool hasCheckpointRoom(const plan::Plan &plan) {
  return std::any_of(plan.arenas().begin(), plan.arenas().end(),
                     [](const plan::Arena &arena) { return arena.name() == plan::checkpointArena; });
}

Status checkVerifying(const plan::Plan &plan, uint64_t every) {
  if (!plan.deterministic())
    return badInput(
        fmt::format("--verify-steps {}: the plan is not deterministic, so that two runs of a step may differ; "
                    "compile the recipe with deterministic: TRUE",
                    every));
  if (!hasCheckpointRoom(plan))
    return badInput(
        fmt::format("--verify-steps {}: keeps a step's state in the plan's memory for checkpoints, and there "
                    "is none; compile the recipe with save_steps, or with save_on_signal: true",
                    every));
  return {};
}

/// What the recipe's reader has checked may have been changed since.
Status checkSaving(const plan::Plan &plan) {
  const plan::Run &run = plan.run();
  if ((run.save_steps() > 0 || run.save_on_signal()) && !hasCheckpointRoom(plan))
    return badInput(fmt::format("{} is set, and the plan has no memory for checkpoints; compile the recipe with "
                                "save_steps, or with save_on_signal: true",
                                run.save_steps() > 0 ? "save_steps" : "save_on_signal"));
  if (run.save_total_limit() > 0 && run.save_steps() == 0)
    return badInput("save_total_limit is set, and save_steps is not; set it, or set the limit to 0");
  if (run.load_best_model_at_end() && (run.save_steps() == 0 || run.eval_steps() == 0 ||
                                       run.save_steps() % run.eval_steps() != 0 || !hasEvaluation(run)))
    return badInput(fmt::format("load_best_model_at_end is set with save_steps {} and eval_steps {}{}; save_steps must "
                                "be a multiple of eval_steps, with held-out data",
                                run.save_steps(), run.eval_steps(),
                                hasEvaluation(run) ? "" : ", and no held-out data"));
  return {};
}

/// Rank and mesh are the plan's; a launcher only says which rank is where.
bool onGpus(const RunInputs &inputs) { return inputs.plan().target().driver() == plan::CUDA; }

/// Who may move what ranks exchange depends on where they are.
Status checkCollectives(const RunInputs &inputs) {
  const RunOptions &options = inputs.options;
  const std::string &how = options.collectives;
  if (how.empty())
    return {};
  const bool gpus = onGpus(inputs), processes = options.launch.has_value();
  const std::string_view legal = inputs.world == 1                    ? ""
                                 : gpus && processes                  ? "nccl"
                                 : gpus                               ? "peers or nccl"
                                 : processes && inputs.ranksHere == 1 ? "mpi"
                                                                      : "";
  if (!legal.empty() && legal.find(how) != std::string_view::npos)
    return {};
  return badInput(fmt::format("--collectives {}: the plan is for {} rank{} of target {} in {}; {}", how, inputs.world,
                              inputs.world == 1 ? "" : "s", inputs.plan().target().name(),
                              !processes              ? "one process"
                              : inputs.ranksHere == 1 ? "several processes"
                                                      : "several processes of several ranks each",
                              legal.empty() ? "leave it out" : fmt::format("must be {}, or left out", legal)));
}

/// How the recipe of a plan for `world` ranks gets others: a plan does not say which strategy made it.
static std::string anotherWorld(uint64_t world, uint64_t ranks) {
  if (world == 1)
    return fmt::format("compile the recipe with --set parallelism.dp_replicate_size={}", ranks);
  return fmt::format("compile the recipe for {} ranks (parallelism.dp_shard_size × dp_replicate_size)", ranks);
}

Status checkLaunch(const RunInputs &inputs, const Launch &launch) {
  const uint64_t each = inputs.ranksHere, started = launch.world * each;
  if (started == inputs.world)
    return {};
  const std::string what =
      each == 1 ? fmt::format("{} ranks", started) : fmt::format("{} processes of {} ranks each", launch.world, each);
  const std::string instead = inputs.world % launch.world == 0
                                  ? fmt::format(", or give each process {} with --ranks {}",
                                                inputs.world / launch.world, inputs.world / launch.world)
                                  : "";
  return badInput(fmt::format("{} started {}, and the plan is for {}: start as many, each a process{}{}, or {}",
                              launch.launcher, what, inputs.world, onGpus(inputs) ? " with one GPU" : "", instead,
                              anotherWorld(inputs.world, started)));
}

Status readPlan(RunInputs &inputs) {
  FT_ASSIGN_OR_RETURN(inputs.file, openPlan(inputs.options.plan));
  inputs.world = plan::Mesh(inputs.plan()).ranks();
  const bool launched = inputs.options.launch.has_value();
  if (!launched && inputs.options.ranks.value_or(inputs.world) != inputs.world)
    return badInput(fmt::format("--ranks {}: the plan is for {}; leave --ranks out, or {}", *inputs.options.ranks,
                                inputs.world, anotherWorld(inputs.world, *inputs.options.ranks)));
  const uint32_t here = launched ? inputs.options.ranks.value_or(1) : inputs.world;
  inputs.ranksHere = inputs.ranksOnHost = inputs.ranksOnProcessors = here;
  plan::Run &run = *inputs.file->plan.mutable_run();
  for (const std::string &setting : inputs.options.settings)
    FT_RETURN_IF_ERROR(applySetting(run, setting));
  if (inputs.options.maxSteps)
    run.set_max_steps(*inputs.options.maxSteps);
  noteSettings(inputs.options, inputs.file->plan);
  if (launched)
    FT_RETURN_IF_ERROR(checkLaunch(inputs, *inputs.options.launch));
  FT_RETURN_IF_ERROR(checkCollectives(inputs));
  FT_RETURN_IF_ERROR(checkSaving(inputs.plan()));
  return inputs.options.verifySteps ? checkVerifying(inputs.plan(), inputs.options.verifySteps) : Status();
}

bool trainsAdapters(const plan::Plan &plan) {
  return std::any_of(plan.tensors().begin(), plan.tensors().end(),
                     [](const plan::Tensor &tensor) { return tensor.role() == plan::Tensor::ADAPTER; });
}

bool keepsWeights(const plan::Plan &plan) {
  return std::any_of(plan.tensors().begin(), plan.tensors().end(),
                     [](const plan::Tensor &tensor) { return tensor.role() == plan::Tensor::FROZEN; });
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
  if (keepsWeights(inputs.plan()) && !inputs.model->isSeeded())
    inputs.weights = std::make_unique<WeightsChecksum>();
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
                    inputs.prompt.size(), inputs.codec->promptTemplate().name(), plan.batch().max_document_len()));
  for (const uint32_t id : inputs.prompt)
    if (id >= plan.batch().vocab_size())
      return badInput(
          fmt::format("generate.instruction has token {} of {}; must be below the model's vocab_size {}: the "
                      "tokenizer does not belong to this model",
                      id, inputs.codec->tokenizer().source(), plan.batch().vocab_size()));
  return {};
}

Status openData(RunInputs &inputs, Console &console) {
  const plan::Run &run = inputs.plan().run();
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(inputs.plan().batch()));
  const std::string base = folderOf(inputs.options.plan);
  ProgressLine progress(console);
  DataRequest train = DataRequest::train(run, shape, base, inputs.options.data);
  train.progress = &progress;
  // Text needs the tokenizer; synthetic tokens do not, and a folder without one can train on them.
  const bool text = !train.synthetic() || run.generate().max_new_tokens() > 0;
  if (text && !inputs.model->isSeeded()) {
    FT_ASSIGN_OR_RETURN(inputs.codec, TextCodec::load(inputs.options.model, TextOptions::from(run, base)));
    addText(inputs, "template.txt", inputs.codec->promptTemplate().text());
  } else if (!train.synthetic()) {
    return badInput(
        fmt::format("{} needs the model's tokenizer, and --model {} has none: name a model with its files, or "
                    "pass --data synthetic:SEED",
                    fmt::join(train.sources, ", "), inputs.options.model));
  }
  FT_RETURN_IF_ERROR(preparePrompt(inputs));
  const TextCodec *codec = inputs.codec ? &*inputs.codec : nullptr;
  FT_ASSIGN_OR_RETURN(inputs.train, preparedData(train, codec));
  if (hasEvaluation(run)) {
    DataRequest held = DataRequest::evaluation(run, shape, base, inputs.options.data);
    held.progress = &progress;
    FT_ASSIGN_OR_RETURN(inputs.held, preparedData(held, codec));
  }
  inputs.steps = totalSteps(run, shape, inputs.train.file->rows(), inputs.world);
  return {};
}

Status openAlgorithms(RunInputs &inputs) {
  const std::string &path = inputs.options.algorithms;
  if (path.empty())
    return {};
  if (!onGpus(inputs))
    return badInput(fmt::format("--algorithms {}: the plan is for target {}; products on a processor are computed in "
                                "one way: leave it out",
                                path, inputs.plan().target().name()));
  FT_ASSIGN_OR_RETURN(inputs.algorithms, readAlgorithms(path));
  return {};
}

/// What the run leaves says which model it started from, and what its samples end with.
Status completeFiles(RunInputs &inputs, Console &console) {
  const std::optional<uint32_t> end = inputs.codec ? std::optional(inputs.codec->endOfTurn()) : std::nullopt;
  if (const std::string encoding = inputs.model->quantizedTwice(inputs.plan()); !encoding.empty())
    console.line(fmt::format("note: {} holds {}, which the plan quantises again: that loses more than once would; give "
                             "the model's own weights where there are any",
                             inputs.options.model, encoding));
  if (inputs.model->isTextPart())
    console.line(fmt::format("note: {} holds a model of text and images; its text part alone is loaded and trained",
                             inputs.options.model));
  if (const std::string folder = inputs.model->folder();
      !folder.empty() && inputs.options.adapter.empty() && isNamed(folder + "/adapter_config.json"))
    console.line(
        fmt::format("note: {} holds an adapter beside the model, which transformers would load and this run does "
                    "not; --adapter starts from one",
                    folder));
  FT_ASSIGN_OR_RETURN(const std::vector<std::string> notes, completeTexts(inputs.file->plan, *inputs.model, end));
  for (const std::string &note : notes)
    console.line("note: " + note);
  return {};
}
} // namespace

Expected<std::unique_ptr<PlanFile>> ft::rt::openPlan(const std::string &path) {
  FT_ASSIGN_OR_RETURN(PlanFile read, readPlanFile(path));
  FT_RETURN_IF_ERROR(verifyPlan(read.plan));
  return std::make_unique<PlanFile>(std::move(read));
}

Expected<RunInputs> ft::rt::openInputs(const RunOptions &options, Console &console) {
  RunInputs inputs(options);
  FT_RETURN_IF_ERROR(readPlan(inputs));
  FT_RETURN_IF_ERROR(openAlgorithms(inputs));
  FT_RETURN_IF_ERROR(openModel(inputs, console));
  FT_RETURN_IF_ERROR(openData(inputs, console));
  FT_RETURN_IF_ERROR(completeFiles(inputs, console));
  FT_RETURN_IF_ERROR(findCheckpoint(inputs));
  return inputs;
}

uint64_t RunInputs::rowsPerStep() const {
  const plan::Batch &batch = plan().batch();
  return world * batch.micro_batch_size() * std::max<uint64_t>(1, batch.gradient_accumulation_steps());
}

std::string RunInputs::outputFolder() const {
  if (!options.out.empty())
    return options.out;
  return plan().run().output_dir().empty() ? "out/" + plan().name() : plan().run().output_dir();
}

bool RunInputs::continuesInPlace() const {
  if (!resume)
    return false;
  std::string path = std::filesystem::absolute(resume->path()).lexically_normal().string();
  while (path.ends_with('/'))
    path.pop_back();
  std::error_code none;
  return std::filesystem::equivalent(outputFolder(), folderOf(path), none);
}

bool RunInputs::isFinished() const {
  std::error_code none;
  return continuesInPlace() && resume->state().position.step >= steps &&
         std::filesystem::exists(outputFolder() + "/summary.json", none);
}
