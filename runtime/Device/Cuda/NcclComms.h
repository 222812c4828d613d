// NCCL's communicators of one rank, and how they end when a peer is lost.
#pragma once

#include "runtime/Communication/Communicator.h"
#include "runtime/Device/Cuda/NcclApi.h"
#include "runtime/Plan/Mesh.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace ft::rt {

/// One of all ranks, and one of each group that the plan's collectives run in.
///
/// When the ranks have failed, a thread of its own aborts them: kernels that wait for a peer end, and with them what
/// the rank's thread waits for. The abort itself returns only when all graphs that hold such kernels are gone, so
/// whoever owns this destroys them first, and nobody else waits for it.
class NcclComms {
public:
  NcclComms(const NcclApi &api, Communicator &host) : api(api), host(host) {}
  NcclComms(const NcclComms &) = delete;
  NcclComms &operator=(const NcclComms &) = delete;
  /// All ranks have done their work, or failed. Frees what communicators hold, without waiting for peers.
  ~NcclComms();

  /// All ranks together, their devices current on their threads.
  Status open(const plan::Mesh &mesh);
  /// The communicator of this rank's group over `axes`; members are numbered as the group's. All ranks together.
  Expected<NcclComm *> of(std::span<const uint32_t> axes);
  /// Calls into a communicator: between the ranks' failure and the abort nobody begins one.
  Status use(const std::function<Status()> &calls);

private:
  Status shareId(NcclId &id);
  void guard();
  void abortAll();

  const NcclApi &api;
  Communicator &host;
  std::optional<plan::Mesh> mesh;
  std::vector<NcclComm *> comms; ///< the first is of all ranks
  std::map<std::vector<uint32_t>, NcclComm *> byAxes;

  std::mutex calling; ///< held while in a call
  bool aborted = false;

  std::mutex mutex;
  std::condition_variable changed;
  bool failedRanks = false, closing = false;
  std::thread guardian;
};

} // namespace ft::rt
