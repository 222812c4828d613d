// The language model inside of a model of text and images.
#pragma once

#include "runtime/Support/Json.h"

#include <optional>

namespace ft::rt {

/// The language model's own object in the config.json of a model: of one of text and images its text_config, with what
/// stands around that and is meant for it as well, where that is of a family that is known; else nothing.
std::optional<Json> textPart(const Json &config);

} // namespace ft::rt
