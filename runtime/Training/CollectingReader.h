// What rank 0 writes, from all ranks that have it.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Program/RankProgram.h"
#include "runtime/Program/Snapshot.h"
#include "runtime/Weights/Export.h"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

namespace ft::rt {

/// Reads plan buffers for rank 0: its own, and of a buffer that ranks have shares of, each share from one that has it.
/// All ranks make the same calls; what another than rank 0 gets means nothing. `host`: null in a world of one. Both
/// must outlive the reader.
BufferReader collectingReader(const RankProgram &program, Communicator *host, uint32_t rank);

/// The snapshots of the ranks of a process. Rank 0's thread that writes reads them where they lie.
class ProcessSnapshots {
public:
  /// The snapshot may be read until the rank leaves.
  void add(uint32_t rank, const Snapshot &snapshot);
  /// Waits until nobody reads.
  void leave(uint32_t rank);
  /// Rank 0's; a snapshot may be read as long as the reader lives. Fails where a rank has left before.
  BufferReader reader(const plan::Plan &plan);

private:
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t readers = 0;
  std::map<uint32_t, const Snapshot *> snapshots;
};

/// The same of ranks in several processes. Rank 0 asks for each read, on its own thread, while all others answer; so
/// a rank 0 that cannot write leaves nobody waiting. All must outlive the reader.
BufferReader askingReader(const plan::Plan &plan, const Snapshot &own, Communicator &host);
/// Rank 0 asks for nothing more.
Status endAsking(Communicator &host);
/// Another rank's part; returns when rank 0 asks for nothing more.
Status answerReads(const plan::Plan &plan, const Snapshot &own, Communicator &host);

} // namespace ft::rt
