// What plans are made from: read once, planned from as often as a search wants.
#pragma once

#include "compiler/Import/ModelConfig.h"
#include "compiler/Layout/Layout.h"
#include "compiler/Model/RecomputePolicy.h"
#include "compiler/Recipe/Recipe.h"
#include "compiler/Recipe/TargetFile.h"

#include <optional>

namespace ft {

/// The command line of ftc.
struct CompileRequest {
  std::string recipePath;
  std::vector<std::string> overrides; ///< "lora.r=16"
  std::string gpu;                    ///< a target's name; empty: the recipe's
  std::string loraForm = "auto";      ///< "folded", "unfolded", or "auto": what pays on the target
  int64_t headLanes = 0;          ///< elements of a head in memory; 0: head_dim, or what the target's attention takes
  std::string park = "auto";      ///< "nothing", "inputs", "stream" (Park), or "auto": what the recipe says
  std::string gradients = "auto"; ///< of buckets on the host: "stay" on the device, "leave", or "auto": what pays
  int64_t mostExchangedBytes = defaultExchangedBytes; ///< LayoutOptions
  std::string hostMemory; ///< "256GiB" of each host, as parseByteSize() reads it; empty: what the target file says
  std::string recipesFolder;
  std::string planFolder = "."; ///< where -o lies: data paths are stored relative to it
  std::string dumpDir;          ///< if not empty: numbered IR after each phase
};

/// Everything that a plan depends on and the compiler does not choose (Choices.h).
struct Inputs {
  LoadedRecipe recipe; ///< of `target`, with the names of the model's linears
  recipe::TargetSpec target;
  ModelConfig model;
  std::string planFolder = ".";
  std::optional<bool> foldAdapters;                   ///< asked for on the command line
  std::optional<int64_t> headLanes;                   ///< the same
  std::optional<Park> park;                           ///< the same
  int64_t mostExchangedBytes = defaultExchangedBytes; ///< the same, of LayoutOptions
  std::optional<bool> gradientsLeave; ///< the same, of buckets on the host where a step is one micro-batch
};

/// Reads recipe, target and model configuration. BadInput where one cannot be read or is wrong, CannotRun for what the
/// target has no instructions or no libraries for.
rt::Expected<Inputs> loadInputs(const CompileRequest &request);

/// Bytes that a plan may need: of the target, or what the recipe allows of it; 0: not known.
uint64_t memoryOf(const Inputs &inputs);

/// The inputs with other fields of the recipe ("lora.r=16"), but base_model and target; no file is read. Refuses what
/// loadInputs refuses.
rt::Expected<Inputs> withOverrides(const Inputs &inputs, const std::vector<std::string> &overrides);

} // namespace ft
