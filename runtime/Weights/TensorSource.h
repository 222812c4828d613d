// What stands for the model's or the initial values of some tensors of a plan.
#pragma once

#include "runtime/Weights/Fill.h"

namespace ft::rt {

/// An adapter, or a checkpoint: tensors that lie in files of their own. Producers point into their mappings: the source
/// must outlive them.
class TensorSource {
public:
  virtual ~TensorSource() = default;
  /// What fills tensor `index` of the plan; empty where the source does not hold it.
  virtual Producer producer(int index, const plan::Tensor &tensor) const = 0;
  /// The file that holds it, for messages; empty where none does.
  virtual std::string fileOf(int index) const = 0;
};

} // namespace ft::rt
