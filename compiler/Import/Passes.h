#pragma once

namespace ft {

/// Registers --ft-build-model with ft-opt.
void registerImportPasses();

} // namespace ft
