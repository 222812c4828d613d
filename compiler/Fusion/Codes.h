// E4M3 codes in row programs: runtime/Plan/Fp8.h has the numbers, and these are the same bits.
#pragma once

#include "compiler/Fusion/RowBuilder.h"

namespace ft {

/// The codes of a row of f32, a row of i8.
mlir::Value toE4m3(RowBuilder &b, mlir::Value row);
/// What a row of codes, of i8, stands for in f32.
mlir::Value fromE4m3(RowBuilder &b, mlir::Value codes);
/// The scale of a row whose largest magnitude this is, f32 both.
mlir::Value fp8Scale(RowBuilder &b, mlir::Value largest);

} // namespace ft
