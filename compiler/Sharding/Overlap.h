#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Where weights or gradients are split: what is gathered or reduced while one operation computes, and one more so that
/// the link never idles.
inline constexpr int64_t splitInFlight = 2;

/// dist-overlap: moves starts up and dones down, so that collectives run beside computation. At most `inFlight` groups
/// of gathers (those of one user) and at most as many reductions are under way at once; 0: as many as data flow allows.
/// A norm of whole gradients is computed as they arrive.
void overlap(mlir::ModuleOp module, int64_t inFlight);

} // namespace ft
