#include "runtime/Device/Cuda/Peers.h"

#include "runtime/Device/Cuda/PeerRank.h"

#include <fmt/format.h>

namespace ft::rt {

CudaPeers::CudaPeers(const plan::Mesh &mesh, uint32_t first, CudaSetup setup)
    : mesh(mesh), first(first), setup(std::move(setup)), members(mesh.ranks()) {}

Expected<RankDevice> CudaPeers::open(Communicator &host) {
  Member &mine = members[host.rank()];
  auto opened = CudaDevice::open(setup, first + host.rank());
  if (opened)
    mine.device = static_cast<CudaDevice *>(opened->get());
  FT_RETURN_IF_ERROR(opened.status());
  for (int moment = 0; moment < PeerRank::Moments; ++moment) {
    FT_ASSIGN_OR_RETURN(const CUevent event, mine.device->addEvent());
    mine.events.push_back(event);
  }
  FT_RETURN_IF_ERROR(host.agree(Agreement::Max, 0).status());
  for (const Member &peer : members)
    if (&peer != &mine)
      FT_RETURN_IF_ERROR(mine.device->readMemoryOf(*peer.device));
  auto rank = std::make_unique<PeerRank>(shared_from_this(), host);
  mine.device->captureWith(*rank);
  FT_RETURN_IF_ERROR(host.agree(Agreement::Max, 0).status());
  return RankDevice{std::move(rank), std::move(*opened)};
}

} // namespace ft::rt
