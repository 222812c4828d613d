#include "compiler/Pipeline/Options.h"

#include "runtime/Plan/AttentionWorkspace.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <fmt/format.h>

#include <cmath>

using namespace ft;
using recipe::Recipe;

static bool isBf16(const Recipe &r) {
  return r.precision() == recipe::Precision::BF16_TRUE || r.precision() == recipe::Precision::BF16_MIXED;
}

/// Products, and the library's attention, are of 16 bits.
static bool isShort(const Recipe &r) { return isBf16(r) || r.precision() == recipe::Precision::FP16_MIXED; }

/// Lanes of a head where the library's attention runs on it, 0 where no padding makes it run.
static int64_t libraryHeadLanes(const Recipe &r, const recipe::TargetSpec &target, int64_t headDim) {
  if (!target.library_attention() || !isShort(r) || headDim > int64_t(target.library_head_most()))
    return 0;
  if (headDim % int64_t(target.library_head_multiple()) == 0)
    return headDim;
  int64_t padded = target.padded_head_dim();
  return headDim <= padded / 2 ? padded / 2 : headDim <= padded ? padded : 0;
}

/// Rows are longer than a layer's window. The library's engines for that are not measured: attention is tiled.
bool ft::hasWindows(const Inputs &inputs) {
  return llvm::any_of(inputs.model.perLayer,
                      [&](const LayerConfig &layer) { return layer.hidesIn(inputs.recipe.fields.sequence_len()); });
}

static Recompute recomputeOf(const Recipe &r) {
  switch (r.gradient_checkpointing()) {
  case recipe::GradientCheckpointing::SELECTIVE:
    return Recompute::Products;
  case recipe::GradientCheckpointing::FULL:
    return Recompute::Blocks;
  default:
    return Recompute::Rows;
  }
}

/// A base in FP8 whose products multiply codes: where the target does and the recipe leaves it so. Their results are
/// bf16 or f32, never f16.
static bool multipliesCodes(const Recipe &r, const recipe::TargetSpec &target) {
  return r.quantization().type() == recipe::QuantizationType::FP8 && target.fp8_tflops() > 0 &&
         r.precision() != recipe::Precision::FP64_TRUE && r.precision() != recipe::Precision::FP16_MIXED &&
         r.quantization().products() != recipe::QuantizedProducts::DEQUANTIZED;
}

Choices ft::choose(const Inputs &inputs) {
  const Recipe &r = inputs.recipe.fields;
  Choices choices;
  choices.rows = static_cast<int64_t>(r.micro_batch_size());
  choices.accumulationSteps = static_cast<int64_t>(r.gradient_accumulation_steps());
  choices.mesh.dp = static_cast<int64_t>(ranksOf(r));
  choices.foldAdapters = inputs.foldAdapters.value_or(inputs.target.fold_lora());
  const int64_t lanes = hasWindows(inputs) ? 0 : libraryHeadLanes(r, inputs.target, inputs.model.headDim);
  choices.libraryAttention = lanes > 0;
  choices.headLanes = inputs.headLanes.value_or(lanes);
  choices.multiplyCodes = multipliesCodes(r, inputs.target);
  choices.hostFraction = r.offload_optimizer().fraction(); // 0 where it is left to planFrom
  choices.recompute.rest = recomputeOf(r);
  if (r.activation_offload() == recipe::ActivationOffload::TRUE)
    choices.recompute.park = Park::Inputs;
  choices.recompute.park = inputs.park.value_or(choices.recompute.park);
  choices.deterministic = r.deterministic() != recipe::Deterministic::FALSE;
  return choices;
}

/// Products take rows by the dozen: a bound is rounded up. One that is none for the micro-batch is left out.
static int64_t boundOnTargets(uint64_t asked, int64_t tokens) {
  constexpr uint64_t multiple = 16;
  const uint64_t bound = llvm::alignTo(asked, multiple);
  return bound < uint64_t(tokens) ? int64_t(bound) : 0;
}

