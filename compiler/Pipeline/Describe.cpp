// What a plan says of itself: identity, target, batch, run-time defaults, texts, facts, statistics.
#include "compiler/Export/ExportPlan.h"
#include "compiler/Pipeline/Options.h"

#include "runtime/Plan/CheckPlan.h"
#include "runtime/Plan/Fp8.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Memory.h"
#include "runtime/Plan/Mesh.h"
#include "runtime/Plan/Nf4.h"
#include "runtime/Plan/Shares.h"
#include "runtime/Plan/Targets.h"
#include "runtime/Plan/Timeline.h"
#include "runtime/Support/Sha256.h"
#include "runtime/Support/Strings.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

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
  const bool bf16 =
      precision == recipe::Precision::BF16_TRUE || recipe.fields.master_dtype() == recipe::MasterDtype::BF16_REMAINDER;
  nlohmann::json json = nlohmann::json::parse(model.text, nullptr, /*allow_exceptions=*/false);
  json.erase("dtype");
  json["torch_dtype"] = bf16 ? "bfloat16" : precision == recipe::Precision::FP64_TRUE ? "float64" : "float32";
  return json.dump(2) + "\n";
}

/// What samples are and how they become text.
static void describeText(const Inputs &inputs, plan::Run &run) {
  const Recipe &r = inputs.recipe.fields;
  for (const std::string &path : r.data().train())
    run.add_data_train(dataPath(path, inputs.recipe, inputs.planFolder));
  for (const std::string &path : r.data().eval())
    run.add_data_eval(dataPath(path, inputs.recipe, inputs.planFolder));
  const bool file = r.template_().find_first_of("./") != std::string::npos; // as the recipe's check has it
  run.set_template_(file ? dataPath(r.template_(), inputs.recipe, inputs.planFolder) : r.template_());
  run.set_system_prompt(r.system_prompt());
  run.mutable_template_variables()->CopyFrom(r.template_variables());
  if (r.data().has_targets())
    run.set_data_targets(r.data().targets() == recipe::Targets::LAST ? "last" : "all");
  if (!r.data().has_columns())
    return;
  const recipe::Columns &from = r.data().columns();
  plan::DataColumns &to = *run.mutable_data_columns();
  to.set_instruction(from.instruction());
  to.set_input(from.input());
  to.set_output(from.output());
  to.set_prompt(from.prompt());
  to.set_completion(from.completion());
  to.set_messages(from.messages());
  to.set_text(from.text());
  to.set_role(from.role());
  to.set_content(from.content());
}

static void describeRun(const Inputs &inputs, plan::Run &run) {
  const Recipe &r = inputs.recipe.fields;
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
  run.set_save_steps(r.save_steps());
  run.set_save_total_limit(r.save_total_limit());
  run.set_load_best_model_at_end(r.load_best_model_at_end());
  run.set_save_on_signal(r.save_on_signal());
  run.set_output_dir(r.output_dir());
  describeText(inputs, run);
  run.set_train_on_prompt(r.train_on_prompt());
  run.set_base_model(inputs.model.hubName);
  run.set_val_set_size(r.val_set_size());
  if (r.has_generate()) {
    run.mutable_generate()->set_instruction(r.generate().instruction());
    run.mutable_generate()->set_input(r.generate().input());
    run.mutable_generate()->set_max_new_tokens(r.generate().max_new_tokens());
  }
}

static void describeBatch(const Inputs &inputs, const Choices &choices, plan::Batch &batch) {
  const Recipe &r = inputs.recipe.fields;
  const BatchShape shape = batchShape(inputs, choices); // of all ranks; the batch of a plan is one rank's
  batch.set_micro_batch_size(choices.rows);
  batch.set_sequence_len(r.sequence_len());
  batch.set_vocab_size(inputs.model.vocabSize);
  batch.set_gradient_accumulation_steps(choices.accumulationSteps);
  batch.set_max_document_len(r.max_document_len());
  batch.set_max_documents_per_row(r.max_documents_per_row());
  batch.set_max_documents(shape.maxDocuments / choices.mesh.dp);
  batch.set_max_segments(std::min(shape.tokens() / choices.mesh.dp, inputs.model.vocabSize));
  batch.set_packing(r.packing());
  const TargetBounds bounds = boundsOnTargets(inputs, choices);
  batch.set_max_target_tokens(bounds.training);
  batch.set_max_eval_target_tokens(bounds.evaluation);
}

