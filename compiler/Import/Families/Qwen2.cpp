#include "compiler/Import/Families/Families.h"

const ft::Family ft::qwen2{.queryBias = true, .ggufInterleaves = false};
