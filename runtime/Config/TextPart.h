// The language model inside of a model of text and images.
#pragma once

#include "runtime/Support/Json.h"

#include <optional>
#include <string>
#include <vector>

namespace ft::rt {

/// The language model's own object in the config.json of a model: of one of text and images its text_config, with what
/// stands around that and is meant for it as well, where that is of a family that is known; else nothing.
std::optional<Json> textPart(const Json &config);

/// Adds a problem for every member around a text_config, which is there, that is not understood, or that says another
/// thing than that does.
void judgeAroundText(const std::string &place, const Json &config, std::vector<std::string> &problems);

} // namespace ft::rt
