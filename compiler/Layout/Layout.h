// ft → ft, between Model and Sharding: what trained parameters look like in memory. Behind it a bucket is a value.
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// Bytes of gradients that ranks exchange, or the host takes, at once: enough to fill a link, few enough that the first
/// exchange begins early in the backward pass, and that little is left behind the last. Of one rank as of several: what
/// a norm sums up, and so its last bits, does not depend on where an update runs.
constexpr int64_t defaultExchangedBytes = 128 << 20;

struct LayoutOptions {
  bool foldAdapters = false; ///< adapters' working copies lie in borders of their base weights, where that is possible
  int64_t ranks = 1;         ///< that may share a bucket in equal parts
  bool splitParameters = false; ///< trained parameters that are no adapters are gathered where they are used
  bool splitFrozen = false;     ///< frozen weights are, and so lie in buckets as well
  double hostFraction = 0;      ///< share of trained parameters, in [0, 1], whose masters and moments lie on the host
  bool gradientsLeave = false;  ///< theirs lie there as well, where a step is one micro-batch
  int64_t mostExchangedBytes = defaultExchangedBytes; ///< of a bucket's gradients, or frozen weights
};

/// Puts the trained parameters, and frozen weights that are split, of a training module (buildTrainingModule), their
/// gradients, moments and working copies into buckets (FormBuckets.h). Each bucket becomes flat variables
/// @bucketN.parameter, .gradient, .exp_avg, .exp_avg_sq and .copy, and of a bucket on the host .mirror; one whose
/// update rounds has @bucketN.rows. The variables in it stay as places of these
/// (`ft.variable … {place = …}`) for the parameter map. Segments read a member as ft.view of its bucket and write
/// members together as one ft.assemble; @update and
/// @initialize work on whole buckets. A working copy of its parameter's type that lies in no border is its parameter.
/// Fails with a diagnostic on a segment that writes some members of a bucket and not others.
mlir::LogicalResult layOut(mlir::ModuleOp module, const LayoutOptions &options);

} // namespace ft
