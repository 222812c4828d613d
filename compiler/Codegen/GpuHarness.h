// Test support: runs kernels on the first NVIDIA GPU, through the driver of runtime/Device.
#pragma once

#include "compiler/Codegen/CompileKernels.h"

namespace ft {

/// One operand of a kernel in host memory.
struct HostOperand {
  void *data = nullptr;
  uint64_t bytes = 0;
};

/// "sm_90"; empty where there is no GPU to open, and `*reason` says why.
std::string gpuArch(std::string *reason);

/// Uploads the operands, runs items [0, items) of a PTX image's kernel and downloads all operands again. Operands with
/// one address share their memory on the GPU as well; around each lie bytes that the kernel must not touch. Whatever
/// goes wrong is a gtest failure.
void runOnGpu(const CompiledKernel &kernel, const KernelImage &image, const std::vector<HostOperand> &operands,
              int64_t items);

} // namespace ft
