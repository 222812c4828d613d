// PEFT adapters as a starting point: adapter_config.json and adapter_model.safetensors.
#pragma once

#include "runtime/Weights/Fill.h"
#include "runtime/Weights/Safetensors.h"

namespace ft::rt {

/// A folder that PEFT, or a finished run, wrote. Producers point into its mapping: it must outlive them.
class AdapterSource {
public:
  /// Compares adapter_config.json field by field with the text of that name in the plan (rank, alpha and everything
  /// else that changes what the tensors mean; not dropout, names or task), and the tensors by name, shape and type with
  /// the plan's export of adapter_model.safetensors: missing and extra ones are problems, named with the config's
  /// target modules where those differ too. All differences are in one BadInput message.
  static Expected<AdapterSource> open(const std::string &folder, const plan::Plan &plan);

  /// What fills tensor `index` of the plan; empty where the adapter does not hold it.
  Producer producer(int index, const plan::Tensor &tensor) const;
  bool holds(int index) const { return views.count(index) > 0; }
  /// Of the tensors' file.
  const std::string &path() const { return file.path(); }

private:
  explicit AdapterSource(SafetensorsFile file) : file(std::move(file)) {}
  Status match(const plan::Plan &plan, const plan::ExportFile &exported, std::vector<std::string> &problems);

  SafetensorsFile file;
  std::map<int, const TensorView *> views; ///< by index of Plan.tensors
};

} // namespace ft::rt
