// What rank 0 writes, from all ranks that have it.
#pragma once

#include "runtime/Program/RankProgram.h"
#include "runtime/Weights/Export.h"

namespace ft::rt {

/// Reads plan buffers for rank 0: its own, and of a buffer that ranks have shares of, each share from one that has it.
/// All ranks make the same calls; what another than rank 0 gets means nothing. `host`: null in a world of one. Both
/// must outlive the reader.
BufferReader collectingReader(const RankProgram &program, Communicator *host, uint32_t rank);

} // namespace ft::rt
