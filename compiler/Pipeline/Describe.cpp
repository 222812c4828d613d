// What a plan says of itself: identity, target, batch, run-time defaults, texts, facts, statistics.
#include "compiler/Pipeline/Options.h"

#include "runtime/Support/Sha256.h"

#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace ft;
using recipe::Recipe;
namespace fs = std::filesystem;

static std::string schedulerName(recipe::Scheduler::Kind kind) {
  return kind == recipe::Scheduler::CONSTANT ? "constant" : kind == recipe::Scheduler::COSINE ? "cosine" : "linear";
}

/// Data paths are relative to the recipe; the plan stores them relative to its own folder.
static std::string dataPath(const std::string &path, const LoadedRecipe &recipe, const std::string &planFolder) {
  if (path.empty() || path.rfind("synthetic:", 0) == 0 || fs::path(path).is_absolute())
    return path;
  const fs::path file = fs::path(recipe.folder) / path;
  std::error_code error; // of a path that no file can have: the run will say so
  const fs::path relative = fs::proximate(file, planFolder, error);
  return error ? file.generic_string() : relative.generic_string();
}

std::string ft::adapterConfig(const LoadedRecipe &recipe, const ModelConfig &model) {
  const recipe::Lora &lora = recipe.fields.lora();
  nlohmann::ordered_json json = {
      {"base_model_name_or_path", model.hubName},
      {"bias", "none"},
      {"fan_in_fan_out", false},
      {"inference_mode", true},
      {"init_lora_weights", true},
      {"lora_alpha", lora.lora_alpha()},
      {"lora_dropout", lora.lora_dropout()},
      {"modules_to_save", nullptr},
      {"peft_type", "LORA"},
      {"r", lora.r()},
      {"target_modules", std::vector<std::string>(lora.target_modules().begin(), lora.target_modules().end())},
      {"task_type", "CAUSAL_LM"},
      {"use_dora", false},
      {"use_rslora", false},
  };
  return json.dump(2) + "\n";
}

/// The model's config.json with the type of the weights that a full run writes, which need not be the base's. Numbers
/// stay as they are written: transformers refuses 1 where it expects 1.0, which the canonical text does not tell apart.
static std::string writtenConfig(const LoadedRecipe &recipe, const ModelConfig &model) {
  const recipe::Precision::Mode precision = recipe.fields.precision();
  nlohmann::json json = nlohmann::json::parse(model.text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) // half a surrogate pair, which the canonical text has replaced
    json = nlohmann::json::parse(model.canonicalJson);
  json.erase("dtype");
  json["torch_dtype"] = precision == recipe::Precision::BF16_TRUE   ? "bfloat16"
                        : precision == recipe::Precision::FP64_TRUE ? "float64"
                                                                    : "float32";
  return json.dump(2) + "\n";
}

static void describeRun(const Compilation &c, const CompileRequest &request, plan::Run &run) {
  const Recipe &r = c.recipe.fields;
  run.set_seed(r.seed());
  run.set_learning_rate(r.learning_rate());
  run.set_lr_scheduler_type(schedulerName(r.lr_scheduler_type()));
  run.set_warmup_steps(r.warmup_steps());
  run.set_warmup_ratio(r.warmup_ratio());
  run.set_max_steps(r.max_steps());
  run.set_num_epochs(r.num_epochs());
  run.set_adam_beta1(r.adam_beta1());
  run.set_adam_beta2(r.adam_beta2());
  run.set_logging_steps(r.logging_steps());
  run.set_eval_steps(r.eval_steps());
  run.set_output_dir(r.output_dir());
  run.set_data_train(dataPath(r.data().train(), c.recipe, request.planFolder));
  run.set_data_eval(dataPath(r.data().eval(), c.recipe, request.planFolder));
  run.set_template_(r.template_());
  run.set_system_prompt(r.system_prompt());
  run.set_train_on_prompt(r.train_on_prompt());
  run.set_base_model(c.model.hubName);
  run.set_val_set_size(r.val_set_size());
  if (r.has_generate()) {
    run.mutable_generate()->set_instruction(r.generate().instruction());
    run.mutable_generate()->set_input(r.generate().input());
    run.mutable_generate()->set_max_new_tokens(r.generate().max_new_tokens());
  }
}

static void describeBatch(const Compilation &c, const BatchShape &shape, plan::Batch &batch) {
  const Recipe &r = c.recipe.fields;
  batch.set_micro_batch_size(r.micro_batch_size());
  batch.set_sequence_len(r.sequence_len());
  batch.set_vocab_size(c.model.vocabSize);
  batch.set_gradient_accumulation_steps(r.gradient_accumulation_steps());
  batch.set_max_document_len(r.max_document_len());
  batch.set_max_documents_per_row(r.max_documents_per_row());
  batch.set_max_documents(shape.maxDocuments);
  batch.set_max_segments(std::min(shape.tokens(), c.model.vocabSize));
  batch.set_packing(r.packing());
}

static void describeTarget(const Compilation &c, const PlanningOptions &planning, plan::Target &target) {
  target.set_name(c.target.name());
  target.set_driver(c.target.driver() == "cpu" ? plan::CPU : plan::CUDA);
  target.set_arch(c.target.arch());
  target.set_memory(c.target.memory_bytes());
  target.set_outside_arenas(c.target.outside_arenas_bytes());
  target.set_outside_measured(c.target.outside_arenas_measured());
  target.set_attention(planning.libraryAttention ? "library" : "tiled");
}

