// Data that TinyPlan learns, for tests of training.
#pragma once

#include "runtime/Text/TokenFile.h"

namespace ft::rt {

/// Rows in which (3 · token + 1) mod TinyPlan::vocab follows token; `count` rows of one document each.
std::shared_ptr<const TokenFile> tinyData(uint32_t count);

} // namespace ft::rt
