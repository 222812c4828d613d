#include "runtime/Device/Cuda/NcclPeers.h"

#include "runtime/Device/Cuda/NcclRank.h"

#include <fmt/format.h>

namespace ft::rt {

Expected<RankDevice> NcclPeers::open(Communicator &host) {
  FT_ASSIGN_OR_RETURN(std::unique_ptr<Device> device, CudaDevice::open(setup, alone ? first : first + host.rank()));
  auto &own = static_cast<CudaDevice &>(*device);
  own.addLibrary(api.description());
  FT_ASSIGN_OR_RETURN(std::unique_ptr<NcclRank> rank, NcclRank::open(api, mesh, host, own));
  return RankDevice{std::move(rank), std::move(device)};
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

Expected<uint32_t> chooseGpu(const OwnGpu &which, uint32_t count) {
  if (which.wanted && *which.wanted < count)
    return *which.wanted;
  if (which.wanted)
    return cannotRun(fmt::format("--gpu {}: the driver shows {} GPUs, from number 0 on (CUDA_VISIBLE_DEVICES limits "
                                 "what it shows)",
                                 *which.wanted, count));
  if (count == 1)
    return 0u;
  if (!which.localRank)
    return cannotRun(fmt::format("the driver shows {} GPUs, and the launcher does not say which is this process's: set "
                                 "LOCAL_RANK to its number, or let each process see its own (CUDA_VISIBLE_DEVICES)",
                                 count));
  if (*which.localRank < count)
    return *which.localRank;
  return cannotRun(fmt::format("this process is number {} of its host, and the driver shows {} GPUs: start at most as "
                               "many processes a host",
                               *which.localRank, count));
}

} // namespace ft::rt