TargetBounds ft::boundsOnTargets(const Inputs &inputs, const Choices &choices) {
  const Recipe &r = inputs.recipe.fields;
  const int64_t tokens = choices.rows * int64_t(r.sequence_len());
  return {boundOnTargets(r.max_target_tokens(), tokens), boundOnTargets(r.max_eval_target_tokens(), tokens)};
}

BatchShape ft::batchShape(const Inputs &inputs, const Choices &choices) {
  const Recipe &r = inputs.recipe.fields;
  BatchShape shape;
  shape.headLanes = choices.headLanes;
  // The module is all ranks'; Sharding makes it one rank's.
  const int64_t ranks = choices.mesh.dp;
  shape.microBatchSize = ranks * choices.rows;
  shape.sequenceLen = r.sequence_len();
  shape.maxDocuments =
      ranks * llvm::alignTo(choices.rows * r.max_documents_per_row(), inputs.target.documents_multiple());
  shape.generate = r.has_generate();
  const TargetBounds bounds = boundsOnTargets(inputs, choices);
  shape.targetRows = ranks * std::max(bounds.training, bounds.evaluation);
  return shape;
}

static Precision precisionOf(const Recipe &r) {
  switch (r.precision()) {
  case recipe::Precision::BF16_TRUE:
    return Precision::Bf16True;
  case recipe::Precision::BF16_MIXED:
    return Precision::Bf16Mixed;
  case recipe::Precision::FP16_MIXED:
    return Precision::Fp16Mixed;
  case recipe::Precision::FP64_TRUE:
    return Precision::Fp64True;
  default:
    return Precision::Fp32True;
  }
}

ModelOptions ft::modelOptions(const Inputs &inputs, const Choices &choices) {
  const Recipe &r = inputs.recipe.fields;
  ModelOptions options;
  options.precision = precisionOf(r);
  options.bf16Gradients = r.parallelism().reduce_dtype() == recipe::StateDtype::BF16;
  if (r.has_lora()) {
    LoraOptions lora;
    lora.r = r.lora().r();
    lora.alpha = r.lora().lora_alpha();
    lora.dropout = r.lora().lora_dropout();
    lora.targets.assign(r.lora().target_modules().begin(), r.lora().target_modules().end());
    options.lora = lora;
  }
  if (r.has_quantization()) {
    using Form = QuantizationOptions::Form;
    const bool fp8 = r.quantization().type() == recipe::QuantizationType::FP8;
    options.quantization =
        QuantizationOptions{r.quantization().double_quant(), inputs.model.notQuantized, fp8 ? Form::Fp8 : Form::Nf4};
  }
  options.optimizer.kind = r.optim() == recipe::Optimizer::SGD    ? OptimizerOptions::Kind::Sgd
                           : r.optim() == recipe::Optimizer::LION ? OptimizerOptions::Kind::Lion
                                                                  : OptimizerOptions::Kind::AdamW;
  options.optimizer.beta1 = r.adam_beta1();
  options.optimizer.beta2 = r.adam_beta2();
  options.optimizer.epsilon = r.adam_epsilon();
  options.optimizer.weightDecay = r.weight_decay();
  options.optimizer.momentum = r.sgd_momentum();
  using Moments = OptimizerOptions::Moments;
  const recipe::StateDtype::Kind state = r.optimizer_state_dtype();
  options.optimizer.moments = state == recipe::StateDtype::BF16   ? Moments::Bf16
                              : state == recipe::StateDtype::INT8 ? Moments::Codes
                                                                  : Moments::F32;
  options.optimizer.splitMasters = r.master_dtype() == recipe::MasterDtype::BF16_REMAINDER;
  options.optimizer.decayNorms = r.weight_decay_norms();
  options.optimizer.maxGradNorm = r.max_grad_norm();
  options.accumulationSteps = choices.accumulationSteps;
  options.recompute = choices.recompute;
  options.targetBounds = boundsOnTargets(inputs, choices);
  options.targetBounds.training *= choices.mesh.dp; // the module is all ranks'
  options.targetBounds.evaluation *= choices.mesh.dp;
  options.copyAdapters = choices.foldAdapters; // a border holds copies, whatever their type
  return options;
}

