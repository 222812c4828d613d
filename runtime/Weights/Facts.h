// Compares what a plan was compiled for (plan::ModelFact) with what a model says of itself.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Weights/Gguf.h"
#include "runtime/Weights/Json.h"

namespace ft::rt {

/// One line per difference: place, field, the model's value, the plan's. A key that config.json lacks at its root is
/// also looked up in "rope_parameters", where Transformers 5 writes it. Real numbers must be equal as doubles.
void checkConfigFacts(const plan::Plan &plan, const Json &config, const std::string &place,
                      std::vector<std::string> &problems);
/// The same for GGUF metadata; facts without a gguf_key are skipped. Reals are compared as f32, which GGUF stores.
void checkGgufFacts(const plan::Plan &plan, const GgufFile &file, std::vector<std::string> &problems);

} // namespace ft::rt
