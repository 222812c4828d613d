// GPUs as the ranks of a plan, connected by NCCL.
#pragma once

#include "runtime/Device/Cuda/CudaDevice.h"
#include "runtime/Device/Cuda/NcclApi.h"
#include "runtime/Device/PeerDevices.h"

namespace ft::rt {

/// What NCCL takes of each GPU: measured on two H200s, whatever the plan (reports/nccl.md); nccl_bytes of the target
/// files is the same.
inline constexpr uint64_t ncclBytes = 964689920;

/// Of all ranks in this process, which may be some of a run's.
class NcclPeers final : public PeerDevices {
public:
  /// `first`: the number of the GPU of rank `firstRank`, the first in this process.
  NcclPeers(const plan::Mesh &mesh, uint32_t first, uint32_t firstRank, CudaSetup setup, NcclApi api)
      : mesh(mesh), first(first), firstRank(firstRank), setup(std::move(setup)), api(std::move(api)) {}

  Expected<RankDevice> open(Communicator &host) override;
  std::vector<std::string> libraries() const override;

private:
  const plan::Mesh mesh;
  const uint32_t first, firstRank;
  const CudaSetup setup;
  const NcclApi api;
};

/// The number of the first GPU that a process takes, of `count`.
Expected<uint32_t> chooseGpu(const OwnGpus &which, uint32_t count);

} // namespace ft::rt
