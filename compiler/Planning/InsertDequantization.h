#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Puts an ft.dequantize before each product that reads quantised weights, in every segment: numbers are made once for
/// each use. `foldAdapters`: where all weights of a product are quantised and rows and ranks are whole vectors, the
/// adapters' matrices lie around them, so that the product is one GEMM, as with borders (Layout/Borders.h).
void insertDequantization(mlir::ModuleOp module, bool foldAdapters);

} // namespace ft
