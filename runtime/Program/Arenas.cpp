#include "runtime/Program/Arenas.h"

#include "runtime/Plan/Memory.h"
#include "runtime/Plan/RankRegions.h"
#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

Status ft::rt::checkHostMemory(const plan::Plan &plan, uint32_t ranks, uint64_t freeBytes) {
  const uint64_t needs = fitOf(plan).host / plan::Mesh(plan).ranks() * ranks;
  if (needs <= freeBytes)
    return {};
  return cannotRun(fmt::format("{} needs {} of the host's memory ({}{}), and {} are free, of the system or of this "
                               "process's cgroup: end other programs, or compile with --host-memory, within which an "
                               "offload_optimizer without a fraction stays, with a smaller "
                               "offload_optimizer.fraction, or without activation_offload",
                               plan.name(), formatBytes(needs), describeHostArenas(plan),
                               ranks > 1 ? fmt::format(", for each of {} ranks", ranks) : "", formatBytes(freeBytes)));
}

/// What arenas and the memory outside of them may take together. A GPU's context is open by now and counted as outside:
/// where no more than that is taken, it is the context's, and all of the card is this plan's.
static uint64_t availableBytes(const plan::Plan &plan, const Fit &fit, const DeviceInfo &device) {
  const bool contextAlone = plan.target().driver() == plan::CUDA && device.totalBytes >= device.freeBytes &&
                            device.totalBytes - device.freeBytes <= fit.outside;
  return contextAlone ? device.totalBytes : device.freeBytes;
}

/// "CUDA device 1, NVIDIA H200,".
static std::string named(const DeviceInfo &device) {
  return device.place.empty() ? device.name : fmt::format("{}, {},", device.place, device.name);
}

Expected<Arenas> Arenas::reserve(const plan::Plan &plan, Device &device, uint32_t rank, uint32_t ranksOnHost,
                                 uint64_t ncclBytes) {
  Arenas arenas(plan, device);
  arenas.at = plan::Mesh(plan).coordinates(rank);
  // What the libraries will take beside the arenas is needed as well, or the first step fails.
  Fit fit = fitOf(plan);
  if (ranksOnHost > 0 && plan.target().driver() == plan::CPU)
    fit.arenas = fit.arenas / plan::Mesh(plan).ranks() * ranksOnHost;
  const uint64_t free = availableBytes(plan, fit, device.info()), uncounted = countsNccl(plan) ? 0 : ncclBytes;
  fit.outside += uncounted;
  arenas.deviceTotal = fit.arenas, arenas.outsideTotal = fit.outside;
  if (fit.needs() > free)
    return cannotRun(
        fmt::format("{} needs {} ({}; {} outside the arenas{}), {} has {} free of {}: end other programs{}, or compile "
                    "with a smaller micro_batch_size or sequence_len",
                    plan.name(), formatBytes(fit.needs()), describeArenas(plan), formatBytes(fit.outside),
                    uncounted ? fmt::format(", {} of them NCCL's", formatBytes(uncounted)) : "", named(device.info()),
                    formatBytes(free), formatBytes(device.info().totalBytes),
                    plan.target().driver() == plan::CUDA ? " on it (nvidia-smi lists them)" : ""));
  for (const plan::Arena &arena : plan.arenas()) {
    auto base = device.reserve(arena.space(), std::max<uint64_t>(1, arena.size()), arena.alignment());
    if (!base.ok())
      return Status(base.status().code(), fmt::format("arena {}: {}", arena.name(), base.status().message()));
    arenas.bases.push_back(static_cast<char *>(*base));
  }
  for (const plan::Buffer &buffer : plan.buffers())
    arenas.addresses.push_back(arenas.bases[buffer.arena()] + buffer.offset());
  return arenas;
}

Region Arenas::region(const plan::Operand &operand) const {
  return {addresses[operand.buffer()] + operand.offset() + rankOffset(operand, at),
          std::max<uint64_t>(1, operand.rows()),
          operand.row_bytes(),
          operand.pitch(),
          std::max<uint64_t>(1, operand.batch()),
          operand.batch_pitch()};
}

char *Arenas::arenaAddress(std::string_view name) const {
  for (int i = 0; i < plan->arenas_size(); ++i)
    if (plan->arenas(i).name() == name)
      return bases[i];
  return nullptr;
}

Status Arenas::read(uint32_t buffer, uint64_t offset, std::span<std::byte> out) const {
  FT_RETURN_IF_ERROR(device->download(0, out.data(), addresses[buffer] + offset, out.size()));
  return device->synchronize();
}

Status Arenas::write(uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) const {
  FT_RETURN_IF_ERROR(device->upload(0, addresses[buffer] + offset, bytes.data(), bytes.size()));
  return device->synchronize();
}

Status Arenas::zero() const {
  for (int i = 0; i < plan->arenas_size(); ++i) {
    const uint64_t size = plan->arenas(i).size();
    FT_RETURN_IF_ERROR(device->fill(0, {bases[i], 1, size, size}, 0));
  }
  return device->synchronize();
}
