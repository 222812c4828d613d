// Passes of code generation, in the order CompileKernels runs them: strip-mine, lower-math, expand-short-floats,
// lower-to-llvm.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace mlir::arith {
class ArithDialect;
}
namespace mlir::cf {
class ControlFlowDialect;
}
namespace mlir::func {
class FuncDialect;
}
namespace mlir::LLVM {
class LLVMDialect;
}
namespace mlir::math {
class MathDialect;
}
namespace mlir::memref {
class MemRefDialect;
}
namespace mlir::NVVM {
class NVVMDialect;
}
namespace mlir::scf {
class SCFDialect;
}
namespace mlir::vector {
class VectorDialect;
}

namespace ft::kernel {

#define GEN_PASS_DECL
#include "compiler/Codegen/Codegen.h.inc"

#define GEN_PASS_REGISTRATION
#include "compiler/Codegen/Codegen.h.inc"

} // namespace ft::kernel
