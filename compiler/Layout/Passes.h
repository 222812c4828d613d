// Registration of compiler/Layout's passes.
#pragma once

#include "mlir/Pass/Pass.h"

namespace ft {

#define GEN_PASS_DECL
#include "compiler/Layout/LayoutPasses.h.inc"

void registerLayoutPasses();

} // namespace ft
