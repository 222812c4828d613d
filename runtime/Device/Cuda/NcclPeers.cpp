#include "runtime/Device/Cuda/NcclPeers.h"

#include "runtime/Device/Cuda/NcclRank.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<RankDevice> NcclPeers::open(Communicator &host) {
  FT_ASSIGN_OR_RETURN(std::unique_ptr<Device> device, CudaDevice::open(setup, first + host.rank() - firstRank));
  auto &own = static_cast<CudaDevice &>(*device);
  own.addLibrary(api.description());
  FT_ASSIGN_OR_RETURN(std::unique_ptr<NcclRank> rank, NcclRank::open(api, mesh, host, own));
  return RankDevice{std::move(rank), std::move(device), ncclBytes};
}

std::vector<std::string> NcclPeers::libraries() const {
  std::vector<std::string> all{api.description()};
  const auto driver = DriverApi::load(setup.driverLibrary);
  if (const auto cublas = CublasApi::load(driver ? driver->version : 0, setup.places); cublas)
    all.push_back(cublas->description());
  if (const auto cudnn = CudnnApi::load(setup.places); cudnn)
    all.push_back(cudnn->description());
  return all;
}

Expected<uint32_t> chooseGpu(const OwnGpus &which, uint32_t count) {
  const std::string wants = which.ranks == 1 ? "" : fmt::format(", and the process has {} ranks", which.ranks);
  const uint64_t last = uint64_t(which.wanted.value_or(0)) + which.ranks;
  if (last > count)
    return cannotRun(fmt::format(
        "{}: the driver shows {} GPUs, from number 0 on{} (CUDA_VISIBLE_DEVICES limits what it "
        "shows)",
        which.wanted ? fmt::format("--gpu {}", *which.wanted) : fmt::format("--ranks {}", which.ranks), count, wants));
  if (which.wanted)
    return *which.wanted;
  if (count == which.ranks)
    return 0u;
  if (!which.localRank)
    return cannotRun(fmt::format("the driver shows {} GPUs{}, and the launcher does not say which are this process's: "
                                 "set LOCAL_RANK to its number, or let each process see its own "
                                 "(CUDA_VISIBLE_DEVICES)",
                                 count, wants));
  if (const uint64_t first = uint64_t(*which.localRank) * which.ranks; first + which.ranks <= count)
    return static_cast<uint32_t>(first);
  return cannotRun(
      fmt::format("this process is number {} of its host, and the driver shows {} GPUs{}: start at most as "
                  "many processes a host",
                  *which.localRank, count, wants));
}

} // namespace ft::rt
