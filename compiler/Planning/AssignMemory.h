// Gives every buffer of a plan module its offset and every arena its size.
#pragma once

#include "dialects/Plan/PlanDialect.h"

#include "mlir/IR/BuiltinOps.h"

namespace ft {

/// A buffer that lives at the peak of a transient arena.
struct PeakValue {
  std::string name;
  int64_t bytes;
};

/// Where transient values are most, of the arena in which they are.
struct MemoryPeak {
  std::string arena, segment, step;
  int64_t bytes = 0;
  llvm::SmallVector<PeakValue> values;                         ///< largest first
  llvm::SmallVector<std::pair<std::string, int64_t>> segments; ///< bytes that each segment's values take
};

/// Persistent arenas: buffers one behind the other, inputs before all else. Transient arenas: what a segment
/// has in each is packed by itself against the lifetimes of its buffers, the arena is as large as the largest segment.
/// A buffer lives from the first step that names it to the last one that may start before all that name it have
/// finished: on one stream, that is the last that names it. Buffers are aligned to 256 bytes.
MemoryPeak assignMemory(mlir::ModuleOp module);

} // namespace ft
