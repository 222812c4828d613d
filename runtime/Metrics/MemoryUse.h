// What memory a run was predicted to take and what it took.
#pragma once

#include "runtime/Device/Device.h"

#include <span>
#include <string>
#include <vector>

namespace ft::rt {

/// Resident memory of this process, told apart by what it is for. Each part is what was resident when it was read;
/// `peakBytes` is the kernel's own maximum since the process started.
struct ProcessMemory {
  uint64_t peakBytes = 0;       ///< VmHWM
  uint64_t residentBytes = 0;   ///< VmRSS
  uint64_t arenaBytes = 0;      ///< resident pages of the given ranges
  uint64_t mappedFileBytes = 0; ///< weights, tokens, plan: page cache, which the kernel takes back under pressure
  uint64_t programBytes = 0;    ///< program, libraries, heaps and stacks
};

/// A part of the address space, [begin, end).
struct AddressRange {
  uintptr_t begin, end;
};

/// Reads <proc>/self/status and <proc>/self/smaps. Files with an executable mapping are libraries.
ProcessMemory readProcessMemory(std::span<const AddressRange> arenas, const std::string &proc = "/proc");

/// VmRSS alone, without large allocations: for the step line.
uint64_t residentBytes();

/// Predicted against measured, side by side, after a run. Outside the arenas lie the program with its libraries on the
/// CPU, the driver's context on a GPU.
struct MemoryOutcome {
  uint64_t predictedArenas = 0, predictedOutside = 0;
  uint64_t measuredArenas = 0, measuredOutside = 0;
  uint64_t measuredMapped = 0, measuredPeak = 0; ///< of the process; 0: not shown
};
std::string formatMemoryOutcome(const MemoryOutcome &outcome);

} // namespace ft::rt
