// The code generator's interface: kernel.func → images that a plan carries.
#pragma once

#include "compiler/Codegen/DescribeOperands.h"

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mlir {
class DialectRegistry;
}

namespace ft {

/// For which processors to compile. One image per arch.
struct CodegenTarget {
  enum class Driver { Cpu, Cuda } driver = Driver::Cpu;
  std::vector<std::string> archs; ///< "x86-64-v3", "x86-64-v4"; "sm_80", "sm_90", …
  bool host = false;              ///< the kernels for the host alone; else the others
};

struct CodegenOptions {
  /// If not empty: an existing folder that receives what each image was made from: kernels.<arch>.ll (optimised), and
  /// .s or .ptx; and kernels.mlir, the strip-mined kernels. Of kernels for the host they are called host_kernels.
  std::string dumpDir;
};

/// One kernel as plan.proto's Kernel describes it.
struct CompiledKernel {
  std::string name;   ///< of the kernel.func, and of its entry in every image
  uint64_t items = 0; ///< that the kernel.func says it is for; 0: it says nothing
  std::vector<kernel::OperandFacts> operands;
  // Of CUDA alone:
  uint32_t threads = 0;       ///< per block
  uint32_t itemsPerBlock = 0; ///< blocks = items / itemsPerBlock, rounded up
  uint32_t sharedBytes = 0;   ///< dynamic; static shared memory is declared in the image
};

struct KernelImage {
  enum class Format { CpuBlob, Ptx } format = Format::CpuBlob;
  std::string arch;
  std::string bytes;                  ///< PTX: text, without the final NUL
  std::vector<uint64_t> entryOffsets; ///< CpuBlob: parallel to CompiledKernels::kernels; map at 64-byte alignment
};

struct CompiledKernels {
  std::vector<CompiledKernel> kernels; ///< in the module's order
  std::vector<KernelImage> images;     ///< in the order of CodegenTarget::archs; none where there are no kernels
  bool host = false;                   ///< CodegenTarget::host
};

/// Registers the dialects that kernels are made of and their translations to LLVM IR.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// Compiles the kernel.func of `module` that are for the target, and leaves it as it is. Errors are emitted as
/// diagnostics, on the operation that cannot be compiled where there is one. Same module and target → same bytes.
///
/// ABI. CPU: `void entry(void *const *args, int64_t begin, int64_t end)` handles items [begin, end); args holds a
/// pointer per operand, and items may be split over threads at will. CUDA: one pointer per operand, then i64 items.
/// An operand's pointer is a multiple of its OperandFacts::alignment: of its elements on CPUs, on GPUs of what a thread
/// moves at once, 16 bytes at most.
mlir::FailureOr<CompiledKernels> compileKernels(mlir::ModuleOp module, const CodegenTarget &target,
                                                const CodegenOptions &options = {});

} // namespace ft
