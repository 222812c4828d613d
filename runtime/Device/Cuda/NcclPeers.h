// GPUs as the ranks of a plan, connected by NCCL.
#pragma once

#include "runtime/Device/Cuda/CudaDevice.h"
#include "runtime/Device/Cuda/NcclApi.h"
#include "runtime/Device/PeerDevices.h"

namespace ft::rt {

/// Of all ranks in this process, or of its only one.
class NcclPeers final : public PeerDevices {
public:
  /// `first`: the number of rank 0's GPU, or of this process's own where `alone`.
  NcclPeers(const plan::Mesh &mesh, uint32_t first, bool alone, CudaSetup setup, NcclApi api)
      : mesh(mesh), first(first), alone(alone), setup(std::move(setup)), api(std::move(api)) {}

  Expected<RankDevice> open(Communicator &host) override;
  std::vector<std::string> libraries() const override;

private:
  const plan::Mesh mesh;
  const uint32_t first;
  const bool alone;
  const CudaSetup setup;
  const NcclApi api;
};

/// The number of the GPU that a process takes, of `count`.
Expected<uint32_t> chooseGpu(const OwnGpu &which, uint32_t count);

} // namespace ft::rt
