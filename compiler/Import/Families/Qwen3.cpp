#include "compiler/Import/Families/Families.h"

const ft::Family ft::qwen3{.queryNorm = true, .ggufInterleaves = false};
