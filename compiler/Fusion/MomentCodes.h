// Moments in codes in row programs: runtime/Plan/DynamicMap.h has the numbers, and these are the same bits.
#pragma once

#include "compiler/Fusion/RowBuilder.h"
#include "runtime/Plan/DynamicMap.h"

namespace ft {

/// What a row of codes, of i8, stands for where the scale is 1, f32.
mlir::Value fromDynamicMap(RowBuilder &b, plan::DynamicMap map, mlir::Value codes);
/// The codes, a row of i8, of a row of f32 that has been multiplied by the inverse of its scale.
mlir::Value toDynamicMap(RowBuilder &b, plan::DynamicMap map, mlir::Value row);
/// What elements of a block are multiplied by whose largest magnitude this is, f32 both.
mlir::Value inverseOfScale(RowBuilder &b, mlir::Value scale);

} // namespace ft
