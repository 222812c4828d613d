#include "runtime/Executor/Run.h"

#include "runtime/Executor/RunSettings.h"
#include "runtime/Executor/Session.h"
#include "runtime/Plan/Verify.h"
#include "runtime/Support/AtomicFile.h"
#include "runtime/Tokenizer/TokenizerFiles.h"
#include "runtime/Weights/Export.h"

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

Status readPlan(Session &s) {
  FT_ASSIGN_OR_RETURN(PlanFile read, readPlanFile(s.options.plan));
  s.file = std::make_unique<PlanFile>(std::move(read));
  FT_RETURN_IF_ERROR(verifyPlan(s.plan()));
  plan::Run &run = *s.file->plan.mutable_run();
  for (const std::string &setting : s.options.settings)
    FT_RETURN_IF_ERROR(applySetting(run, setting));
  if (s.options.maxSteps)
    run.set_max_steps(*s.options.maxSteps);
  noteSettings(s.options, s.file->plan);
  return {};
}

bool trainsAdapters(const plan::Plan &plan) {
  return std::any_of(plan.tensors().begin(), plan.tensors().end(),
                     [](const plan::Tensor &tensor) { return tensor.role() == plan::Tensor::ADAPTER; });
}

/// A whole model leaves with its tokenizer; an adapter finds it with its base.
Status keepTokenizer(Session &s) {
  if (trainsAdapters(s.plan()))
    return {};
  auto files = tokenizerFiles(*s.model);
  if (!files.ok()) {
    s.console.line(fmt::format("note: no tokenizer goes with the trained model: {}", files.status().message()));
    return {};
  }
  for (NamedFile &file : *files)
    s.addText(file.name, std::move(file.content));
  return {};
}

Status openModel(Session &s) {
  if (s.options.model.empty())
    return badInput("--model is missing; name the base model: a folder with safetensors, a .safetensors or .gguf file, "
                    "or seeded:SEED for random weights");
  FT_ASSIGN_OR_RETURN(s.model, ModelSource::open(s.options.model));
  FT_RETURN_IF_ERROR(s.model->check(s.plan()));
  if (!s.options.adapter.empty()) {
    FT_ASSIGN_OR_RETURN(s.adapter, AdapterSource::open(s.options.adapter, s.plan()));
  }
  return keepTokenizer(s);
}

/// Encodes what is to be answered; what generation would find out after the start is found here.
Status preparePrompt(Session &s) {
  const plan::Plan &plan = s.plan();
  const plan::Generate &generate = plan.run().generate();
  if (!s.codec || generate.max_new_tokens() == 0)
    return {};
  if (std::none_of(plan.segments().begin(), plan.segments().end(),
                   [](const plan::Segment &segment) { return segment.kind() == plan::Segment::GENERATE; }))
    return badInput("generate.max_new_tokens is set, but the plan is of a recipe without generate; compile it with "
                    "generate { instruction: … }");
  FT_ASSIGN_OR_RETURN(s.prompt, s.codec->encodePrompt(generate.instruction(), generate.input()));
  if (s.prompt.size() > plan.batch().max_document_len())
    return badInput(
        fmt::format("generate.instruction and generate.input take {} tokens in template {}; must be at most "
                    "max_document_len {}: shorten them",
                    s.prompt.size(), plan.run().template_(), plan.batch().max_document_len()));
  for (const uint32_t id : s.prompt)
    if (id >= plan.batch().vocab_size())
      return badInput(
          fmt::format("generate.instruction has token {} of {}; must be below the model's vocab_size {}: the "
                      "tokenizer does not belong to this model",
                      id, s.codec->tokenizer().source(), plan.batch().vocab_size()));
  return {};
}

Status openData(Session &s) {
  const plan::Run &run = s.plan().run();
  FT_ASSIGN_OR_RETURN(const BatchShape shape, BatchShape::from(s.plan().batch()));
  const std::string base = folderOf(s.options.plan);
  const DataRequest train = DataRequest::train(run, shape, base, s.options.data);
  // Text needs the tokenizer; synthetic tokens do not, and a folder without one can train on them.
  const bool text = !isSynthetic(train.source) || run.generate().max_new_tokens() > 0;
  if (text && !s.model->isSeeded()) {
    FT_ASSIGN_OR_RETURN(s.codec, TextCodec::load(s.options.model, run.template_(), run.system_prompt()));
    s.addText("template.txt", s.codec->promptTemplate().text());
  } else if (!isSynthetic(train.source)) {
    return badInput(
        fmt::format("{} needs the model's tokenizer, and --model {} has none: name a model with its files, or "
                    "pass --data synthetic:SEED",
                    train.source, s.options.model));
  }
  FT_RETURN_IF_ERROR(preparePrompt(s));
  const TextCodec *codec = s.codec ? &*s.codec : nullptr;
  FT_ASSIGN_OR_RETURN(s.train, preparedData(train, codec));
  if (hasEvaluation(run)) {
    const DataRequest held = DataRequest::evaluation(run, shape, base, s.options.data);
    FT_ASSIGN_OR_RETURN(s.held, preparedData(held, codec));
  }
  s.steps = totalSteps(run, shape, s.train.file->rows());
  return {};
}

