#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Rewrites products of weights in FP8, on one rank's shapes and before row-wise operations are fused:
///
///   ft.linear %x, [%q, %k] low_rank ..         %c, %s = ft.quantize_rows [%x] fold []
///                                              ft.scaled_linear %c, %s, [codes], [scales] low_rank ..
///   ft.linear_bwd_input [%dq, %dk, %ds],       %c:2, %s = ft.quantize_rows [%dq, %dk] fold [scales]
///                       [%q, %k, %a]           %t = ft.transpose codes
///                                              ft.scaled_linear_bwd_input [%c..], %s, %t, ones low_rank [%ds] [%a]
///
/// A product stays as it is where a weight is in another form, a dimension is no multiple of 16, or it has an alpha.
/// `resident`: codes are transposed once, in @initialize, into working copies; else before each derivative.
void scaleProducts(mlir::ModuleOp module, bool resident);

} // namespace ft
