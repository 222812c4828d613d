// What llama.cpp's converter does to norms.
#pragma once

#include <string_view>

namespace ft::rt {

/// What GGUF files of this architecture have added to the weights of norms.
double ggufNormOffset(std::string_view architecture);

} // namespace ft::rt
