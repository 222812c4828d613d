// The communicator of CPU ranks in one process, a thread each.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Communication/Room.h"
#include "runtime/Plan/Mesh.h"

#include <memory>
#include <vector>

namespace ft::rt {

/// The ends of all ranks of the mesh, in rank order; each goes to its rank's thread. Ranks read and write each other's
/// memory: members meet, each does its share of the work, and they meet again. A waiting rank sleeps, since there may
/// be more ranks than cores. Sums are in the order of member numbers, whoever comes first.
std::vector<std::unique_ptr<Communicator>> openThreads(const plan::Mesh &mesh);
/// The same, meeting in `room`, which has as many ranks: its owner can fail a rank and ask who waits.
std::vector<std::unique_ptr<Communicator>> openThreads(const plan::Mesh &mesh, std::shared_ptr<Room> room);

} // namespace ft::rt
