// Buckets that one launch updates: ranks exchange buckets one by one, and the host takes them so, but an update waits
// for the norm of all gradients, and short launches lose time at their ends.
#pragma once

#include "dialects/Ft/Ft.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

namespace ft {

/// A flat variable of a bucket in a buffer with those of others.
struct RunMember {
  model::VariableOp first; ///< whose buffer it is: the same part of the run's first bucket
  int64_t offset = 0;      ///< elements from there on
  int64_t elements = 0;    ///< of the whole run
};

/// By name, the flat variables of buckets that are to lie behind one another in the order of the module, parameters
/// behind parameters, gradients behind gradients and so on, so that one launch can update all. These are buckets on the
/// device, whole on each rank, whose updates in @update are equal but for the bucket, and if they round, of rows that
/// are numbered on from one to the next. A bucket that nothing continues is not in it.
llvm::StringMap<RunMember> findBucketRuns(mlir::ModuleOp module);

} // namespace ft
