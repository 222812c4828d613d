#include "compiler/Import/Families/Families.h"

const ft::Family ft::llama{};
