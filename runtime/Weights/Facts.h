// Compares what a plan was compiled for (plan::ModelFact) with what a model says of itself.
#pragma once

#include "runtime/Config/ModelConfig.h"
#include "runtime/Plan/plan.pb.h"
#include "runtime/Weights/Gguf.h"

namespace ft::rt {

/// What a fact is compared with: a config.json or the metadata of a GGUF file.
enum class ConfigFormat : uint8_t { Json, Gguf };

/// One line per difference between the plan's facts and `has`: place, field in the format's name, the model's value,
/// the plan's. Real numbers must be equal as doubles, those of GGUF as f32, which it stores.
void compareFacts(const plan::Plan &plan, const ModelConfig &has, ConfigFormat format, const std::string &place,
                  std::vector<std::string> &problems);

/// The metadata as one object: numbers, flags, texts and short lists of numbers as they are, of others what they are.
Json metadataJson(const GgufFile &file);

} // namespace ft::rt
