// The communicator of CPU ranks in several processes, over the connections of a rendezvous.
//
// Rank 0's process is the meeting place. There each rank has a seat among threads, whichever process it is in, and what
// a rank elsewhere wants to do is done there by a thread that speaks for it. So order, arithmetic and failures are
// those of threads in one process, bit for bit. Memory at the meeting place is bounded by two pieces a rank. All bytes
// go through rank 0: this is for tests of processes and for few ranks, not for speed.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Communication/Pulse.h"
#include "runtime/Plan/Mesh.h"
#include "runtime/Rendezvous/Rendezvous.h"

#include <memory>

namespace ft::rt {

/// Connections between rank 0 and each other rank: heartbeats, data.
enum SocketChannel : uint32_t { PulseChannel, DataChannel, SocketChannels };

struct SocketOptions {
  Patience patience;
  Progress *progress = nullptr; ///< this rank's; null: none is told
  /// Whether somebody asked this process to end early. Asked on another thread.
  std::function<bool()> interrupted;
  /// All have failed for this reason, and this rank's thread does not come back: to end the process. On another thread.
  std::function<void(const std::string &reason)> onOverdue;
  /// On rank 0: another rank was asked to.
  std::function<void()> onInterrupt;
};

/// Rank 0's end. Its destructor waits until the others have left or all have failed.
std::unique_ptr<Communicator> openMeetingPlace(const plan::Mesh &mesh, Company company, SocketOptions options);
/// Another rank's.
std::unique_ptr<Communicator> openFarRank(const plan::Mesh &mesh, uint32_t rank, Company company,
                                          SocketOptions options);

} // namespace ft::rt