/// Rows may hold several documents: the plan's caps say so, and every token file keeps to them.
static bool isRagged(const Recipe &r) { return r.packing() && r.max_documents_per_row() > 1; }

/// Bytes that cuDNN's attention needs, with a margin for what other versions keep per document.
static int64_t attentionBytes(const PlanningOptions &options, const ModelConfig &model, const BatchShape &shape) {
  plan::Attention backward; // needs more than forward
  backward.set_direction(plan::Attention::BACKWARD);
  backward.set_form(options.raggedAttention ? plan::Attention::RAGGED : plan::Attention::DENSE);
  backward.set_deterministic(options.deterministic);
  backward.set_batch(options.rows), backward.set_sequence_len(shape.sequenceLen);
  backward.set_heads(model.heads), backward.set_kv_heads(model.kvHeads), backward.set_head_dim(shape.headLanes);
  backward.set_max_documents(options.maxDocuments), backward.set_max_document_len(options.maxDocumentLen);
  backward.set_d_qkv_pitch((model.heads + 2 * model.kvHeads) * shape.headLanes);
  return static_cast<int64_t>(rt::attentionWorkspaceBytes(backward).total()) + 65536 + 512 * options.maxDocuments;
}

PlanningOptions ft::planningOptions(const Inputs &inputs, const Choices &choices) {
  const Recipe &r = inputs.recipe.fields;
  const recipe::TargetSpec &target = inputs.target;
  const BatchShape shape = batchShape(inputs, choices);
  PlanningOptions options;
  options.libraryAttention = choices.libraryAttention;
  options.raggedAttention = options.libraryAttention && isRagged(r);
  options.foldAdapters = choices.foldAdapters;
  options.allowTf32 = r.allow_tf32();
  options.pinMoments = r.offload_optimizer().pin_memory();
  // Ranks of several hosts reduce by NCCL: a plan does not grow with them.
  options.peersRead =
      choices.mesh.dp > 1 && target.driver() == "cuda" && uint64_t(choices.mesh.dp) <= target.cards_per_host();
  options.gemmWorkspaceBytes = r.precision() == recipe::Precision::FP64_TRUE ? 0 : target.gemm_workspace_bytes();
  options.headChunkTokens = target.head_chunk_tokens();
  options.attentionTileRows = target.attention_tile_rows();
  options.rows = choices.rows;
  options.maxDocuments = shape.maxDocuments / choices.mesh.dp;
  options.maxDocumentLen = r.max_document_len();
  options.deterministic = !options.libraryAttention ||
                          (choices.deterministic && (!options.raggedAttention || target.ragged_deterministic()));
  if (options.libraryAttention)
    options.attentionWorkspaceBytes = attentionBytes(options, inputs.model, shape);
  return options;
}

/// Ranks beyond one host fill whole hosts: a host with fewer would have another share of its links.
static rt::Status checkHosts(const LoadedRecipe &recipe, const recipe::TargetSpec &target) {
  const auto &split = recipe.fields.parallelism();
  const uint64_t ranks = ranksOf(recipe.fields), cards = std::max<uint64_t>(target.cards_per_host(), 1);
  if (ranks <= cards || target.driver() != "cuda")
    return rt::Status();
  const bool hosts = target.network_gb_per_s() > 0;
  if (hosts && ranks % cards == 0)
    return rt::Status();
  const std::string field = split.dp_shard_size() > 1 ? "parallelism.dp_shard_size" : "parallelism.dp_replicate_size";
  return rt::cannotRun(fmt::format(
      "{}: {} is {}{}; must be {}", recipe.place(field), field,
      split.dp_shard_size() > 1 ? split.dp_shard_size() : ranks,
      split.dp_shard_size() > 1 && split.dp_replicate_size() > 1
          ? fmt::format(", with dp_replicate_size {} ranks", ranks)
          : "",
      hosts
          ? fmt::format("at most {}, as many {} as one host has, or make a multiple of {} ranks", cards, target.name(),
                        cards)
          : fmt::format("at most {}, as many {} as one host has: of several nothing is known", cards, target.name())));
}

