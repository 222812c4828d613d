// Defaults, ranges, and what fields mean together. Every message: place, field, value, legal range, way out.
#include "compiler/Recipe/Recipe.h"

#include "compiler/Recipe/ByteSize.h"
#include "runtime/Support/Strings.h"
#include "runtime/Support/SyntheticSource.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>

using namespace ft;
using recipe::Recipe;
using rt::badInput;
using rt::Status;

namespace {

class Checker {
public:
  Checker(const FieldPlaces &p, const std::string &f) : places(p), file(f) {}

  Status error(const std::string &field, const std::string &text) const {
    return badInput(fmt::format("{}: {} {}", placeOf(places, field, file), field, text));
  }
  template <typename T> Status range(const std::string &field, T value, bool good, std::string_view legal) const {
    return good ? Status() : error(field, fmt::format("is {}; must be in {}", value, legal));
  }
  Status integer(const std::string &field, uint64_t value, uint64_t low, uint64_t high) const {
    return range(field, value, value >= low && value <= high, fmt::format("[{}, {}]", low, high));
  }
  Status required(const std::string &field, bool present, std::string_view example) const {
    return present ? Status() : badInput(fmt::format("{}: {} is missing; write {}", file, field, example));
  }
  Status unsupported(const std::string &field, std::string_view value, std::string_view wayOut) const {
    return error(field, fmt::format("asks for {}, which is not supported yet; {}", value, wayOut));
  }

private:
  const FieldPlaces &places;
  const std::string &file;
};

#define FT_DEFAULT(message, field, value)                                                                              \
  if (!(message).has_##field())                                                                                        \
  (message).set_##field(value)

Status checkRequired(const Recipe &r, const Checker &check) {
  FT_RETURN_IF_ERROR(check.required("base_model", r.has_base_model(), "base_model: \"smollm2-135m\""));
  FT_RETURN_IF_ERROR(check.required("precision", r.has_precision() && r.precision() != recipe::Precision::UNSPECIFIED,
                                    "precision: BF16_TRUE"));
  FT_RETURN_IF_ERROR(check.required("sequence_len", r.has_sequence_len(), "sequence_len: 512"));
  FT_RETURN_IF_ERROR(check.required("micro_batch_size", r.has_micro_batch_size(), "micro_batch_size: 4"));
  return check.required("learning_rate", r.has_learning_rate(), "learning_rate: 2e-4");
}

/// Text that is not UTF-8 comes through the parser, and a plan cannot hold it.
Status checkTexts(const google::protobuf::Message &message, const google::protobuf::FieldDescriptor *field,
                  const std::string &name, const Checker &check) {
  const google::protobuf::Reflection &reflection = *message.GetReflection();
  const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
  for (int i = 0; i < count; ++i) {
    const std::string text =
        field->is_repeated() ? reflection.GetRepeatedString(message, field, i) : reflection.GetString(message, field);
    if (!rt::isUtf8(text))
      return check.error(name, fmt::format("is \"{}\"; must be text in UTF-8", rt::shown(text)));
  }
  return Status();
}

/// Numbers that no name stands for, and the name that says nothing, come through the parser as values of open enums.
Status checkValues(const google::protobuf::Message &message, const std::string &prefix, const Checker &check) {
  using google::protobuf::FieldDescriptor;
  std::vector<const FieldDescriptor *> set;
  const google::protobuf::Reflection &reflection = *message.GetReflection();
  reflection.ListFields(message, &set);
  for (const FieldDescriptor *field : set) {
    const std::string name = prefix + field->name();
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      FT_RETURN_IF_ERROR(checkValues(reflection.GetMessage(message, field), name + ".", check));
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      FT_RETURN_IF_ERROR(checkTexts(message, field, name, check));
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_ENUM || name == "micro_batch_size") // which is a number as well
      continue;
    const int value = reflection.GetEnumValue(message, field);
    if (value == 0 || !field->enum_type()->FindValueByNumber(value))
      return check.error(name,
                         fmt::format("is {}; must be one of {}", value == 0 ? "UNSPECIFIED" : std::to_string(value),
                                     enumNames(*field->enum_type())));
  }
  return Status();
}

/// Known fields whose passes do not exist yet are refused by name.
Status checkUnsupported(const Recipe &r, const Checker &check) {
  if (r.optim() == recipe::Optimizer::ADAFACTOR || r.optim() == recipe::Optimizer::MUON)
    return check.unsupported("optim",
                             recipe::Optimizer::Kind_Name(r.optim()) +
                                 " (an update of whole matrices, where those here are of runs of elements)",
                             "use ADAMW, LION or SGD");
  if (r.parallelism().reduce_dtype() == recipe::StateDtype::INT8)
    return check.unsupported("parallelism.reduce_dtype", "INT8", "use BF16");
  if (r.quantization().type() > recipe::QuantizationType::FP8)
    return check.unsupported("quantization.type", recipe::QuantizationType::Kind_Name(r.quantization().type()),
                             "use FP8 or NF4");
  if (r.has_offload_parameters())
    return check.unsupported("offload_parameters", "parameters on the host",
                             "leave it out; offload_optimizer keeps their masters and moments there");
  if (r.lora().use_rslora())
    return check.unsupported("lora.use_rslora", "rsLoRA", "set lora_alpha to alpha · √r for the same scale");
  if (r.lora().use_dora())
    return check.unsupported("lora.use_dora", "DoRA", "leave it out");
  if (r.lora().modules_to_save_size() > 0)
    return check.unsupported("lora.modules_to_save", r.lora().modules_to_save(0), "leave it out");
  return Status();
}

/// What backward makes again, and how much memory there is for the rest.
Status resolveMemory(Recipe &r, const Checker &check) {
  FT_DEFAULT(r, gradient_checkpointing, recipe::GradientCheckpointing::NONE);
  FT_DEFAULT(r, activation_offload, recipe::ActivationOffload::FALSE);
  if (r.has_memory_budget() && !parseByteSize(r.memory_budget()))
    return check.error("memory_budget", fmt::format("is \"{}\"; must be bytes in [1, 2^63), or a number with a unit: "
                                                    "\"24GB\", \"22.5GiB\", MB, MiB, TB or TiB",
                                                    r.memory_budget()));
  return Status();
}

Status resolveNf4(Recipe &r, const Checker &check) {
  const recipe::Quantization &quantization = r.quantization();
  for (const auto &[field, given] :
       {std::pair("quantization.products", quantization.has_products()),
        std::pair("quantization.resident_transposes", quantization.has_resident_transposes())})
    if (given)
      return check.error(field, "belongs to quantization.type FP8; products of NF4 always read numbers: leave it out");
  FT_DEFAULT(*r.mutable_quantization(), double_quant, false);
  return Status();
}

Status resolveFp8(Recipe &r, const Checker &check) {
  recipe::Quantization &quantization = *r.mutable_quantization();
  if (quantization.double_quant())
    return check.error("quantization.double_quant",
                       "is true; scales of FP8, one a row, are not quantised: leave it out");
  FT_DEFAULT(quantization, products, recipe::QuantizedProducts::AUTO);
  const bool multiplied = quantization.products() != recipe::QuantizedProducts::DEQUANTIZED;
  if (quantization.products() == recipe::QuantizedProducts::FP8 && r.precision() == recipe::Precision::FP64_TRUE)
    return check.error("quantization.products",
                       "is FP8, and precision FP64_TRUE computes in double precision alone: use "
                       "DEQUANTIZED, or another precision");
  if (quantization.products() == recipe::QuantizedProducts::FP8 && r.precision() == recipe::Precision::FP16_MIXED)
    return check.error("quantization.products",
                       "is FP8, whose results are bf16 or f32, and precision is FP16_MIXED: use "
                       "DEQUANTIZED, or BF16_MIXED");
  if (!multiplied && quantization.has_resident_transposes())
    return check.error("quantization.resident_transposes", "belongs to products of FP8; quantization.products is "
                                                           "DEQUANTIZED: leave it out");
  if (multiplied)
    FT_DEFAULT(quantization, resident_transposes, recipe::ResidentTransposes::AUTO);
  return Status();
}

/// Every rank of DDP holds the whole quantised base; how its blocks would be shared nothing says yet.
Status resolveQuantization(Recipe &r, const Checker &check) {
  if (!r.has_quantization())
    return Status();
  FT_RETURN_IF_ERROR(check.required("quantization.type", r.quantization().has_type(), "quantization { type: NF4 }"));
  if (!r.has_lora())
    return check.error("quantization.type",
                       fmt::format("is {}, and weights in few bits cannot be trained: add lora {{}}, or leave "
                                   "quantization out",
                                   recipe::QuantizationType::Kind_Name(r.quantization().type())));
  if (r.parallelism().strategy() > recipe::Strategy::DDP)
    return check.unsupported("quantization",
                             fmt::format("a quantised base with parallelism.strategy {}",
                                         recipe::Strategy::Kind_Name(r.parallelism().strategy())),
                             "use DDP");
  return r.quantization().type() == recipe::QuantizationType::FP8 ? resolveFp8(r, check) : resolveNf4(r, check);
}

constexpr uint64_t mostRanks = 1024;

/// The quantities that a strategy takes, and no other.
Status resolveRanks(recipe::Parallelism &p, const Checker &check) {
  const recipe::Strategy::Kind strategy = p.strategy();
  const std::string name = recipe::Strategy::Kind_Name(strategy);
  const bool both = strategy == recipe::Strategy::HSDP || strategy == recipe::Strategy::AUTO;
  if (strategy == recipe::Strategy::DDP && p.has_dp_shard_size())
    return check.error("parallelism.dp_shard_size",
                       fmt::format("is {}; strategy DDP shards nothing: set dp_replicate_size", p.dp_shard_size()));
  if (strategy != recipe::Strategy::DDP && !p.has_dp_shard_size())
    return check.error("parallelism.dp_shard_size",
                       fmt::format("is missing; strategy {} needs the number of ranks that share states, in [{}, {}]",
                                   name, strategy == recipe::Strategy::HSDP ? 2 : 1, mostRanks));
  if (strategy != recipe::Strategy::DDP && !both && p.dp_replicate_size() > 1)
    return check.error("parallelism.dp_replicate_size",
                       fmt::format("is {}; strategy {} has one copy of what it splits: leave it out, or use HSDP",
                                   p.dp_replicate_size(), name));
  const uint64_t least = strategy == recipe::Strategy::HSDP ? 2 : 1;
  if (strategy == recipe::Strategy::HSDP && !p.has_dp_replicate_size())
    return check.error(
        "parallelism.dp_replicate_size",
        fmt::format("is missing; strategy HSDP needs the number of copies of what it splits, in [2, {}]", mostRanks));
  FT_DEFAULT(p, dp_replicate_size, 1);
  FT_RETURN_IF_ERROR(check.integer("parallelism.dp_replicate_size", p.dp_replicate_size(), least, mostRanks));
  if (strategy == recipe::Strategy::DDP)
    return Status();
  FT_RETURN_IF_ERROR(check.integer("parallelism.dp_shard_size", p.dp_shard_size(), least, mostRanks));
  const uint64_t ranks = p.dp_shard_size() * p.dp_replicate_size();
  if (!both)
    p.clear_dp_replicate_size(); // what may not be written is not printed
  return ranks <= mostRanks ? Status()
                            : check.error("parallelism.dp_shard_size",
                                          fmt::format("is {}, and dp_replicate_size {}: {} ranks; must be at most {}",
                                                      p.dp_shard_size(), p.dp_replicate_size(), ranks, mostRanks));
}

Status resolveParallelism(Recipe &r, const Checker &check) {
  if (!r.has_parallelism())
    return Status();
  recipe::Parallelism &p = *r.mutable_parallelism();
  FT_DEFAULT(p, strategy, recipe::Strategy::DDP);
  if (p.has_shard_frozen() && p.strategy() == recipe::Strategy::DDP)
    return check.error("parallelism.shard_frozen", "is " + recipe::ShardFrozen::Mode_Name(p.shard_frozen()) +
                                                       "; strategy DDP shards nothing: leave it out");
  if (p.has_shard_frozen() && !r.has_lora())
    return check.error("parallelism.shard_frozen",
                       "is " + recipe::ShardFrozen::Mode_Name(p.shard_frozen()) +
                           "; without lora nothing is frozen, and the strategy says what is split: leave it out");
  if (r.has_lora() && p.strategy() != recipe::Strategy::DDP)
    FT_DEFAULT(p, shard_frozen, recipe::ShardFrozen::AUTO);
  if (p.has_reduce_dtype() && (r.has_lora() || r.precision() != recipe::Precision::BF16_MIXED))
    return check.error("parallelism.reduce_dtype",
                       "is set; only gradients of full fine-tuning in BF16_MIXED leave a choice: leave it out");
  if (!r.has_lora() && r.precision() == recipe::Precision::BF16_MIXED)
    FT_DEFAULT(p, reduce_dtype, recipe::StateDtype::F32);
  return resolveRanks(p, check);
}

/// Rows of a step are left to be divided.
Status resolveOpenRows(Recipe &r, const Checker &check) {
  if (!r.has_global_batch_size() || r.has_gradient_accumulation_steps())
    return check.error("micro_batch_size", "is AUTO, which divides global_batch_size: set that, and leave "
                                           "gradient_accumulation_steps out");
  if (r.global_batch_size() == 0 || r.global_batch_size() % ranksOf(r) != 0)
    return check.error("global_batch_size", fmt::format("is {}; must be a positive multiple of the ranks, which are {}",
                                                        r.global_batch_size(), ranksOf(r)));
  return Status();
}

/// Rows of a micro-batch and of a step.
Status resolveRows(Recipe &r, const Checker &check) {
  if (r.micro_batch_size() == recipe::MicroBatchSize::AUTO)
    return resolveOpenRows(r, check);
  FT_RETURN_IF_ERROR(check.range("micro_batch_size", int(r.micro_batch_size()),
                                 r.micro_batch_size() >= 1 && r.micro_batch_size() <= 65536, "[1, 65536], or AUTO"));
  if (r.has_global_batch_size()) {
    if (r.has_gradient_accumulation_steps())
      return check.error("global_batch_size", "and gradient_accumulation_steps are both set; leave one out");
    const uint64_t rows = static_cast<uint64_t>(r.micro_batch_size()) * ranksOf(r);
    if (r.global_batch_size() == 0 || r.global_batch_size() % rows != 0)
      return check.error("global_batch_size",
                         fmt::format("is {}; must be a positive multiple of micro_batch_size, which is {}{}",
                                     r.global_batch_size(), int(r.micro_batch_size()),
                                     ranksOf(r) > 1 ? fmt::format(", on each of {} ranks", ranksOf(r)) : ""));
    r.set_gradient_accumulation_steps(r.global_batch_size() / rows);
    r.clear_global_batch_size();
  }
  FT_DEFAULT(r, gradient_accumulation_steps, 1);
  FT_RETURN_IF_ERROR(check.integer("gradient_accumulation_steps", r.gradient_accumulation_steps(), 1, 65536));
  if (r.gradient_accumulation_steps() > 1 && r.parallelism().reduce_dtype() == recipe::StateDtype::BF16)
    return check.error("parallelism.reduce_dtype",
                       fmt::format("is BF16, and gradient_accumulation_steps {}: sums of micro-batches stay in F32; "
                                   "use F32, or one micro-batch a step",
                                   r.gradient_accumulation_steps()));
  return Status();
}

/// Bounds on the targets of a micro-batch. One that is above its tokens is none, and no error: other rows may be tried.
Status resolveTargetBounds(Recipe &r, const Checker &check) {
  constexpr uint64_t most = uint64_t(1) << 30;
  if (r.has_max_target_tokens()) {
    FT_RETURN_IF_ERROR(check.integer("max_target_tokens", r.max_target_tokens(), 1, most));
    FT_DEFAULT(r, max_eval_target_tokens, r.max_target_tokens());
  }
  return r.has_max_eval_target_tokens() ? check.integer("max_eval_target_tokens", r.max_eval_target_tokens(), 1, most)
                                        : Status();
}

Status resolveBatch(Recipe &r, const Checker &check) {
  FT_RETURN_IF_ERROR(check.range("sequence_len", r.sequence_len(),
                                 r.sequence_len() >= 8 && r.sequence_len() <= 1048576 && r.sequence_len() % 8 == 0,
                                 "[8, 1048576], a multiple of 8"));
  FT_RETURN_IF_ERROR(resolveRows(r, check));
  FT_RETURN_IF_ERROR(resolveTargetBounds(r, check));
  FT_DEFAULT(r, packing, true);
  FT_DEFAULT(r, max_document_len, r.sequence_len());
  FT_RETURN_IF_ERROR(check.integer("max_document_len", r.max_document_len(), 8, r.sequence_len()));
  FT_DEFAULT(r, max_documents_per_row, r.packing() ? std::max<uint64_t>(1, r.sequence_len() / 64) : 1);
  FT_RETURN_IF_ERROR(check.integer("max_documents_per_row", r.max_documents_per_row(), 1, r.sequence_len()));
  if (!r.packing() && r.max_documents_per_row() != 1)
    return check.error("max_documents_per_row",
                       fmt::format("is {}; without packing a row holds one sample", r.max_documents_per_row()));
  // As the packer covers rows: padding lies in documents as well.
  if (r.max_documents_per_row() * r.max_document_len() < r.sequence_len())
    return check.error("max_document_len",
                       fmt::format("is {}, and with max_documents_per_row {} covers {} tokens of a row; must cover "
                                   "sequence_len {}: {}",
                                   r.max_document_len(), r.max_documents_per_row(),
                                   r.max_documents_per_row() * r.max_document_len(), r.sequence_len(),
                                   r.packing() ? fmt::format("set max_documents_per_row to at least {}",
                                                             (r.sequence_len() - 1) / r.max_document_len() + 1)
                                               : "leave it out, or set packing: true"));
  return Status();
}

Status resolveLora(recipe::Lora &lora, const Checker &check) {
  FT_DEFAULT(lora, r, 8);
  FT_DEFAULT(lora, lora_alpha, 8);
  FT_DEFAULT(lora, lora_dropout, 0);
  FT_RETURN_IF_ERROR(check.integer("lora.r", lora.r(), 1, 1024));
  FT_RETURN_IF_ERROR(check.range("lora.lora_alpha", lora.lora_alpha(),
                                 lora.lora_alpha() > 0 && lora.lora_alpha() <= 65536, "(0, 65536]"));
  FT_RETURN_IF_ERROR(check.range("lora.lora_dropout", lora.lora_dropout(),
                                 lora.lora_dropout() >= 0 && lora.lora_dropout() < 1, "[0, 1)"));
  return Status();
}

bool isBf16(const Recipe &r) {
  return r.precision() == recipe::Precision::BF16_TRUE || r.precision() == recipe::Precision::BF16_MIXED;
}

Status resolveOptimizer(Recipe &r, const Checker &check) {
  FT_DEFAULT(r, optim, recipe::Optimizer::ADAMW);
  FT_DEFAULT(r, adam_beta1, 0.9);
  const bool lion = r.optim() == recipe::Optimizer::LION;
  if (lion && r.has_adam_epsilon())
    return check.error("adam_epsilon", "is set and optim is LION, which divides by nothing; leave it out");
  FT_DEFAULT(r, adam_beta2, lion ? 0.99 : 0.999);
  if (!lion)
    FT_DEFAULT(r, adam_epsilon, 1e-8);
  FT_DEFAULT(r, sgd_momentum, 0);
  FT_DEFAULT(r, weight_decay, 0);
  FT_DEFAULT(r, weight_decay_norms, false);
  FT_DEFAULT(r, optimizer_state_dtype, recipe::StateDtype::F32);
  FT_DEFAULT(r, master_dtype, recipe::MasterDtype::F32);
  FT_DEFAULT(r, max_grad_norm, 1.0);
  auto unit = [](double v) { return v >= 0 && v < 1; };
  FT_RETURN_IF_ERROR(check.range("adam_beta1", r.adam_beta1(), unit(r.adam_beta1()), "[0, 1)"));
  FT_RETURN_IF_ERROR(check.range("adam_beta2", r.adam_beta2(), unit(r.adam_beta2()), "[0, 1)"));
  // Below the smallest normal f32 the update of a weight without gradient would be 0 / 0.
  if (!lion)
    FT_RETURN_IF_ERROR(check.range("adam_epsilon", r.adam_epsilon(), r.adam_epsilon() >= 1e-37 && r.adam_epsilon() <= 1,
                                   "[1e-37, 1]"));
  FT_RETURN_IF_ERROR(check.range("sgd_momentum", r.sgd_momentum(), unit(r.sgd_momentum()), "[0, 1)"));
  FT_RETURN_IF_ERROR(
      check.range("weight_decay", r.weight_decay(), r.weight_decay() >= 0 && r.weight_decay() <= 1, "[0, 1]"));
  FT_RETURN_IF_ERROR(
      check.range("max_grad_norm", r.max_grad_norm(), r.max_grad_norm() >= 0 && r.max_grad_norm() <= 1e9, "[0, 1e9]"));
  if (r.sgd_momentum() > 0 && r.optim() != recipe::Optimizer::SGD)
    return check.error("sgd_momentum", fmt::format("is set but optim is {}; set optim: SGD or leave it out",
                                                   recipe::Optimizer::Kind_Name(r.optim())));
  if (r.optimizer_state_dtype() == recipe::StateDtype::BF16 && (r.has_lora() || !isBf16(r)))
    return check.error("optimizer_state_dtype",
                       "is BF16, which is for full fine-tuning in BF16_TRUE or BF16_MIXED; use F32");
  if (r.optimizer_state_dtype() == recipe::StateDtype::INT8) {
    if (r.optim() == recipe::Optimizer::SGD)
      return check.error("optimizer_state_dtype", "is INT8, which is for optim ADAMW or LION; use F32");
    if (r.precision() == recipe::Precision::FP64_TRUE)
      return check.error("optimizer_state_dtype", "is INT8, which is for all precisions but FP64_TRUE; use F32");
  }
  if (r.master_dtype() == recipe::MasterDtype::BF16_REMAINDER) {
    if (r.has_lora() || r.precision() != recipe::Precision::BF16_MIXED)
      return check.error("master_dtype", "is BF16_REMAINDER, which is for full fine-tuning in BF16_MIXED; use F32");
    if (r.optim() == recipe::Optimizer::SGD)
      return check.error("master_dtype", "is BF16_REMAINDER, which is for optim ADAMW or LION; use F32");
  }
  return Status();
}

Status resolveOffload(Recipe &r, const Checker &check) {
  if (!r.has_offload_optimizer())
    return Status();
  recipe::OffloadOptimizer &offload = *r.mutable_offload_optimizer();
  FT_RETURN_IF_ERROR(check.required("offload_optimizer.device", offload.has_device(), "device: CPU"));
  FT_DEFAULT(offload, pin_memory, true);
  const double fraction = offload.fraction();
  return check.range("offload_optimizer.fraction", fraction, fraction >= 0 && fraction <= 1, "[0, 1]");
}

Status resolveSchedule(Recipe &r, const Checker &check) {
  FT_DEFAULT(r, lr_scheduler_type, recipe::Scheduler::LINEAR);
  FT_DEFAULT(r, warmup_steps, 0);
  FT_DEFAULT(r, warmup_ratio, 0);
  FT_DEFAULT(r, num_epochs, 3);
  FT_DEFAULT(r, seed, 42);
  FT_DEFAULT(r, logging_steps, 1);
  FT_RETURN_IF_ERROR(
      check.range("learning_rate", r.learning_rate(), r.learning_rate() > 0 && r.learning_rate() <= 10, "(0, 10]"));
  FT_RETURN_IF_ERROR(check.integer("warmup_steps", r.warmup_steps(), 0, 1000000000));
  FT_RETURN_IF_ERROR(
      check.range("warmup_ratio", r.warmup_ratio(), r.warmup_ratio() >= 0 && r.warmup_ratio() <= 1, "[0, 1]"));
  FT_RETURN_IF_ERROR(
      check.range("num_epochs", r.num_epochs(), r.num_epochs() > 0 && r.num_epochs() <= 10000, "(0, 10000]"));
  if (r.has_max_steps())
    FT_RETURN_IF_ERROR(check.integer("max_steps", r.max_steps(), 1, 1000000000));
  FT_RETURN_IF_ERROR(check.integer("logging_steps", r.logging_steps(), 1, 1000000000));
  if (r.has_eval_steps())
    FT_RETURN_IF_ERROR(check.integer("eval_steps", r.eval_steps(), 1, 1000000000));
  return Status();
}

/// Checkpoints: when one is made, and which are kept.
Status resolveSaving(Recipe &r, const Checker &check) {
  FT_DEFAULT(r, save_on_signal, r.has_save_steps());
  if (r.has_save_steps())
    FT_RETURN_IF_ERROR(check.integer("save_steps", r.save_steps(), 1, 1000000000));
  if (r.has_save_total_limit()) {
    FT_RETURN_IF_ERROR(check.integer("save_total_limit", r.save_total_limit(), 1, 1000000000));
    if (!r.has_save_steps())
      return check.error("save_total_limit", "is set, and save_steps is not; set it, or leave the limit out");
  }
  FT_DEFAULT(r, metric_for_best_model, "eval_loss");
  if (r.metric_for_best_model() != "eval_loss")
    return check.error("metric_for_best_model", fmt::format("is \"{}\"; must be eval_loss", r.metric_for_best_model()));
  FT_DEFAULT(r, load_best_model_at_end, false);
  if (!r.load_best_model_at_end())
    return Status();
  if (!r.has_save_steps() || !r.has_eval_steps() || r.save_steps() % r.eval_steps() != 0)
    return check.error("load_best_model_at_end",
                       fmt::format("is set with save_steps {} and eval_steps {}; save_steps must be a multiple of "
                                   "eval_steps, so that each checkpoint has a held-out loss",
                                   r.has_save_steps() ? std::to_string(r.save_steps()) : "absent",
                                   r.has_eval_steps() ? std::to_string(r.eval_steps()) : "absent"));
  if (r.val_set_size() == 0 && r.data().eval().empty())
    return check.error("load_best_model_at_end", "is set without held-out data; set data.eval or val_set_size");
  return Status();
}

Status checkSource(const std::string &field, const std::string &source, const Checker &check) {
  if (source.rfind(rt::SyntheticSource::prefix, 0) != 0 || rt::SyntheticSource::parse(source))
    return Status();
  return check.error(field, fmt::format("is {}; must be a path, or {}", source, rt::SyntheticSource::form));
}

Status checkSources(const std::string &field, const google::protobuf::RepeatedPtrField<std::string> &sources,
                    const Checker &check) {
  for (const std::string &source : sources) {
    FT_RETURN_IF_ERROR(checkSource(field, source, check));
    if (source.empty())
      return check.error(field, "names a file without a name; must be a path, or synthetic:SEED");
    if (sources.size() > 1 && source.rfind("synthetic:", 0) == 0)
      return check.error(field, fmt::format("has {} beside other data; leave one out", source));
  }
  return Status();
}

Status checkTemplate(const Recipe &r, const Checker &check) {
  const std::string &name = r.template_();
  constexpr std::string_view known[] = {"model", "chatml", "alpaca"};
  const bool file = name.find_first_of("./") != std::string::npos;
  if (r.has_template_() && !file && std::find(std::begin(known), std::end(known), name) == std::end(known))
    return check.error("template", fmt::format("is {}; must be model, chatml, alpaca or a file (with a '.' or '/' in "
                                               "its name){}",
                                               name, rt::suggestion(name, std::span<const std::string_view>(known))));
  if (!r.system_prompt().empty() && name == "alpaca")
    return check.error("system_prompt", "is set, and template alpaca has no system turn; use template: \"chatml\", or "
                                        "leave system_prompt out");
  for (const std::string &variable : r.template_variables())
    if (const size_t equals = variable.find('='); equals == std::string::npos || equals == 0)
      return check.error("template_variables", fmt::format("has {}; must be NAME=VALUE", variable));
  return Status();
}

Status resolveText(Recipe &r, const Checker &check) {
  FT_DEFAULT(r, train_on_prompt, false);
  FT_DEFAULT(r, val_set_size, 0);
  FT_RETURN_IF_ERROR(checkTemplate(r, check));
  FT_RETURN_IF_ERROR(
      check.range("val_set_size", r.val_set_size(), r.val_set_size() >= 0 && r.val_set_size() <= 0.5, "[0, 0.5]"));
  FT_RETURN_IF_ERROR(checkSources("data.train", r.data().train(), check));
  FT_RETURN_IF_ERROR(checkSources("data.eval", r.data().eval(), check));
  if (r.has_generate()) {
    FT_DEFAULT(*r.mutable_generate(), max_new_tokens, 128);
    FT_RETURN_IF_ERROR(check.integer("generate.max_new_tokens", r.generate().max_new_tokens(), 1, 65536));
  }
  return Status();
}

} // namespace