static void addFacts(const ModelConfig &model, plan::Plan &plan) {
  for (const ModelFact &source : modelFacts(model)) {
    plan::ModelFact *fact = plan.add_facts();
    fact->set_config_key(source.configKey);
    fact->set_gguf_key(source.ggufKey);
    fact->set_may_be_absent(source.mayBeAbsent);
    if (auto integer = std::get_if<int64_t>(&source.expected))
      fact->set_integer(*integer);
    else if (auto real = std::get_if<double>(&source.expected))
      fact->set_real(*real);
    else if (auto text = std::get_if<std::string>(&source.expected))
      fact->set_text(*text);
    else if (auto flag = std::get_if<bool>(&source.expected))
      fact->set_flag(*flag);
  }
}

static std::string digest(const std::string &text) {
  rt::Sha256Digest bytes = rt::sha256(text);
  return std::string(reinterpret_cast<const char *>(bytes.data()), bytes.size());
}

/// What the compiler chose where the recipe left it open, and what that costs.
static void addNotes(const Compilation &c, const PlanningOptions &planning, const BatchShape &shape,
                     plan::Stats &stats) {
  for (const std::string &note : c.recipe.notes)
    stats.add_notes(note);
  if (shape.headLanes > c.model.headDim)
    stats.add_notes(
        fmt::format("head_dim {} lies in {} lanes, as the attention library wants it: {:.0f} % more bytes for q, k, v "
                    "and o; checkpoints and exports have no padding",
                    c.model.headDim, shape.headLanes, 100.0 * shape.headLanes / c.model.headDim - 100));
  if (!planning.libraryAttention || c.recipe.fields.deterministic() != recipe::Deterministic::AUTO)
    return;
  if (planning.deterministic)
    stats.add_notes(fmt::format("deterministic AUTO took deterministic attention, with {:.2f} GiB of workspace",
                                double(planning.attentionWorkspaceBytes) / (1 << 30)));
  else if (planning.raggedAttention && !c.target.ragged_deterministic())
    stats.add_notes(
        fmt::format("deterministic AUTO: {} has no deterministic attention for packed documents", c.target.name()));
  else
    stats.add_notes("deterministic AUTO took attention that is not deterministic: the other needs more workspace, and "
                    "does not fit");
}

void ft::describePlan(Compilation &c, const CompileRequest &request, const PlanningOptions &planning,
                      const BatchShape &shape) {
  plan::Plan &plan = c.plan;
  plan.set_compiler("ftc " FTC_VERSION);
  plan.set_name(c.recipe.name);
  plan.set_op_set_version(1);
  plan.set_kernel_abi_version(1);
  plan.set_deterministic(planning.deterministic);
  plan.set_recipe_sha256(digest(c.recipe.resolvedText));
  plan.set_model_sha256(digest(c.model.canonicalJson));
  plan::MeshAxis *axis = plan.add_mesh();
  axis->set_name("dp");
  axis->set_size(1);
  describeTarget(c, planning, *plan.mutable_target());
  describeBatch(c, shape, *plan.mutable_batch());
  describeRun(c, request, *plan.mutable_run());
  addFacts(c.model, plan);
  addNotes(c, planning, shape, *plan.mutable_stats());
  auto addText = [&](const char *file, const std::string &content) {
    plan::Text *text = plan.add_texts();
    text->set_file(file);
    text->set_content(content);
  };
  addText("recipe.resolved.textproto", c.recipe.resolvedText);
  if (c.recipe.fields.has_lora())
    addText("adapter_config.json", adapterConfig(c.recipe, c.model));
  else
    addText("config.json", writtenConfig(c.recipe, c.model));
}

void ft::finishPlan(Compilation &c) {
  plan::Plan &plan = c.plan;
  addStaging(plan);
  addExports(plan);
  plan::Stats &stats = *plan.mutable_stats();
  for (const plan::Tensor &tensor : plan.tensors()) {
    uint64_t elements = 1;
    for (uint64_t size : tensor.shape())
      elements *= size;
    bool trained = tensor.role() == plan::Tensor::TRAINABLE || tensor.role() == plan::Tensor::ADAPTER;
    if (trained || tensor.role() == plan::Tensor::FROZEN)
      stats.set_total_parameters(stats.total_parameters() + elements);
    if (trained)
      stats.set_trainable_parameters(stats.trainable_parameters() + elements);
  }
  for (const plan::Segment &segment : plan.segments()) {
    double times = segment.kind() == plan::Segment::ACCUMULATE_NEXT ? plan.batch().gradient_accumulation_steps() - 1.0
                   : segment.kind() == plan::Segment::ACCUMULATE_FIRST || segment.kind() == plan::Segment::UPDATE ? 1.0
                                                                                                                  : 0.0;
    for (const plan::Step &step : segment.steps()) {
      stats.set_flops_per_step(stats.flops_per_step() + times * step.flops());
      stats.set_bytes_per_step(stats.bytes_per_step() + times * step.bytes());
      stats.set_predicted_step_us(stats.predicted_step_us() + times * step.predicted_us());
    }
  }
  stats.set_peak_moment(c.peak.segment + ": " + c.peak.step);
  for (const PeakValue &value : c.peak.values) {
    if (stats.peak_values_size() == 16)
      break;
    plan::PeakValue *peak = stats.add_peak_values();
    peak->set_name(value.name);
    peak->set_bytes(value.bytes);
  }
}
