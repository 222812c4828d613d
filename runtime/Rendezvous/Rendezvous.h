// How the processes of a run find each other: over TCP, at rank 0.
#pragma once

#include "runtime/Rendezvous/Connection.h"
#include "runtime/Rendezvous/Launch.h"
#include "runtime/Rendezvous/RollCall.h"

namespace ft::rt {

/// A process at the other end of some connections.
struct Peer {
  std::string host;
  uint64_t process = 0;
  std::vector<Connection> channels;
};

/// Who has come.
struct Company {
  std::vector<Peer> peers;  ///< on rank 0 by rank, its own without connections; elsewhere rank 0 alone
  uint32_t ranksOnHost = 1; ///< of this process's host, with itself
};

/// Rank 0's part: waits at `listener` until every other rank has come over `channels` connections, has proved that it
/// knows the secret, and is found to be the same in every fact; then all of them are told. Fails, and tells all who
/// have come or come within ten seconds, with the code and the message of what differs or of a rank's own problem;
/// with CannotRun, naming ranks, where some do not come in time; with Interrupted where `stop` says so. Reads no more
/// than one frame of each connection. Nothing listens when it returns.
Expected<Company> gather(Descriptor listener, const Launch &launch, const Attendance &own, uint32_t channels,
                         const std::function<bool()> &stop);

/// Another rank's part: comes to rank 0, as often as it takes within the time. Fails as rank 0 says.
Expected<Company> join(const Launch &launch, const Attendance &own, uint32_t channels,
                       const std::function<bool()> &stop);

/// A large world needs more descriptors than a shell allows at first. gather does it for its process.
void raiseDescriptorLimit();

} // namespace ft::rt
