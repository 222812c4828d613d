#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Brings values to where they are read, in every segment. Of a bucket on the host
///
///   %p = ft.read @bucket0.parameter                  on the host, as its moments
///   %p1, %m1, %v1 = ft.adamw %p, %g, %m, %v, %norm, %status, %scalars
///   %c = ft.cast %p1                                 what the update's kernel writes as well
///   ft.write @bucket0.copy, %c                       on the device
///
/// the update runs where its parameter lies, so %g, %norm, %status and %scalars go there, and %c comes back:
/// ft.transfer in front of the update, and behind the cast. Whatever else is made of %p or %p1, such as working copies
/// in borders, is made on the device, of what came back.
void insertTransfers(mlir::ModuleOp module);

} // namespace ft
