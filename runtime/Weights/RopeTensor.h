// Llama 3 in GGUF: how rotary embeddings are scaled is a tensor, not metadata.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Weights/TensorView.h"

#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

inline constexpr std::string_view ropeTensor = "rope_freqs.weight";

/// Compares what each frequency is divided by, in the tensor of `path` and by the facts of the plan; one line where
/// they differ. Without the tensor (null) nothing is divided, nor by a plan that does not scale as Llama 3 does.
void compareRopeTensor(const plan::Plan &plan, const std::string &path, const TensorView *view,
                       std::vector<std::string> &problems);

} // namespace ft::rt
