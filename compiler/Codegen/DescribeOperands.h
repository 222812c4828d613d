// What a kernel's code asks of its operands, read off the kernel itself: a plan says it, and its launches are checked
// against it.
#pragma once

#include "dialects/Kernel/Kernel.h"

namespace ft::kernel {

/// plan.proto's KernelOperand.
struct OperandFacts {
  uint64_t bytes = 0;      ///< from its first to its last byte
  uint32_t alignment = 1;  ///< of its first byte, in bytes
  bool written = false;    ///< stored to
  uint64_t indexLimit = 0; ///< its elements are used as indices, each in [0, indexLimit); 0: they are not
};

/// One for each operand of `kernel`. Alignment is that of an element; what a target accesses in vectors needs more.
std::vector<OperandFacts> describeOperands(FuncOp kernel);

} // namespace ft::kernel