uint64_t ft::ranksOf(const Recipe &r) {
  const recipe::Parallelism &p = r.parallelism();
  return std::max<uint64_t>(p.dp_replicate_size(), 1) * std::max<uint64_t>(p.dp_shard_size(), 1);
}

uint64_t ft::memoryBudgetOf(const Recipe &r) {
  return r.has_memory_budget() ? parseByteSize(r.memory_budget()).value_or(0) : 0;
}

Status ft::resolveRecipe(Recipe &r, const FieldPlaces &places, const std::string &file) {
  Checker check(places, file);
  FT_RETURN_IF_ERROR(checkValues(r, "", check));
  FT_RETURN_IF_ERROR(checkRequired(r, check));
  FT_RETURN_IF_ERROR(checkUnsupported(r, check));
  FT_DEFAULT(r, target, "cpu");
  FT_DEFAULT(r, allow_tf32, false);
  FT_DEFAULT(r, deterministic, recipe::Deterministic::AUTO);
  FT_RETURN_IF_ERROR(resolveMemory(r, check));
  FT_RETURN_IF_ERROR(resolveQuantization(r, check));
  FT_RETURN_IF_ERROR(resolveParallelism(r, check));
  FT_RETURN_IF_ERROR(resolveBatch(r, check));
  if (r.has_lora())
    FT_RETURN_IF_ERROR(resolveLora(*r.mutable_lora(), check));
  FT_RETURN_IF_ERROR(resolveOptimizer(r, check));
  FT_RETURN_IF_ERROR(resolveOffload(r, check));
  FT_RETURN_IF_ERROR(resolveSchedule(r, check));
  FT_RETURN_IF_ERROR(resolveText(r, check));
  return resolveSaving(r, check);
}

Status ft::resolveTargets(LoadedRecipe &recipe, const AdapterTargets &model) {
  if (!recipe.fields.has_lora())
    return Status();
  Checker check(recipe.written.places, recipe.written.path);
  auto &targets = *recipe.fields.mutable_lora()->mutable_target_modules();
  if (targets.empty())
    targets.Assign(model.defaults.begin(), model.defaults.end());
  if (targets.size() == 1 && targets[0] == "all-linear")
    targets.Assign(model.linears.begin(), model.linears.end());
  for (auto name = targets.begin(); name != targets.end(); ++name) {
    if (std::find(model.linears.begin(), model.linears.end(), *name) == model.linears.end())
      return check.error("lora.target_modules",
                         fmt::format("names {}; must be of {}, or all-linear alone{}", *name,
                                     fmt::join(model.linears, ", "),
                                     rt::suggestion(*name, std::span<const std::string>(model.linears))));
    if (std::find(targets.begin(), name, *name) != name)
      return check.error("lora.target_modules", fmt::format("names {} twice", *name));
  }
  return Status();
}
