// PEFT adapters as a starting point: adapter_config.json and adapter_model.safetensors.
#pragma once

#include "runtime/Support/Sha256.h"
#include "runtime/Weights/Safetensors.h"
#include "runtime/Weights/TensorSource.h"

namespace ft::rt {

/// A folder that PEFT, or a finished run, wrote.
class AdapterSource final : public TensorSource {
public:
  /// Compares adapter_config.json field by field with the text of that name in the plan (rank, alpha and everything
  /// else that changes what the tensors mean; not dropout, names or task), and the tensors by name, shape and type with
  /// the plan's export of adapter_model.safetensors: missing and extra ones are problems, named with the config's
  /// target modules where those differ too. All differences are in one BadInput message.
  static Expected<AdapterSource> open(const std::string &folder, const plan::Plan &plan);

  Producer producer(int index, const plan::Tensor &tensor) const override;
  /// Of all its tensors.
  Sha256Digest digest() const;
  std::string fileOf(int index) const override { return views.count(index) > 0 ? file.path() : ""; }

private:
  explicit AdapterSource(SafetensorsFile file) : file(std::move(file)) {}
  Status match(const plan::Plan &plan, const plan::ExportFile &exported, std::vector<std::string> &problems);

  SafetensorsFile file;
  std::map<int, const TensorView *> views; ///< by index of Plan.tensors
};

} // namespace ft::rt
