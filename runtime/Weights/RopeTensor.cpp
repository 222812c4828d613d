#include "runtime/Weights/RopeTensor.h"

#include "runtime/Config/Rope.h"
#include "runtime/Weights/Convert.h"

#include <cmath>
#include <fmt/format.h>

namespace ft::rt {

namespace {

/// The facts of the plan's rope, by their keys (runtime/Config/ModelFacts.cpp).
struct RopeFacts {
  Rope rope;
  int64_t headDim = 0;

  explicit RopeFacts(const plan::Plan &plan) {
    for (const plan::ModelFact &fact : plan.facts())
      take(fact.config_key(), fact);
  }

  void take(const std::string &key, const plan::ModelFact &fact) {
    if (key == "rope_scaling.rope_type" && fact.text() == ropeTypeName(Rope::Type::Llama3))
      rope.type = Rope::Type::Llama3;
    else if (key == "rope_scaling.factor")
      rope.factor = fact.real();
    else if (key == "rope_scaling.low_freq_factor")
      rope.lowFrequency = fact.real();
    else if (key == "rope_scaling.high_freq_factor")
      rope.highFrequency = fact.real();
    else if (key == "rope_scaling.original_max_position_embeddings")
      rope.originalPositions = fact.integer();
    else if (key == "rope_theta")
      rope.theta = fact.real();
    else if (key == "head_dim")
      headDim = fact.integer();
  }

  /// Empty: by nothing.
  std::vector<double> divisors() const {
    if (rope.type != Rope::Type::Llama3)
      return {};
    Rope plain;
    plain.theta = rope.theta;
    std::vector<double> divisors = ropeFrequencies(plain, headDim);
    const std::vector<double> scaled = ropeFrequencies(rope, headDim);
    for (size_t i = 0; i < divisors.size(); ++i)
      divisors[i] /= scaled[i];
    return divisors;
  }
};

} // namespace

void compareRopeTensor(const plan::Plan &plan, const std::string &path, const TensorView *view,
                       std::vector<std::string> &problems) {
  constexpr double tolerance = 1e-4; // the converter's f32, in the ramp between fast and slow
  const std::vector<double> expected = RopeFacts(plan).divisors();
  const std::string place = fmt::format("{}: tensor \"{}\"", path, ropeTensor);
  if (!view) {
    if (!expected.empty())
      problems.push_back(place + " is missing: the plan's rotary embeddings are scaled as Llama 3's");
    return;
  }
  if (expected.empty()) {
    problems.push_back(place + " is not in the plan: it scales rotary embeddings, and the plan's are not scaled so");
    return;
  }
  std::vector<float> divisors(elementCount(view->shape));
  if (divisors.size() != expected.size() || !isConvertible(view->encoding, plan::F32)) {
    problems.push_back(fmt::format("{} has {} elements of {}; the plan's rotary embeddings have {} frequencies", place,
                                   divisors.size(), encodingName(view->encoding), expected.size()));
    return;
  }
  convertElements(*view, 0, divisors.size(), plan::F32, reinterpret_cast<std::byte *>(divisors.data()));
  for (size_t i = 0; i < expected.size(); ++i)
    if (!(std::abs(divisors[i] - expected[i]) <= tolerance * expected[i])) {
      problems.push_back(fmt::format("{} divides frequency {} by {}; the plan was compiled for {}", place, i,
                                     divisors[i], expected[i]));
      return;
    }
}

} // namespace ft::rt
