// Which strategies, and which places of transposed codes, a recipe leaves to choose from.
#include "compiler/Pipeline/Choices.h"

using namespace ft;
using recipe::Recipe;
using recipe::ShardFrozen;

const char *ft::strategyName(const Choices &choices) {
  switch (choices.strategy) {
  case Strategy::Ddp:
    return "DDP";
  case Strategy::Zero1:
    return "ZERO1";
  case Strategy::Zero2:
    return "ZERO2";
  case Strategy::Fsdp:
    return choices.mesh.axes().size() > 1 ? "HSDP" : "FSDP";
  }
  return "";
}

static std::vector<Strategy> strategiesOf(const Recipe &r) {
  switch (r.parallelism().strategy()) {
  case recipe::Strategy::AUTO:
    return {Strategy::Ddp, Strategy::Zero1, Strategy::Zero2, Strategy::Fsdp};
  case recipe::Strategy::ZERO1:
    return {Strategy::Zero1};
  case recipe::Strategy::ZERO2:
    return {Strategy::Zero2};
  case recipe::Strategy::ZERO3:
  case recipe::Strategy::FSDP:
  case recipe::Strategy::HSDP:
    return {Strategy::Fsdp};
  default:
    return {Strategy::Ddp};
  }
}

/// Whether frozen weights are split; in this order.
static std::vector<bool> frozenOf(const Recipe &r) {
  if (!r.has_lora() || r.parallelism().strategy() == recipe::Strategy::DDP)
    return {false};
  switch (r.parallelism().shard_frozen()) {
  case ShardFrozen::TRUE:
    return {true};
  case ShardFrozen::AUTO:
    return {false, true};
  default:
    return {false};
  }
}

std::vector<Choices> ft::splitsToTry(const Inputs &inputs, const Choices &choices) {
  const Recipe &r = inputs.recipe.fields;
  if (r.parallelism().dp_shard_size() <= 1) // there is nobody to share with
    return {choices};
  std::vector<Choices> all;
  for (const bool splitFrozen : frozenOf(r))
    for (const Strategy strategy : strategiesOf(r)) {
      Choices &next = all.emplace_back(choices);
      next.strategy = strategy;
      next.splitFrozen = splitFrozen;
      const bool splits = strategy != Strategy::Ddp || splitFrozen;
      next.mesh.shard = splits ? static_cast<int64_t>(r.parallelism().dp_shard_size()) : 0;
    }
  return all;
}

/// A machine whose memory nobody knows is not filled for speed.
std::vector<Choices> ft::transposesToTry(const Inputs &inputs, const Choices &choices) {
  if (!choices.multiplyCodes)
    return {choices};
  std::vector<Choices> all;
  const auto asked = inputs.recipe.fields.quantization().resident_transposes();
  for (const bool keep : {true, false}) {
    const bool excluded = asked == (keep ? recipe::ResidentTransposes::FALSE : recipe::ResidentTransposes::TRUE);
    const bool unknown = keep && asked == recipe::ResidentTransposes::AUTO && memoryOf(inputs) == 0;
    if (excluded || unknown)
      continue;
    all.push_back(choices);
    all.back().keepTransposes = keep;
  }
  return all;
}

void ft::setSplit(const Choices &choices, recipe::Parallelism &parallelism) {
  if (parallelism.strategy() != recipe::Strategy::AUTO)
    return;
  const uint64_t ranks = static_cast<uint64_t>(choices.mesh.dp);
  if (choices.strategy == Strategy::Ddp && !choices.splitFrozen) {
    parallelism.set_strategy(recipe::Strategy::DDP);
    parallelism.set_dp_replicate_size(ranks);
    parallelism.clear_dp_shard_size();
    parallelism.clear_shard_frozen();
    return;
  }
  if (choices.strategy == Strategy::Ddp || (choices.mesh.axes().size() > 1 && choices.strategy != Strategy::Fsdp))
    return; // no other name asks for that
  recipe::Strategy::Kind kind = recipe::Strategy::UNSPECIFIED;
  recipe::Strategy::Kind_Parse(strategyName(choices), &kind);
  parallelism.set_strategy(kind);
  if (kind != recipe::Strategy::HSDP)
    parallelism.clear_dp_replicate_size();
}
