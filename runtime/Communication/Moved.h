// The communicator of CPU ranks in several processes whose bytes a plug-in moves, from rank to rank.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Communication/Mover.h"
#include "runtime/Communication/Progress.h"
#include "runtime/Plan/Mesh.h"

#include <memory>

namespace ft::rt {

/// An opened plug-in.
struct Mover {
  const FtMover *functions = nullptr;
  void *self = nullptr;
};

/// This rank's end. Agreements, heartbeats and failures are `host`'s, which outlives it; collectives go by `mover`.
/// Sums are in the order of member numbers: each member gets its share of a piece from all others, reduces it, and
/// hands it back. Memory beside the ranks': one piece. While it waits it polls, so that it ends when the ranks fail.
/// All have done their last exchange when it goes, or have failed: an exchange does not see a rank that leaves in
/// silence.
std::unique_ptr<Communicator> openMoved(const plan::Mesh &mesh, Communicator &host, Mover mover, Progress *progress);

/// Opens the MPI plug-in, which lies beside the program or where FTRUN_MPI_PLUGIN says. CannotRun where it does not.
Expected<const FtMover *> loadMpi();
/// Starts MPI, all ranks together. CannotRun: it does not start, or the process is another rank there than `rank` of
/// `ranks`.
Expected<Mover> connectMpi(const FtMover &functions, uint32_t rank, uint32_t ranks);

} // namespace ft::rt
