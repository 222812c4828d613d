// Processors that the ranks of one process use together.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Device/Device.h"
#include "runtime/Plan/Mesh.h"

namespace ft::rt {

/// A rank's processor and its end of what connects it with the others.
struct RankDevice {
  std::unique_ptr<Communicator> communicator; ///< outlives what is prepared with it
  std::unique_ptr<Device> device;
};

/// What the ranks of a process share. Each rank's thread opens its own processor, once, together with all others.
class PeerDevices {
public:
  virtual ~PeerDevices() = default;
  /// `host`: the rank's end of a communicator of threads, which outlives the result. CannotRun: no such device, too
  /// little left to open it, or devices that cannot read each other's memory.
  virtual Expected<RankDevice> open(Communicator &host) = 0;
};

/// GPUs from number `first` on, one for each rank of the mesh. CannotRun where the machine shows fewer.
Expected<std::shared_ptr<PeerDevices>> openCudaPeers(const plan::Mesh &mesh, uint32_t first);

} // namespace ft::rt
