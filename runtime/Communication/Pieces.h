// A collective in pieces of bounded size, for ranks that do not see each other's memory.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Plan/Mesh.h"

#include <sys/uio.h>
#include <vector>

namespace ft::rt {

/// One rank's part. A piece is the same slice, at most `slice()` bytes, of what each member has in a run; it is a
/// collective of its own, over memory that a meeting place keeps for the rank ("staged"). What a rank gives of a piece
/// and what it gets lies in as many places in its own memory as in the staged one, in one order. Reductions work
/// element by element, so pieces give the same bits as the whole.
class Pieces {
public:
  /// Of the staged whole of a piece, and of the staged part.
  static constexpr uint64_t mostStagedBytes = 1 << 20;

  /// BadInput where the collective is none of `mesh`: another process may have sent it.
  static Expected<Pieces> make(const plan::Mesh &mesh, uint32_t rank, const plan::Collective &collective);

  /// The collective that a piece is, over one run.
  const plan::Collective &staged() const { return stagedCollective; }
  uint64_t slice() const { return sliceBytes; }
  uint32_t width() const { return elementBytes; }
  /// What is to be cut in slices of a run whose whole has so many bytes.
  uint64_t cutBytes(uint64_t wholeBytes) const { return hasParts ? wholeBytes / members : wholeBytes; }

  /// Where a slice begins on this rank: member m's lies at whole + m · pitch.
  struct Memory {
    std::byte *whole = nullptr;
    uint64_t pitch = 0;
    std::byte *part = nullptr;
  };
  /// Valid until the next call.
  std::span<const iovec> gives(const Memory &memory, uint64_t bytes);
  std::span<const iovec> gets(const Memory &memory, uint64_t bytes);

private:
  std::span<const iovec> allOf(const Memory &memory, uint64_t bytes);
  std::span<const iovec> one(std::byte *begin, uint64_t bytes);

  plan::Collective stagedCollective;
  uint64_t sliceBytes = 0;
  uint32_t elementBytes = 1, member = 0, members = 1;
  bool hasParts = false;
  std::vector<iovec> places; ///< as many as members, so that running allocates nothing
};

/// Bytes of a run.
uint64_t runBytes(const plan::Operand &operand);

} // namespace ft::rt
