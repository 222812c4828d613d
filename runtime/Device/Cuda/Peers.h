// GPUs of one process as the ranks of a plan: a segment is one graph over all of them (docs/rationale/collectives.md).
#pragma once

#include "runtime/Device/Cuda/CudaDevice.h"
#include "runtime/Device/PeerDevices.h"

#include <memory>
#include <vector>

namespace ft::rt {

/// What the ranks share. Ranks touch each other's entries only between two meetings of all threads.
class CudaPeers final : public PeerDevices, public std::enable_shared_from_this<CudaPeers> {
public:
  CudaPeers(const plan::Mesh &mesh, uint32_t first, CudaSetup setup);

  Expected<RankDevice> open(Communicator &host) override;

private:
  friend class PeerRank;

  /// A rank as the others see it.
  struct Member {
    CudaDevice *device = nullptr;
    std::vector<CUevent> events;          ///< by PeerRank::Moment
    std::vector<std::byte *> whole, part; ///< of the collective that is being prepared
  };

  const plan::Mesh mesh;
  const uint32_t first; ///< number of rank 0's GPU
  const CudaSetup setup;
  std::vector<Member> members;
};

} // namespace ft::rt
