// The reserved memory of a plan, and where each buffer lies in it.
#pragma once

#include "runtime/Device/Device.h"
#include "runtime/Plan/Mesh.h"

namespace ft::rt {

/// CannotRun where `ranks` of a plan for devices take more of their host's memory than the `freeBytes` that there are:
/// to be asked before any of them reserves something.
Status checkHostMemory(const plan::Plan &plan, uint32_t ranks, uint64_t freeBytes);

/// Every arena of a plan on one device. The device owns the memory and must outlive the object.
class Arenas {
public:
  /// Reserves all arenas, zeroed. Fails with CannotRun, before it reserves anything, where they do not fit together:
  /// the message names what is needed, arena by arena, and what is free. On a processor they are as much again for each
  /// further rank that shares its memory, `ranksOnHost` in all; 0: all of the plan. `ncclBytes` are taken outside of
  /// them, which the plan may have counted or not.
  static Expected<Arenas> reserve(const plan::Plan &plan, Device &device, uint32_t rank = 0, uint32_t ranksOnHost = 0,
                                  uint64_t ncclBytes = 0);

  char *bufferAddress(uint32_t buffer) const { return addresses[buffer]; }
  Region region(const plan::Operand &operand) const;
  /// Where on the mesh the rank is whose arenas these are.
  const plan::Coordinates &coordinates() const { return at; }
  /// First byte of the arena, null where the plan has no such name.
  char *arenaAddress(std::string_view name) const;

  /// All memory of an arena of Plan.arenas.
  std::span<std::byte> arena(int index) const {
    return {reinterpret_cast<std::byte *>(bases[index]), plan->arenas(index).size()};
  }

  /// Bytes of the arenas in device memory.
  uint64_t deviceBytes() const { return deviceTotal; }
  /// Bytes outside of the arenas, as far as they are known ahead: as the plan says, and what it does not count.
  uint64_t outsideBytes() const { return outsideTotal; }

  /// Copies bytes of a buffer to or from the host; blocks.
  Status read(uint32_t buffer, uint64_t offset, std::span<std::byte> out) const;
  Status write(uint32_t buffer, uint64_t offset, std::span<const std::byte> bytes) const;
  /// Zeroes everything again, as it was after the reservation.
  Status zero() const;

private:
  Arenas(const plan::Plan &plan, Device &device) : plan(&plan), device(&device) {}

  const plan::Plan *plan;
  Device *device;
  std::vector<char *> bases;     // by arena
  std::vector<char *> addresses; // by buffer
  plan::Coordinates at;          ///< of the rank
  uint64_t deviceTotal = 0, outsideTotal = 0;
};

} // namespace ft::rt
