// What a plan runs on the processors beside the GPU: a call that the driver makes where the stream has come so far, in
// a graph a node of its own.
#include "runtime/Device/Cpu/Processor.h"
#include "runtime/Device/Cuda/CudaDevice.h"
#include "runtime/Plan/Kinds.h"
#include "runtime/Plan/Mesh.h"

#include <fmt/format.h>

#include <algorithm>

namespace ft::rt {

/// Ranks of one host share its processors; of several nodes, those near to the card.
Status CudaDevice::loadHostKernels(const plan::Plan &plan, std::span<const ImageView> images) {
  if (plan::kernelsFor(plan, /*host=*/true).empty())
    return {};
  FT_ASSIGN_OR_RETURN(const std::string level, processorLevel());
  FT_ASSIGN_OR_RETURN(hostKernels, KernelBlob::load(plan, images, level, /*host=*/true));
  uint32_t share = usableProcessors() / plan::Mesh(plan).ranks();
  if (!node.processors.empty())
    share = std::min(share, static_cast<uint32_t>(node.processors.size()));
  hostTeam = std::make_unique<HostTeam>(std::max<uint32_t>(1, share), node.processors);
  return {};
}

Expected<uint32_t> CudaDevice::prepareHostLaunch(uint32_t kernel, uint64_t items, std::span<void *const> args) {
  if (kernel >= hostKernels.size() || !hostKernels.entry(kernel))
    return badInput(fmt::format("kernel {} is not for the host's processors", kernel));
  hostLaunches.push_back(
      {hostTeam.get(), hostKernels.entry(kernel), static_cast<int64_t>(items), {args.begin(), args.end()}});
  return static_cast<uint32_t>(hostLaunches.size() - 1);
}

/// On a thread of the driver's, which must not call the driver.
void CUDA_CB CudaDevice::runOnHost(void *data) {
  const auto &launch = *static_cast<const HostLaunch *>(data);
  launch.team->run(launch.items, [&](int64_t begin, int64_t end) { launch.entry(launch.args.data(), begin, end); });
}

Status CudaDevice::hostLaunch(uint32_t stream, uint32_t handle) {
  FT_RETURN_IF_ERROR(checkQueue(stream));
  if (handle >= hostLaunches.size())
    return failed(fmt::format("host launch {} does not exist; {} are prepared", handle, hostLaunches.size()));
  return driver.check(driver.launchHostFunc(streams[stream], runOnHost, &hostLaunches[handle]),
                      "enqueuing work for the host");
}

bool CudaDevice::isHostMemory(const void *address) const {
  return std::any_of(reservations.begin(), reservations.end(), [&](const Reservation &reservation) {
    const auto *begin = static_cast<const std::byte *>(reservation.memory),
               *at = static_cast<const std::byte *>(address);
    return reservation.space != plan::Arena::DEVICE && at >= begin && at < begin + reservation.bytes;
  });
}

/// The driver fills no memory of the host; nor do steps, so that there is never one in a graph.
Status CudaDevice::fillHost(uint32_t stream, const Region &dst, uint8_t value) {
  if (capturing)
    return failed("memory of the host is to be filled inside a graph");
  FT_RETURN_IF_ERROR(driver.check(driver.streamSynchronize(streams[stream]), "waiting for a stream"));
  for (uint64_t batch = 0; batch < dst.batch; ++batch)
    for (uint64_t row = 0; row < dst.rows; ++row)
      fillBytes(static_cast<std::byte *>(dst.base) + batch * dst.batchPitch + row * dst.pitch, dst.rowBytes, value);
  return {};
}

} // namespace ft::rt
