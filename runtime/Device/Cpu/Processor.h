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

/// How vectors multiply bf16 (AVX512_BF16), beside f32.
enum class Bf16Products {
  None,
  Slow, ///< at half the rate of f32
  Fast, ///< at its rate or above
  Tiles ///< AMX: at several times its rate, where products are large
};

/// At this level. Slow are Intel's processors that have tiles (AMX, known by their AVX512_FP16) where the machine hides
/// these: measured 84 GFLOP/s a core beside 165 of f32.
Bf16Products bf16ProductsOf(const std::string &level);

/// Processors in this process's affinity mask, cut to the cgroup's quota; at least 1.
uint32_t usableProcessors();

} // namespace ft::rt
