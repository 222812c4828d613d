// The files beside a model's weights that say how text becomes tokens.
#pragma once

#include "runtime/Support/Status.h"

#include <string>

namespace ft::rt {

/// Copies what Hugging Face puts beside a model's weights to make them usable with text (tokenizer, chat template,
/// generation defaults) from the folder of the base to the folder of what was trained from it, byte for byte. Files
/// that the base lacks are left out; one folder for both changes nothing.
Status copyTokenizerFiles(const std::string &base, const std::string &folder);

} // namespace ft::rt
