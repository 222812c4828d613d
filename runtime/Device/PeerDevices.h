// Processors that the ranks of a run use together.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Device/Device.h"
#include "runtime/Plan/Mesh.h"

#include <optional>

namespace ft::rt {

/// A rank's processor and its end of what connects it with the others.
struct RankDevice {
  std::unique_ptr<Communicator> communicator; ///< outlives what is prepared with it
  std::unique_ptr<Device> device;
  uint64_t ncclBytes = 0; ///< of the device's memory, which NCCL takes; 0: it does not connect the ranks
};

/// What the ranks of a process share. Each rank's thread opens its own processor, once, together with all others.
class PeerDevices {
public:
  virtual ~PeerDevices() = default;
  /// `host`: the rank's end of a communicator of threads or processes, which outlives the result. CannotRun: no such
  /// device, too little left to open it, or devices that cannot reach each other.
  virtual Expected<RankDevice> open(Communicator &host) = 0;
  /// Those whose versions decide what ranks compute, by name and version; for ranks that do not share a process.
  virtual std::vector<std::string> libraries() const { return {}; }
};

/// How GPUs of one process exchange.
enum class Exchange {
  Peers, ///< by copies and kernels that read each other's memory, all ranks in one graph
  Nccl,  ///< by NCCL, a graph a rank
};

/// GPUs from number `first` on, one for each rank of the mesh. CannotRun where the machine shows fewer, or without
/// NCCL.
Expected<std::shared_ptr<PeerDevices>> openCudaPeers(const plan::Mesh &mesh, uint32_t first, Exchange how);

/// Which GPUs a process takes, one of several that a run has.
struct OwnGpus {
  std::optional<uint32_t> wanted;    ///< the first one's number
  std::optional<uint32_t> localRank; ///< of the processes on this host, as the launcher says
  std::string interface;             ///< that NCCL connects hosts over; empty: its choice
  uint32_t firstRank = 0, ranks = 1; ///< of the process; each takes one GPU, in their order
};

/// The GPUs of this process, among several that NCCL connects. CannotRun without NCCL and what else the plan needs,
/// where there are no such GPUs, where one is no card for the plan, or where nobody says which of more they are.
Expected<std::shared_ptr<PeerDevices>> openCudaProcess(const plan::Plan &plan, const OwnGpus &which);

} // namespace ft::rt
