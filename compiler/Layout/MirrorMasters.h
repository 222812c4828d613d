// What segments read of parameters whose masters lie on the host.
#pragma once

#include "compiler/Layout/FormBuckets.h"

namespace ft {

/// Gives the members of buckets on the host that segments which run on tokens read as they are stored mirrors: working
/// copies of the same type, written wherever the parameter is, and in @initialize, and read in its place, also where
/// that is in a border.
void mirrorMasters(mlir::ModuleOp module, llvm::MutableArrayRef<Bucket> buckets);

} // namespace ft
