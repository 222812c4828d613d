// What this processor is and what of it this process may use.
#pragma once

#include "runtime/Support/Status.h"

#include <cstdint>
#include <string>

namespace ft::rt {

/// Processor model as the kernel names it.
std::string processorName();

/// The best level whose code this process runs: "x86-64-v4" or "x86-64-v3". The environment variable FTC_CPU_ISA
/// lowers it. Fails with CannotRun below v3 or where the variable asks for more than there is, with BadInput on a value
/// that is neither.
Expected<std::string> processorLevel();

/// True where oneDNN multiplies bf16 natively (AVX512_BF16) at this level.
bool hasBf16Products(const std::string &level);

/// Processors in this process's affinity mask, cut to the cgroup's quota; at least 1.
uint32_t usableProcessors();

} // namespace ft::rt