rt::Status ft::checkTarget(const LoadedRecipe &recipe, const recipe::TargetSpec &target) {
  const Recipe &r = recipe.fields;
  if (isBf16(r) && !target.bf16())
    return rt::cannotRun(fmt::format("ftc: {} has no bf16, and precision is {}; use FP16_MIXED or FP32_TRUE",
                                     target.name(), recipe::Precision::Mode_Name(r.precision())));
  if (r.precision() == recipe::Precision::FP64_TRUE && target.driver() != "cpu")
    return rt::badInput(
        fmt::format("ftc: precision FP64_TRUE proves gradients on the cpu; {} cannot run it", target.name()));
  if (r.quantization().products() == recipe::QuantizedProducts::FP8 && target.fp8_tflops() <= 0)
    return rt::cannotRun(
        fmt::format("{}: quantization.products is FP8, and {} has no products of FP8 with a scale for each "
                    "row that this program knows; use AUTO, which makes numbers of the codes there",
                    recipe.place("quantization.products"), target.name()));
  if (rt::Status fits = checkHosts(recipe, target); !fits.ok())
    return fits;
  if (r.deterministic() == recipe::Deterministic::TRUE && isShort(r) && target.library_attention() && isRagged(r) &&
      !target.ragged_deterministic())
    return rt::cannotRun(fmt::format("ftc: deterministic is TRUE, and the attention library of {} has no deterministic "
                                     "engine for packed documents; use AUTO or FALSE, or packing: false",
                                     target.name()));
  return rt::Status();
}

/// Tiled attention is unrolled: some 20 steps for each tile of query rows, and a plan holds 2^20 (CheckSteps.cpp).
constexpr int64_t mostAttentionTiles = 1 << 15;

/// A tile reads all keys in front of it, and no two tiles the same: what the verifier compares grows with the square of
/// a row's tiles. Plans of this size take it some 10 s; a third more is beyond its budget.
constexpr int64_t mostTilePairs = 480 * 1024;

/// Rows that tiled attention is too long for.
static rt::Status checkTilePairs(const Inputs &inputs, const Choices &choices, int64_t sequenceLen) {
  const int64_t tileRows = inputs.target.attention_tile_rows(), tiles = llvm::divideCeil(sequenceLen, tileRows);
  const int64_t rows = inputs.model.layers * choices.rows; // of all layers
  if (tiles * tiles <= mostTilePairs / rows)
    return rt::Status();
  const auto most = static_cast<int64_t>(std::sqrt(static_cast<double>(mostTilePairs) / static_cast<double>(rows)));
  return rt::badInput(fmt::format(
      "{}: sequence_len is {}; must be at most {} where attention is tiled, as here on target {}, with {} layers and "
      "micro_batch_size {}: lower one of them{}",
      inputs.recipe.place("sequence_len"), sequenceLen, most * tileRows, inputs.target.name(), inputs.model.layers,
      choices.rows,
      inputs.target.driver() == "cpu" ? ", or compile for a GPU, whose library has attention (--gpu NAME)" : ""));
}

rt::Status ft::checkSize(const Inputs &inputs, const Choices &choices) {
  const LoadedRecipe &recipe = inputs.recipe;
  const BatchShape shape = batchShape(inputs, choices);
  if (const std::optional<FieldError> error = checkShape(inputs.model, shape))
    return rt::badInput(fmt::format("{}: {}", recipe.place(error->field), error->message));
  if (choices.libraryAttention)
    return rt::Status();
  const int64_t tilesOfRow =
      inputs.model.layers * llvm::divideCeil(shape.sequenceLen, inputs.target.attention_tile_rows());
  const int64_t mostRows = mostAttentionTiles / tilesOfRow;
  if (choices.rows <= mostRows || mostRows == 0)
    return checkTilePairs(inputs, choices, shape.sequenceLen);
  return rt::badInput(
      fmt::format("{}: micro_batch_size is {}; must be at most {} with sequence_len {} and {} layers: attention is "
                  "tiled, and a plan has room for {} tiles; lower it, and raise gradient_accumulation_steps",
                  recipe.place("micro_batch_size"), choices.rows, mostRows, shape.sequenceLen, inputs.model.layers,
                  mostAttentionTiles));
}
