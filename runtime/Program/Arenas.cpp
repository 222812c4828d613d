#include "runtime/Program/Arenas.h"

#include "runtime/Support/Strings.h"

#include <fmt/format.h>

#include <algorithm>

using namespace ft;
using namespace ft::rt;

std::string ft::rt::describeArenas(const plan::Plan &plan) {
  std::string text;
  for (const plan::Arena &arena : plan.arenas())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", arena.name(), formatBytes(arena.size()));
  return text;
}

Expected<Arenas> Arenas::reserve(const plan::Plan &plan, Device &device) {
  Arenas arenas(plan, device);
  const bool hostDevice = device.hostAccessible();
  for (const plan::Arena &arena : plan.arenas()) {
    arenas.total += arena.size();
    if (hostDevice || arena.space() == plan::Arena::DEVICE)
      arenas.deviceTotal += arena.size();
  }
  // What the libraries will take beside the arenas is needed as well, or the first step fails.
  const uint64_t needed = arenas.deviceTotal + plan.target().outside_arenas(), free = device.info().freeBytes;
  if (needed > free)
    return cannotRun(
        fmt::format("{} needs {} ({}; {} outside the arenas), {} has {} free: end other programs or compile "
                    "with a smaller micro_batch_size or sequence_len",
                    plan.name(), formatBytes(needed), describeArenas(plan), formatBytes(plan.target().outside_arenas()),
                    device.info().name, formatBytes(free)));
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
  return {addresses[operand.buffer()] + operand.offset(),
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
    const plan::Arena &arena = plan->arenas(i);
    if (!device->hostAccessible() && arena.space() != plan::Arena::DEVICE)
      std::fill_n(bases[i], arena.size(), 0);
    else
      FT_RETURN_IF_ERROR(device->fill(0, {bases[i], 1, arena.size(), arena.size()}, 0));
  }
  return device->synchronize();
}
