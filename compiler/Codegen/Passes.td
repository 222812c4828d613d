#ifndef CODEGEN_PASSES_TD
#define CODEGEN_PASSES_TD

include "mlir/Pass/PassBase.td"

def KernelStripMine : Pass<"kernel-strip-mine", "::mlir::ModuleOp"> {
  let summary = "Turn row programs into loops over tiles of their rows";
  let options = [
    Option<"target", "target", "std::string", /*default=*/"\"cpu\"", "cpu or gpu">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

def KernelLowerMath : Pass<"kernel-lower-math", "::mlir::ModuleOp"> {
  let summary = "Expand exp, log, rsqrt and philox into arithmetic of the same bits on every target";
  let options = [
    Option<"target", "target", "std::string", /*default=*/"\"cpu\"", "cpu or gpu">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::mlir::vector::VectorDialect", "::mlir::NVVM::NVVMDialect"];
}

def KernelExpandShortFloats : Pass<"kernel-expand-short-floats", "::mlir::ModuleOp"> {
  let summary = "Hold bf16 and f16 as 16-bit integers; convert explicitly";
  let options = [
    Option<"native", "native", "bool", /*default=*/"false", "the target rounds to both and computes in f16 (GPU)">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect", "::mlir::LLVM::LLVMDialect"];
}

def KernelLowerToLlvm : Pass<"kernel-lower-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Lower strip-mined kernels to the LLVM dialect, with the entry points that a launch calls";
  let options = [
    Option<"target", "target", "std::string", /*default=*/"\"cpu\"", "cpu or gpu">,
  ];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect"];
}

#endif // CODEGEN_PASSES_TD
