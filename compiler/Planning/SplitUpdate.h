#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Parts what the host does of @update from it, so that it may run beside the next step's first micro-batch. Where some
/// buckets are on the host
///
///   func.func @update() {
///     %norm = ft.grad_norm ..                          ft.write @grad_norm, %norm
///     .. = ft.adamw of the device's buckets
///     ft.write @kept0, %scalars                        what is read below and will not be there any more
///   }
///   func.func @finish() {                              what follows from reads of the host's variables, and no more
///     %p = ft.read @bucket7.parameter    %scalars = ft.read @kept0    %norm = ft.read @grad_norm
///     %p1, %m1, %v1 = ft.adamw %p, ..
///     %c = ft.cast %p1                                 ft.write @bucket7.copy, %c
///   }
///   func.func @finish_first() {                        @finish, and then @accumulate_first, which reads %c
///
/// and so @finish_first_targets, of @accumulate_first_targets. What @finish reads of @update is a value that @update
/// writes to a variable, or a kept one. A kept value is small, since it stays for the whole run: where one would have
/// more than `mostKeptBytes`, and where nothing is on the host, the module stays as it is.
void splitUpdate(mlir::ModuleOp module);

/// Of one kept value: scalars, keys, numbers of rows.
inline constexpr int64_t mostKeptBytes = 4096;

} // namespace ft
