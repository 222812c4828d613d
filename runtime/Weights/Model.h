// A model's tensors, from a Hugging Face folder, a .safetensors file, a GGUF file, or a seed.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Weights/FillQuantized.h"
#include "runtime/Weights/GgufSet.h"
#include "runtime/Weights/ModelPath.h"
#include "runtime/Weights/Safetensors.h"

#include <optional>

namespace ft::rt {

/// Opened once, then read-only. Producers that it gives point into its mappings: it must outlive them and must not be
/// moved while they are used.
class ModelSource {
public:
  /// `named`: a folder with model.safetensors or an index, a .safetensors file, a .gguf file or the first part of one,
  /// a model of the Hub's cache ("owner/name@revision"), or "seeded:SEED" with a decimal u64. Fails with BadInput where
  /// there is nothing of the kind, or where a file is malformed.
  static Expected<ModelSource> open(const std::string &named);

  const std::string &path() const { return source.path; }
  /// How others find the model: its name on the Hub, else path().
  const std::string &name() const { return source.hub ? source.hub->id : source.path; }
  bool isOfHub() const { return source.hub.has_value(); }
  /// The files hold a model of text and images, of which the text part alone is taken: its tensors have the names here
  /// that they have in a language model.
  bool isTextPart() const { return textTensors.has_value(); }
  bool isSeeded() const { return seedValue.has_value(); }
  uint64_t seed() const { return seedValue.value_or(0); }
  /// Null unless the source is a GGUF model: the file whose metadata holds the tokenizer.
  const GgufFile *gguf() const { return ggufSet ? &ggufSet->first() : nullptr; }
  /// The folder that holds config.json and tokenizer files; empty for seeds and GGUF files.
  std::string folder() const;

  /// Reads config.json or the GGUF metadata as the compiler does, refusing what it would refuse, and compares the model
  /// with the plan: facts, and every FROZEN and TRAINABLE tensor by name, shape and type; tensors that the plan does
  /// not know are problems too, but for those that Hugging Face checkpoints are known to carry along (rotary inv_freq;
  /// a tied head that equals the embedding). Reports all differences in one message. A seed always agrees.
  Status check(const plan::Plan &plan) const;
  /// "FILE: tensor \"x\"", for messages.
  std::string place(const plan::Tensor &tensor) const;
  /// What fills a FROZEN or TRAINABLE tensor. Requires check().
  Expected<Producer> producer(const plan::Tensor &tensor) const { return numbers(tensor, tensor.dtype()); }
  /// The numbers of such a tensor, as `dtype`.
  Expected<Producer> numbers(const plan::Tensor &tensor, plan::DType dtype) const;
  /// The same of a quantised one: from numbers of any type, or from a checkpoint that is in the plan's format.
  Expected<QuantizedFill> quantized(const plan::Tensor &tensor) const;

  /// The encoding of the first tensor that the file holds quantised and the plan quantises again; empty where none is.
  std::string quantizedTwice(const plan::Plan &plan) const;

  /// SHA-256 over, per file in name order: size, header, and the first and last 64 bytes of every tensor. Takes
  /// milliseconds; tells checkpoints of one architecture apart unless they were made to collide.
  Sha256Digest digest() const;
  /// What each tensor has in the files, in the order of their names; nothing of a seed.
  std::vector<std::span<const std::byte>> bytesOfTensors() const;

private:
  static Expected<ModelSource> openFiles(ModelPath path);
  const TensorIndex &tensors() const {
    return ggufSet ? ggufSet->tensors() : textTensors ? *textTensors : safetensors->tensors();
  }
  Status checkConfig(const plan::Plan &plan, std::vector<std::string> &differences) const;
  std::vector<std::string> compareTensors(const plan::Plan &plan, std::vector<std::string> &problems) const;
  std::string extraProblem(const std::string &name, const TensorInFile &entry) const;
  const std::string &nameOf(const plan::Tensor &tensor) const;
  /// The tensor of the files that has this name.
  const TensorView *find(std::string_view name) const;
  std::optional<std::string> problemOf(const TensorView &view, const plan::Tensor &tensor) const;

  ModelPath source;
  std::optional<uint64_t> seedValue; ///< or one of these
  std::optional<GgufSet> ggufSet;
  std::optional<SafetensorsSet> safetensors;
  std::optional<TensorIndex> textTensors; ///< of `safetensors`
};

/// How many problems are told one by one; the others are counted.
inline constexpr size_t shownProblems = 20;
/// "WHAT does not fit the plan: 2 problems", then one a line; ok where there is none.
Status problemsStatus(const std::string &what, const std::vector<std::string> &problems);
/// Whether `view` can fill `tensor`; else what differs.
std::optional<std::string> shapeOrTypeProblem(const TensorView &view, const plan::Tensor &tensor);

} // namespace ft::rt