/// Whether both name one place that is there.
bool same(const std::string &a, const std::string &b) {
  std::error_code none;
  return !a.empty() && !b.empty() && std::filesystem::equivalent(a, b, none);
}

/// --overwrite must not remove what the run reads.
Status keepApart(const Session &s, const std::string &out) {
  for (const auto &[option, source] : {std::pair("--model", s.options.model), {"--adapter", s.options.adapter}}) {
    bool reads = same(out, source);
    for (const std::string &name : OutputFolder::names(s.plan()))
      reads |= same(out + "/" + name, source);
    if (reads)
      return badInput(fmt::format("--out {}: holds what {} reads; name another folder", out, option));
  }
  return {};
}

Status openGradientsFolder(const std::string &path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error)
    return badInput(fmt::format("--dump-gradients {}: cannot be created: {}", path, error.message()));
  return {};
}

Status openFolder(Session &s) {
  const plan::Run &run = s.plan().run();
  std::string path = s.options.out.empty() ? run.output_dir() : s.options.out;
  if (path.empty())
    path = "out/" + s.plan().name();
  FT_RETURN_IF_ERROR(keepApart(s, path));
  if (!s.options.dumpGradients.empty())
    FT_RETURN_IF_ERROR(openGradientsFolder(s.options.dumpGradients));
  FT_ASSIGN_OR_RETURN(s.folder, OutputFolder::prepare(path, s.plan(), s.options.overwrite));
  if (s.options.onFolder)
    s.options.onFolder(path);
  FT_ASSIGN_OR_RETURN(s.lines, JsonLines::create(s.folder->file("metrics.jsonl")));
  return {};
}

Status openDevice(Session &s) {
  const bool cuda = s.plan().target().driver() == plan::CUDA;
  if (!cuda && s.options.gpu)
    return badInput(fmt::format("--gpu {}: the plan is for target {}; leave --gpu out, or compile the recipe for a GPU "
                                "with ftc compile --gpu NAME",
                                *s.options.gpu, s.plan().target().name()));
  auto opened = cuda ? openCudaDevice(s.options.gpu.value_or(0)) : openCpuDevice(s.options.threads);
  if (!opened.ok())
    return Status(opened.status().code(),
                  fmt::format("the plan is for target {}: {}", s.plan().target().name(), opened.status().message()));
  s.device = std::move(*opened);
  const LoadedPlanOptions options{s.options.poison, s.options.profile};
  FT_ASSIGN_OR_RETURN(s.loaded, LoadedPlan::load(*s.file, *s.device, options));
  return {};
}

Status loadWeights(Session &s) {
  const Arenas &arenas = s.loaded->arenas();
  LoadOptions options;
  options.seed = s.plan().run().seed();
  options.initAdaptersNormal = s.options.initAdaptersNormal;
  options.adapter = s.adapter ? &*s.adapter : nullptr;
  options.section = [&](uint32_t index) {
    return index < s.file->sections.size() ? s.file->section(index) : std::span<const std::byte>();
  };
  options.threads = s.options.threads;
  LoadTarget target;
  if (s.device->hostAccessible())
    target.hostBuffer = [&](uint32_t buffer) { return reinterpret_cast<std::byte *>(arenas.bufferAddress(buffer)); };
  target.sink = [&](uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) {
    return arenas.write(buffer, offset, bytes);
  };
  for (int i = 0; i < s.plan().arenas_size(); ++i)
    if (s.plan().arenas(i).name() == "staging")
      target.staging = arenas.arena(i);
  FT_RETURN_IF_ERROR(loadModel(s.plan(), *s.model, options, target));
  if (s.loaded->has(plan::Segment::INITIALIZE))
    FT_RETURN_IF_ERROR(s.loaded->run(plan::Segment::INITIALIZE));
  return s.device->synchronize();
}

Status openFeeds(Session &s) {
  FT_ASSIGN_OR_RETURN(s.trainFeed, BatchFeed::training(s.plan(), s.train.file, s.plan().run().seed()));
  if (s.held.file && s.loaded->has(plan::Segment::EVALUATE)) {
    FT_ASSIGN_OR_RETURN(s.heldFeed, BatchFeed::evaluation(s.plan(), s.held.file));
  }
  return {};
}

