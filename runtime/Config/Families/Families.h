// The families of models that are known, and what the files of each say differently. Internal to runtime/Config.
#pragma once

#include "runtime/Config/ModelFields.h"

#include <functional>

namespace ft::rt {

/// One family. Its tables come before those that all share: a field that is in both has the family's meaning.
struct ModelFamily {
  std::string_view modelType;               ///< `model_type` of config.json
  std::string_view architecture;            ///< of `architectures`: the causal language model
  std::string_view ggufArchitecture;        ///< `general.architecture`; empty: GGUF files of it are not read
  std::span<const Field> fields;            ///< of config.json
  void (*setDefaults)(ModelConfig &config); ///< what absent fields mean, where that is not a Llama's
  void (*readLayers)(FieldReader &fields, ModelConfig &config); ///< perLayer and what else only this family has
  void (*readGgufLayers)(FieldReader &fields, ModelConfig &config);
  bool hasLocalRope =
      false; ///< layers have windows and a rope of their own: rope_parameters may hold one object a type
  std::span<const Field> ggufFields = {}; ///< of GGUF metadata, behind the architecture's name and a dot
  double ggufNormOffset = 0;              ///< what GGUF files have added to the weights of norms
};

extern const ModelFamily gemma3Family, llamaFamily, mistralFamily, qwen2Family, qwen3Family, smolLm3Family;

/// Null where the name is of none.
const ModelFamily *familyOfModelType(std::string_view modelType);
/// Of families that share an architecture, the one that says least (a Mistral in GGUF is a Llama).
const ModelFamily *familyOfGguf(std::string_view architecture);

/// What the model's type must be, behind "must be ": the types that there are, and what this one would need.
std::string legalModelTypes(const Json &config);
std::string legalGgufArchitectures(std::string_view architecture);

//===-- for families --------------------------------------------------------------------------------------------===//

/// All layers alike.
void readEqualLayers(FieldReader &fields, ModelConfig &config);

/// `layer_types` where it is given, else what `slides(layer)` says: layers of "sliding_attention" see `window` keys (0:
/// there is no window, and none slides), those of "full_attention" all. Refuses other types and another number.
void readLayerTypes(FieldReader &fields, ModelConfig &config, int64_t window,
                    const std::function<bool(int64_t layer)> &slides);

/// `sliding_window` where `use_sliding_window` says true, else 0.
int64_t optionalWindow(FieldReader &fields, std::optional<int64_t> absent);

/// ModelFamily::readLayers of the Qwen families: such a window in the layers from `max_window_layers` on.
void readUpperWindows(FieldReader &fields, ModelConfig &config);

} // namespace ft::rt
