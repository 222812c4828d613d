#include "runtime/Communication/Seat.h"

using namespace ft;
using namespace ft::rt;

Seat::Seat(std::unique_ptr<Communicator> own, const plan::Mesh &mesh)
    : mesh(mesh), staging(2 * Pieces::mostStagedBytes / sizeof(uint64_t)),
      whole(reinterpret_cast<std::byte *>(staging.data())), part(whole + Pieces::mostStagedBytes), end(std::move(own)) {
}

Status Seat::prepare(std::string_view name, const plan::Collective &collective) {
  FT_ASSIGN_OR_RETURN(Pieces pieces, Pieces::make(mesh, end->rank(), collective));
  const bool hasParts = pieces.staged().part_size() > 0;
  FT_RETURN_IF_ERROR(end->prepare(name, pieces.staged(), {{&whole, 1}, {&part, hasParts ? 1u : 0u}, nullptr}).status());
  prepared.push_back(std::move(pieces));
  names.emplace_back(name);
  return {};
}

bool Seat::takes(uint32_t handle, uint64_t bytes) const {
  return handle < prepared.size() && bytes > 0 && bytes <= prepared[handle].slice() &&
         bytes % prepared[handle].width() == 0;
}

std::span<const iovec> Seat::gives(uint32_t handle, uint64_t bytes) {
  return prepared[handle].gives(memory(handle), bytes);
}

std::span<const iovec> Seat::gets(uint32_t handle, uint64_t bytes) {
  return prepared[handle].gets(memory(handle), bytes);
}