/// Held-out loss and one answer, as they are now.
Status lookAtModel(Session &s, uint64_t step, std::optional<EvaluationMetrics> &metrics, std::string &answer) {
  if (s.heldFeed) {
    FT_ASSIGN_OR_RETURN(metrics, evaluate(*s.loaded, *s.heldFeed, step, s.interrupts));
    if (metrics) {
      s.console.line(formatEvaluation(*metrics));
      FT_RETURN_IF_ERROR(s.lines->write(toJson(*metrics)));
    }
  }
  if (!s.generates() || s.interrupts.requested())
    return {};
  const plan::Generate &generate = s.plan().run().generate();
  FT_ASSIGN_OR_RETURN(Generator generator, Generator::create(*s.loaded));
  FT_ASSIGN_OR_RETURN(const Answer made, generator.generate(
                                             s.prompt, generate.max_new_tokens(),
                                             [&](uint32_t id) { return s.codec->isEndOfTurn(id); }, s.interrupts));
  answer = s.codec->decode(made.ids);
  s.console.line(fmt::format("answer after step {} to \"{}{}{}\":\n  {}{}", step, generate.instruction(),
                             generate.input().empty() ? "" : " ", generate.input(), answer, made.ended ? "" : " …"));
  return {};
}

Status exportTo(Session &s, const std::string &folder) {
  const Arenas &arenas = s.loaded->arenas();
  return exportFiles(
      s.plan(),
      [&](uint32_t buffer, uint64_t offset, std::span<std::byte> out) { return arenas.read(buffer, offset, out); },
      folder);
}

Status dumpTo(Session &s, const std::string &folder) {
  const Arenas &arenas = s.loaded->arenas();
  return dumpGradients(
      s.plan(),
      [&](uint32_t buffer, uint64_t offset, std::span<std::byte> out) { return arenas.read(buffer, offset, out); },
      folder);
}

Status train(Session &s) {
  const plan::Run &run = s.plan().run();
  FT_ASSIGN_OR_RETURN(const Schedule schedule, Schedule::create(run, s.steps));
  TrainerOptions options;
  options.totalSteps = s.steps;
  options.stopAfter = s.options.stopAfter;
  options.evalSteps = run.eval_steps();
  options.loggingSteps = run.logging_steps();
  options.beta1 = run.adam_beta1();
  options.beta2 = run.adam_beta2();
  if (!s.options.dumpGradients.empty())
    options.beforeFirstUpdate = [&s] { return dumpTo(s, s.options.dumpGradients); };
  Trainer trainer(*s.loaded, *s.trainFeed, s.heldFeed.get(), schedule, options, s.console, *s.lines, s.interrupts);
  FT_ASSIGN_OR_RETURN(s.training, trainer.run());
  return {};
}

/// Saves what there is and says how the run ended.
Status finish(Session &s) {
  std::string saved = s.folder->path();
  if (s.training.bad) {
    FT_ASSIGN_OR_RETURN(saved, s.folder->failedStepFolder(s.training.bad->step));
  }
  FT_RETURN_IF_ERROR(exportTo(s, saved));
  const MemoryOutcome memory = memoryOutcome(s);
  FT_RETURN_IF_ERROR(writeFileAtomically(s.folder->file("summary.json"), summaryJson(s, memory)));
  s.console.line(closing(s, memory, s.folder->files(s.plan())));
  if (s.options.profile)
    s.console.line(formatProfile(s.loaded->profile()));
  if (s.training.bad)
    return failed(fmt::format(
        "step {}, micro-batch {}: the {} is not finite; the model was not updated, and its last good "
        "state is in {}: lower learning_rate or set max_grad_norm",
        s.training.bad->step, s.training.bad->microBatch, s.training.bad->gradNorm ? "gradient norm" : "loss", saved));
  if (s.interrupts.requested())
    return {Code::Interrupted, fmt::format("interrupted after step {} of {}; the model as it is then is in {}",
                                           s.training.steps, s.steps, saved)};
  return {};
}
} // namespace

Status ft::rt::runPlan(const RunOptions &options, const Interrupts &interrupts, Console &console) {
  Session s(options, interrupts, console);
  FT_RETURN_IF_ERROR(readPlan(s));
  FT_RETURN_IF_ERROR(openModel(s));
  FT_RETURN_IF_ERROR(openData(s));
  FT_RETURN_IF_ERROR(openDevice(s));
  FT_RETURN_IF_ERROR(openFolder(s)); // last of what may be refused: a refused run leaves no folder behind
  console.line(banner(s));
  FT_RETURN_IF_ERROR(loadWeights(s));
  FT_RETURN_IF_ERROR(openFeeds(s));
  FT_RETURN_IF_ERROR(lookAtModel(s, 0, s.before, s.answerBefore));
  if (!interrupts.requested())
    FT_RETURN_IF_ERROR(train(s));
  if (!interrupts.requested() && !s.training.bad)
    FT_RETURN_IF_ERROR(lookAtModel(s, s.training.steps, s.after, s.answerAfter));
  return finish(s);
}
