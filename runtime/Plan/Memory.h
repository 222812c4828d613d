// What a plan takes of a machine's memory, and whether that is enough: what ftc says before and ftrun reserves.
#pragma once

#include "runtime/Plan/plan.pb.h"

#include <string>

namespace ft::rt {

/// Whether an arena takes memory of the device. On a processor all do.
bool takesDeviceMemory(const plan::Plan &plan, const plan::Arena &arena);

/// Bytes of device memory: of each rank's GPU, or of the machine that ranks on its processors share; and of the host.
struct Fit {
  uint64_t arenas = 0;
  uint64_t outside = 0; ///< driver context, library code: the estimate of the target file
  uint64_t has = 0;     ///< of the target in all, or what the recipe allows of it; 0: not known, the machine decides
  uint64_t host = 0;    ///< of a host beside its devices, for all ranks; of processors it is among the arenas
  uint64_t hostHas = 0; ///< of a host in all; 0: not known

  uint64_t needs() const { return arenas + outside; }
  bool fitsDevice() const { return has == 0 || needs() <= has; }
  bool fitsHost() const { return hostHas == 0 || host <= hostHas; }
  bool fits() const { return fitsDevice() && fitsHost(); }
};

/// What a plan may need of a target's memory under a budget; of both, 0 says nothing.
uint64_t allowedOf(uint64_t memory, uint64_t budget);

/// A plan against its target.
Fit fitOf(const plan::Plan &plan);

/// Whether a plan counts outside its arenas what NCCL takes: one for GPUs of several hosts, of which no kernel reduces
/// what others hold.
bool countsNccl(const plan::Plan &plan);

/// Bytes of a plan's frozen and trained weights.
uint64_t weightBytes(const plan::Plan &plan);
/// Pinned memory of the host, of each rank, through which weights go to a device whose memory the host cannot write; it
/// is held as long as the run. None on a processor.
uint64_t weightStagingBytes(const plan::Plan &plan);

/// A row for each arena of a rank, or for each class of buffers in it; the other ranks' where they share the memory;
/// what lies outside; what the plan needs and the target has.
std::string memoryTable(const plan::Plan &plan);

/// "weights 0.52 GiB, optimizer 0.01 GiB, …": all arenas, for a message of one line.
std::string describeArenas(const plan::Plan &plan);
/// The same of those in the host's memory beside a device.
std::string describeHostArenas(const plan::Plan &plan);

} // namespace ft::rt
