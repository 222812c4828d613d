// Where a rank sits at the meeting place: in rank 0's process, whichever process the rank is in.
#pragma once

#include "runtime/Communication/Pieces.h"
#include "runtime/Communication/Room.h"

#include <memory>
#include <string>

namespace ft::rt {

/// A rank's end among the threads of this process, with memory for one piece. One thread uses it.
class Seat {
public:
  /// `end`: of openThreads, over the same mesh.
  Seat(std::unique_ptr<Communicator> end, const plan::Mesh &mesh);

  Status prepare(std::string_view name, const plan::Collective &collective);
  /// Whether `bytes` is a slice of that collective.
  bool takes(uint32_t handle, uint64_t bytes) const;
  /// Where what the rank gives goes to, and where what it gets then lies.
  std::span<const iovec> gives(uint32_t handle, uint64_t bytes);
  Status meet(uint32_t handle) { return end->run(0, handle); }
  std::span<const iovec> gets(uint32_t handle, uint64_t bytes);

  /// Where bytes for rank 0 go to, at most Pieces::mostStagedBytes.
  std::span<std::byte> staged(uint64_t bytes) const { return {whole, bytes}; }

  Communicator &communicator() { return *end; }
  const std::string &name(uint32_t handle) const { return names[handle]; }

private:
  Pieces::Memory memory(uint32_t handle) { return {whole, prepared[handle].slice(), part}; }

  const plan::Mesh mesh;
  std::vector<uint64_t> staging; ///< outlives the end, whose peers reach into it
  std::byte *whole, *part;
  std::unique_ptr<Communicator> end;
  std::vector<Pieces> prepared;
  std::vector<std::string> names;
};

} // namespace ft::rt