/// Of all hosts that so many ranks are on; 0: not known.
static uint64_t hostMemoryOf(const recipe::TargetSpec &spec, uint64_t ranks) {
  if (spec.driver() == "cpu")
    return 0;
  const uint64_t hosts = llvm::divideCeil(ranks, std::max<uint64_t>(spec.cards_per_host(), 1));
  return llvm::SaturatingMultiply<uint64_t>(spec.host_memory_bytes(), hosts);
}

static void describeTarget(const recipe::TargetSpec &spec, const Choices &choices, plan::Target &target) {
  target.set_name(spec.name());
  target.set_driver(spec.driver() == "cpu" ? plan::CPU : plan::CUDA);
  target.set_arch(spec.arch());
  target.set_memory(spec.memory_bytes());
  target.set_outside_measured(spec.outside_arenas_measured());
  target.set_host_memory(hostMemoryOf(spec, static_cast<uint64_t>(choices.mesh.dp)));
  target.set_title(spec.title());
  target.set_rates_provenance(spec.rates_provenance());
  target.set_reduction_takes(spec.reduction_takes());
  target.set_gather_takes(spec.gather_takes());
  target.set_attention(choices.libraryAttention ? "library" : "tiled");
}

static void describeMesh(const MeshSpec &mesh, plan::Plan &plan) {
  for (const MeshSpec::Axis &axis : mesh.axes()) {
    plan::MeshAxis *added = plan.add_mesh();
    added->set_name(axis.name.str());
    added->set_size(axis.size);
  }
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

/// What is split over ranks where the recipe leaves it open, and what follows.
static void addSplitNotes(const Inputs &inputs, const Choices &choices, plan::Stats &stats) {
  const recipe::Recipe &r = inputs.recipe.fields;
  if (r.parallelism().strategy() == recipe::Strategy::AUTO)
    stats.add_notes(
        fmt::format("strategy AUTO took {}: of {} the first that fits, or the last", strategyName(choices),
                    r.parallelism().dp_replicate_size() > 1 ? "DDP, ZERO1, ZERO2, HSDP" : "DDP, ZERO1, ZERO2, FSDP"));
  if (r.has_lora() && r.parallelism().shard_frozen() == recipe::ShardFrozen::AUTO)
    stats.add_notes(choices.splitFrozen ? "shard_frozen AUTO: frozen weights are split, since whole they do not fit"
                                        : "shard_frozen AUTO: frozen weights are whole on each rank, since they fit");
  if (choices.splitFrozen && choices.foldAdapters)
    stats.add_notes("adapters are folded: they are put into the borders of frozen weights behind each gather");
}

/// Which micro-batches are computed for their targets alone.
static void addTargetNotes(const Inputs &inputs, const Choices &choices, plan::Stats &stats) {
  const recipe::Recipe &r = inputs.recipe.fields;
  const TargetBounds bounds = boundsOnTargets(inputs, choices);
  auto add = [&](const char *field, uint64_t asked, int64_t bound, const char *what) {
    if (asked == 0)
      return;
    stats.add_notes(bound ? fmt::format("{} {}: of {} of at most {} targets head, loss and the last block behind its "
                                        "attention work on these alone; others are computed whole, so that the bound "
                                        "saves time, and no memory",
                                        field, asked, what, bound)
                          : fmt::format("{} {} bounds nothing: a micro-batch has {} tokens", field, asked,
                                        choices.rows * int64_t(r.sequence_len())));
  };
  add("max_target_tokens", r.max_target_tokens(), bounds.training, "micro-batches");
  if (r.max_eval_target_tokens() != r.max_target_tokens())
    add("max_eval_target_tokens", r.max_eval_target_tokens(), bounds.evaluation, "evaluation's micro-batches");
}

/// What the compiler chose where the recipe left it open, and what that costs.
static void addNotes(const Inputs &inputs, const Choices &choices, const PlanningOptions &planning,
                     plan::Stats &stats) {
  for (const std::string &note : inputs.recipe.notes)
    stats.add_notes(note);
  const int64_t lanes = choices.headLanes, headDim = inputs.model.headDim;
  if (lanes > headDim)
    stats.add_notes(
        fmt::format("head_dim {} lies in {} lanes, as the attention library wants it: {:.0f} % more bytes for q, k, v "
                    "and o; checkpoints and exports have no padding",
                    headDim, lanes, 100.0 * lanes / headDim - 100));
  addSplitNotes(inputs, choices, stats);
  addTargetNotes(inputs, choices, stats);
  if (hasWindows(inputs) && inputs.target.library_attention())
    stats.add_notes(fmt::format("rows of {} tokens are longer than a window of the model: attention is tiled, which is "
                                "slower than the library's",
                                inputs.recipe.fields.sequence_len()));
  if (!planning.libraryAttention || inputs.recipe.fields.deterministic() != recipe::Deterministic::AUTO)
    return;
  if (planning.deterministic)
    stats.add_notes(fmt::format("deterministic AUTO took deterministic attention, with {:.2f} GiB of workspace",
                                double(planning.attentionWorkspaceBytes) / (1 << 30)));
  else if (planning.raggedAttention && !inputs.target.ragged_deterministic())
    stats.add_notes(fmt::format("deterministic AUTO: {} has no deterministic attention for packed documents",
                                inputs.target.name()));
  else
    stats.add_notes("deterministic AUTO took attention that is not deterministic: the other needs more workspace, and "
                    "does not fit");
}

constexpr size_t mostPeakRows = 16;

/// What lives at the fullest moment: the largest values, and the same place of all layers as one.
static void describePeak(const MemoryPeak &peak, plan::Stats &stats) {
  stats.set_peak_moment(peak.segment + ": " + peak.step);
  for (const PeakValue &value : llvm::ArrayRef(peak.values).take_front(mostPeakRows)) {
    plan::PeakValue *row = stats.add_peak_values();
    row->set_name(value.name);
    row->set_bytes(value.bytes);
  }
  std::vector<plan::PeakValue> places;
  for (const PeakValue &value : peak.values) {
    // "accumulate_first.7.layers.3.mlp.gate_up_proj" → "layers.*.mlp.gate_up_proj".
    const std::string_view buffer = value.name;
    const std::string name = rt::ofAllLayers(buffer.substr(buffer.find('.', buffer.find('.') + 1) + 1));
    auto place = llvm::find_if(places, [&](const plan::PeakValue &p) { return p.name() == name; });
    if (place == places.end())
      place = places.insert(places.end(), plan::PeakValue()), place->set_name(name);
    place->set_bytes(place->bytes() + value.bytes);
    place->set_count(place->count() + 1);
  }
  llvm::stable_sort(places, [](const auto &a, const auto &b) { return a.bytes() > b.bytes(); });
  for (const plan::PeakValue &place : llvm::ArrayRef(places).take_front(mostPeakRows))
    *stats.add_peak_places() = place;
}

/// The recipe as it was planned: with what was chosen in the place of what was asked for.
static std::string resolvedText(const LoadedRecipe &recipe, const Choices &choices) {
  LoadedRecipe chosen = recipe;
  chosen.fields.set_micro_batch_size(static_cast<recipe::MicroBatchSize::Rows>(choices.rows));
  chosen.fields.set_gradient_accumulation_steps(choices.accumulationSteps);
  chosen.fields.clear_global_batch_size();
  if (chosen.fields.has_parallelism())
    setSplit(choices, *chosen.fields.mutable_parallelism());
  if (chosen.fields.has_offload_optimizer())
    chosen.fields.mutable_offload_optimizer()->set_fraction(choices.hostFraction);
  if (choices.multiplyCodes)
    chosen.fields.mutable_quantization()->set_resident_transposes(
        choices.keepTransposes ? recipe::ResidentTransposes::TRUE : recipe::ResidentTransposes::FALSE);
  chosen.printResolved();
  return chosen.resolvedText;
}

void ft::describePlan(const Inputs &inputs, const Choices &choices, plan::Plan &plan) {
  const PlanningOptions planning = planningOptions(inputs, choices);
  const std::string recipeText = resolvedText(inputs.recipe, choices);
  plan.set_compiler("ftc " FTC_VERSION);
  plan.set_name(inputs.recipe.name);
  plan.set_op_set_version(rt::planOpSetVersion);
  plan.set_kernel_abi_version(rt::planKernelAbiVersion);
  plan.set_deterministic(planning.deterministic);
  plan.set_recipe_sha256(digest(recipeText));
  plan.set_model_sha256(digest(inputs.model.canonicalJson));
  describeMesh(choices.mesh, plan);
  describeTarget(inputs.target, choices, *plan.mutable_target());
  plan.mutable_target()->set_memory_budget(memoryBudgetOf(inputs.recipe.fields));
  describeBatch(inputs, choices, *plan.mutable_batch());
  describeRun(inputs, *plan.mutable_run());
  addFacts(inputs.model, plan);
  addNotes(inputs, choices, planning, *plan.mutable_stats());
  if (inputs.recipe.fields.has_quantization())
    plan.add_features(std::string(plan::quantizedFeature));
  if (inputs.recipe.fields.quantization().type() == recipe::QuantizationType::FP8)
    plan.add_features(std::string(plan::fp8Feature));
  auto addText = [&](const char *file, const std::string &content) {
    plan::Text *text = plan.add_texts();
    text->set_file(file);
    text->set_content(content);
  };
  addText("recipe.resolved.textproto", recipeText);
  if (inputs.recipe.fields.has_lora())
    addText("adapter_config.json", adapterConfig(inputs.recipe, inputs.model));
  else
    addText("config.json", writtenConfig(inputs.recipe, inputs.model));
}

/// The launch reads codes: those that quantise for a product read scales alone, which lie behind.
static bool widensCodes(const plan::Step &step, const std::map<uint32_t, uint64_t> &scalesOf) {
  return llvm::any_of(step.launch().operands(), [&](const plan::Operand &operand) {
    const auto scales = scalesOf.find(operand.buffer());
    return scales != scalesOf.end() && operand.offset() < scales->second;
  });
}

/// Products of a step that read weights in FP8: how many multiply codes, and why others do not.
static void noteFp8(plan::Plan &plan, const recipe::TargetSpec &target) {
  uint64_t weights = 0, bytes = 0;
  bool anyForm = false;
  std::map<uint32_t, uint64_t> scalesOf; // by buffer, the first
  for (const plan::Tensor &tensor : plan.tensors())
    if (tensor.dtype() == plan::F8E4M3) {
      weights += 1;
      bytes += tensor.shape(0) * (tensor.shape(1) + plan::dtypeBytes(plan::F32));
      anyForm |= tensor.shape(0) % 16 == 0 && tensor.shape(1) % 16 == 0;
      const uint64_t offset = tensor.quantization().scales_offset();
      const auto first = scalesOf.try_emplace(tensor.buffer(), offset).first;
      first->second = std::min(first->second, offset);
    }
  if (!weights)
    return;
  uint64_t multiplied = 0, widened = 0, transposed = 0;
  for (const plan::Segment &segment : plan.segments()) {
    if (!plan::runsOnTokens(segment.kind()) || plan::runsBetweenSteps(segment.kind()))
      continue;
    const uint64_t times = plan::runsPerStep(plan, segment.kind());
    for (const plan::Step &step : segment.steps()) {
      multiplied += times * (step.gemm().a_type() == plan::F8E4M3);
      transposed += times * step.has_transpose();
      widened += times * (step.has_launch() && widensCodes(step, scalesOf));
    }
  }
  plan::Stats &stats = *plan.mutable_stats();
  stats.add_notes(
      fmt::format("base in FP8: {} weights of linears in {:.3f} GiB, E4M3 with a scale a row; embedding, head, "
                  "norms and adapters are as they were",
                  weights, double(bytes) / (1 << 30)));
  if (multiplied)
    stats.add_notes(
        fmt::format("{} products a step multiply FP8, with scales per token and per row of the weight; of these, "
                    "backward's read the same codes transposed, {}; adapters add in a product of their own",
                    multiplied, transposed ? "each ahead of its product" : "which lie beside them"));
  if (widened)
    stats.add_notes(
        fmt::format("{} times a step numbers are made of a weight's codes before a product: {}", widened,
                    target.fp8_tflops() <= 0
                        ? fmt::format("products of FP8 with these scales are not measured on {}", target.name())
                    : multiplied || !anyForm ? "its rows or columns are no multiple of 16"
                                             : "quantization.products is DEQUANTIZED, or precision FP64_TRUE"));
}

/// Which weights lie in few bits, and what their products read.
static void noteQuantization(plan::Plan &plan) {
  uint64_t weights = 0, bytes = 0, elements = 0;
  for (const plan::Tensor &tensor : plan.tensors())
    if (tensor.dtype() == plan::U4) {
      weights += 1;
      elements += tensor.sizes(0);
      bytes += plan::Nf4Layout(tensor.sizes(0), tensor.quantization().double_quant()).bytes;
    }
  if (weights)
    plan.mutable_stats()->add_notes(fmt::format(
        "base in NF4: {} weights of linears in {:.3f} GiB, {:.3f} bits each element; every product of theirs, "
        "forward and backward, reads numbers that the kernel \"dequantize\" makes right before it; "
        "embedding, head and norms are as they were",
        weights, double(bytes) / (1 << 30), 8.0 * double(bytes) / double(elements)));
}

static const plan::Arena &arenaOf(const plan::Plan &plan, uint32_t buffer) {
  return plan.arenas(int(plan.buffers(int(buffer)).arena()));
}

/// Whose optimizer states lie on the host, and whether their gradients do.
static void noteHost(plan::Plan &plan) {
  uint64_t there = 0, all = 0;
  bool leave = false;
  for (const plan::Tensor &tensor : plan.tensors()) {
    const bool onHost = arenaOf(plan, tensor.buffer()).space() != plan::Arena::DEVICE;
    leave |= onHost && tensor.role() == plan::Tensor::GRADIENT;
    if (tensor.role() == plan::Tensor::TRAINABLE || tensor.role() == plan::Tensor::ADAPTER) {
      const uint64_t elements =
          std::accumulate(tensor.shape().begin(), tensor.shape().end(), uint64_t(1), std::multiplies<>());
      all += elements;
      there += onHost ? elements : 0;
    }
  }
  if (there)
    plan.mutable_stats()->add_notes(
        fmt::format("optimizer on the host: masters and moments of {} of {} trained parameters ({:.0f} %), whose "
                    "updates run beside the next forward pass, each in front of its first use{}",
                    there, all, 100.0 * double(there) / double(all),
                    leave ? "; their gradients leave during the backward pass" : ""));
}

/// What the host holds between forward and backward of a micro-batch: an update's transfers are in no segment on
/// tokens, and gradients are there to stay.
static void noteParked(plan::Plan &plan) {
  uint64_t values = 0, bytes = 0;
  for (const plan::Segment &segment : plan.segments())
    if (segment.kind() == plan::Segment::ACCUMULATE_FIRST)
      for (const plan::Step &step : segment.steps())
        if (const plan::Arena &to = arenaOf(plan, step.copy().dst().buffer());
            step.has_copy() && to.space() == plan::Arena::PINNED && to.transient()) {
          values += 1;
          bytes += step.copy().dst().rows() * step.copy().dst().row_bytes();
        }
  if (values)
    plan.mutable_stats()->add_notes(fmt::format(
        "activation_offload: {} of a micro-batch, {:.3f} GiB, in pinned memory of the host between forward and "
        "backward",
        values == 1 ? "1 value" : fmt::format("{} values", values), double(bytes) / (1 << 30)));
}

/// Runs that a rank exchanges with a peer, in all segments: what makes graphs over several cards large.
static uint64_t exchangesOf(const plan::Plan &plan) {
  const plan::Mesh mesh(plan);
  uint64_t count = 0;
  for (const plan::Segment &segment : plan.segments())
    for (const plan::Step &step : segment.steps())
      if (step.has_collective())
        count += uint64_t(step.collective().whole_size()) * (mesh.members(plan::axesOf(step.collective())) - 1);
  return count;
}

static bool takesSeveralHosts(const recipe::TargetSpec &target, const plan::Plan &plan) {
  return target.driver() == "cuda" && plan::Mesh(plan).ranks() > std::max<uint64_t>(target.cards_per_host(), 1);
}

/// What exchanging takes outside of the arenas: graphs over several cards, or NCCL between hosts.
static uint64_t exchangeBytes(const recipe::TargetSpec &target, const plan::Plan &plan) {
  return takesSeveralHosts(target, plan) ? target.nccl_bytes()
                                         : exchangesOf(plan) * target.outside_bytes_per_exchange();
}

/// The cards of one host read each other's memory, which is what the table counts; they may be run otherwise.
static void noteNccl(const recipe::TargetSpec &target, plan::Plan &plan) {
  if (target.driver() != "cuda" || plan::Mesh(plan).ranks() == 1 || takesSeveralHosts(target, plan))
    return;
  const rt::Fit fit = rt::fitOf(plan);
  const bool fits = fit.has == 0 || fit.needs() + target.nccl_bytes() <= fit.has;
  plan.mutable_stats()->add_notes(fmt::format("through NCCL (ftrun --collectives nccl, or several processes) each card "
                                              "needs {:.2f} GiB more outside the arenas: {}",
                                              double(target.nccl_bytes()) / (1 << 30),
                                              fits ? "that fits as well" : "that does not fit"));
}

void ft::finishPlan(const recipe::TargetSpec &target, const MemoryPeak &peak, plan::Plan &plan) {
  addStaging(plan);
  plan.mutable_target()->set_outside_arenas(target.outside_arenas_bytes() + exchangeBytes(target, plan));
  addExports(plan);
  noteQuantization(plan);
  noteFp8(plan, target);
  noteHost(plan);
  noteParked(plan);
  if (plan::hasShares(plan))
    plan.add_features(plan::sharesFeature);
  if (plan::hasTargets(plan))
    plan.add_features(std::string(plan::targetsFeature));
  if (plan::has(plan, plan::Segment::FINISH))
    plan.add_features(std::string(plan::finishFeature));
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
  const bool training = plan.batch().max_target_tokens() > 0;
  for (const plan::Segment &segment : plan.segments()) {
    const double times = plan::runsPerStep(plan, segment.kind());
    const double ofTargets = training ? rt::runsPerTargetsStep(plan, segment.kind()) : 0;
    for (const plan::Step &step : segment.steps()) {
      stats.set_flops_per_step(stats.flops_per_step() + times * step.flops());
      stats.set_bytes_per_step(stats.bytes_per_step() + times * step.bytes());
      stats.set_flops_per_targets_step(stats.flops_per_targets_step() + ofTargets * step.flops());
      stats.set_bytes_per_targets_step(stats.bytes_per_targets_step() + ofTargets * step.bytes());
    }
  }
  stats.set_predicted_step_us(rt::timelineOf(plan).us);
  if (training)
    stats.set_predicted_targets_step_us(rt::timelineOfTargets(plan).us);
  describePeak(peak, stats);
  noteNccl(target, plan);
}
