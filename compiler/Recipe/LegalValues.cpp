#include "compiler/Recipe/LegalValues.h"

#include "compiler/Recipe/Recipe.h"

#include <algorithm>
#include <string_view>

using namespace ft;
using google::protobuf::FieldDescriptor;

namespace {

struct Range {
  std::string_view field; ///< message and name
  std::string_view legal;
};
constexpr Range ranges[] = {
    {"Generate.max_new_tokens", "an integer in [1, 65536]"},
    {"Lora.lora_alpha", "a number in (0, 65536]"},
    {"Lora.lora_dropout", "a number in [0, 1)"},
    {"Lora.r", "an integer in [1, 1024]"},
    {"OffloadOptimizer.fraction", "a number in [0, 1]"},
    {"Parallelism.dp_replicate_size", "an integer in [1, 1024]"},
    {"Parallelism.dp_shard_size", "an integer in [1, 1024]"},
    {"Recipe.adam_beta1", "a number in [0, 1)"},
    {"Recipe.adam_beta2", "a number in [0, 1)"},
    {"Recipe.adam_epsilon", "a number in [1e-37, 1]"},
    {"Recipe.eval_steps", "an integer in [1, 1000000000]"},
    {"Recipe.global_batch_size", "a positive multiple of micro_batch_size and of the ranks"},
    {"Recipe.gradient_accumulation_steps", "an integer in [1, 65536]"},
    {"Recipe.learning_rate", "a number in (0, 10]"},
    {"Recipe.logging_steps", "an integer in [1, 1000000000]"},
    {"Recipe.max_document_len", "an integer in [8, sequence_len]"},
    {"Recipe.max_documents_per_row", "an integer in [1, sequence_len]"},
    {"Recipe.max_eval_target_tokens", "an integer in [1, 1073741824]"},
    {"Recipe.max_grad_norm", "a number in [0, 1e9]"},
    {"Recipe.max_steps", "an integer in [1, 1000000000]"},
    {"Recipe.max_target_tokens", "an integer in [1, 1073741824]"},
    {"Recipe.num_epochs", "a number in (0, 10000]"},
    {"Recipe.save_steps", "an integer in [1, 1000000000]"},
    {"Recipe.save_total_limit", "an integer in [1, 1000000000]"},
    {"Recipe.sequence_len", "an integer in [8, 1048576], a multiple of 8"},
    {"Recipe.sgd_momentum", "a number in [0, 1)"},
    {"Recipe.val_set_size", "a number in [0, 0.5]"},
    {"Recipe.warmup_ratio", "a number in [0, 1]"},
    {"Recipe.warmup_steps", "an integer in [0, 1000000000]"},
    {"Recipe.weight_decay", "a number in [0, 1]"},
};

std::string numberOr(const FieldDescriptor &field, std::string_view any) {
  const std::string name = field.containing_type()->name() + "." + field.name();
  const auto *found =
      std::find_if(std::begin(ranges), std::end(ranges), [&](const Range &range) { return range.field == name; });
  return std::string(found == std::end(ranges) ? any : found->legal);
}

} // namespace

std::string ft::legalValues(const FieldDescriptor &field) {
  switch (field.cpp_type()) {
  case FieldDescriptor::CPPTYPE_ENUM:
    return (field.name() == "micro_batch_size" ? "an integer in [1, 65536], or " : "one of ") +
           enumNames(*field.enum_type());
  case FieldDescriptor::CPPTYPE_UINT64:
    return numberOr(field, "an integer in [0, 2^64)");
  case FieldDescriptor::CPPTYPE_DOUBLE:
    return numberOr(field, "a number");
  case FieldDescriptor::CPPTYPE_BOOL:
    return "true or false";
  case FieldDescriptor::CPPTYPE_MESSAGE:
    return "{ … }, with fields of its own";
  default:
    return "text in quotes";
  }
}
