// What only a run knows of the files that it leaves: which model it started from, and what its samples end with.
#pragma once

#include "runtime/Weights/Model.h"

namespace ft::rt {

/// Completes texts of the plan:
///  - adapter_config.json: a base that the recipe's model does not name is what --model named;
///  - config.json: the model's own file, or of a GGUF file its token ids, with the plan's type of weights;
///  - config.json and generation_config.json: `end`, with which the trained samples end, is among the ids that end a
///    text.
/// Returns notes for the user. Fails with BadInput where a file that the plan or the model needs is no JSON object.
Expected<std::vector<std::string>> completeTexts(plan::Plan &plan, const ModelSource &model,
                                                 std::optional<uint32_t> end);

} // namespace ft::rt
