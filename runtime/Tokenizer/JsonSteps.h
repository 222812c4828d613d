// The steps around a model in tokenizer.json's words.
#pragma once

#include "runtime/Support/Status.h"
#include "runtime/Tokenizer/TokenizerSteps.h"

#include <nlohmann/json_fwd.hpp>

namespace ft::rt {

/// Null is no step, a Sequence its parts. A type or member that is not understood is refused by name.
Expected<std::vector<NormalizerStep>> readNormalizer(const nlohmann::json &json);
Expected<std::vector<PreTokenizerStep>> readPreTokenizer(const nlohmann::json &json);
Expected<std::vector<DecoderStep>> readDecoder(const nlohmann::json &json);

/// The inverses: null for no step, a Sequence for several. SentencePieceStep has no form in tokenizer.json; it is
/// written as what it says, which serves digests.
nlohmann::json toJson(const std::vector<NormalizerStep> &steps);
nlohmann::json toJson(const std::vector<PreTokenizerStep> &steps);
nlohmann::json toJson(const std::vector<DecoderStep> &steps);

} // namespace ft::rt
