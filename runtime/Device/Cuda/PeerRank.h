// One GPU among its peers.
#pragma once

#include "runtime/Device/Cuda/Peers.h"

namespace ft::rt {

/// A rank's end, and what makes its captures part of one graph.
///
/// Order between GPUs is that of ordinary events: at a moment each rank records one of its own and then waits for those
/// of all others, so that what a rank enqueues behind a moment runs behind what every rank has enqueued before it. The
/// host's threads meet in between, since an event must be recorded before anybody can be told to wait for it. Captured,
/// the same calls are the edges of a graph: nothing spins, nothing is baked that a replay would have to change.
class PeerRank final : public Communicator, public JointCapture {
public:
  enum Moment { Ready, Summed, Drained, Joined, Moments };

  PeerRank(std::shared_ptr<CudaPeers> peers, Communicator &host) : peers(std::move(peers)), host(host) {}

  uint32_t rank() const override { return host.rank(); }
  uint32_t size() const override { return host.size(); }
  Expected<uint64_t> agree(Agreement how, uint64_t value) override { return host.agree(how, value); }
  Status toRank0(uint32_t from, std::span<std::byte> bytes) override { return host.toRank0(from, bytes); }
  void abort(std::string reason) override { host.abort(std::move(reason)); }
  void whenFailed(std::function<void()> what) override { host.whenFailed(std::move(what)); }
  Expected<uint32_t> prepare(std::string_view name, const plan::Collective &collective,
                             const CollectiveMemory &memory) override;
  Status run(uint32_t stream, uint32_t handle) override;

  bool leads() const override { return rank() == 0; }
  Status fork() override;
  Status join() override;
  Expected<bool> allWell(bool well) override;

private:
  /// One run of a collective, by member of its group.
  struct Run {
    std::vector<std::byte *> whole, part;
    uint64_t wholeBytes = 0;
  };
  struct Prepared {
    plan::Collective::Kind kind{};
    std::vector<uint32_t> ranks; ///< of the group, by member
    uint32_t member = 0, root = 0;
    uint32_t kernel = 0;
    bool inPlace = true;
    std::byte *staging = nullptr; ///< for the shares of the other members; null: they are read where they are
    std::vector<Run> runs;
    std::vector<void *> arguments; ///< of the kernel; kept so that running allocates nothing
  };

  CudaDevice &device() { return *peers->members[rank()].device; }
  Status meet() { return host.agree(Agreement::Max, 0).status(); }
  Status pass(Moment moment, uint32_t stream, const std::vector<uint32_t> &ranks);
  Status copy(uint32_t stream, std::byte *to, const std::byte *from, uint64_t bytes);
  /// This rank's share of a run, reduced from all members' memory; nothing where it has none.
  Status sum(uint32_t stream, Prepared &c, const Run &run);
  Status allReduce(uint32_t stream, Prepared &c);
  Status allGather(uint32_t stream, const Prepared &c);

  /// Bytes of member `m`'s share of a run, and where it begins.
  std::pair<uint64_t, uint64_t> shareOf(const Prepared &c, const Run &run, uint32_t member);

  std::shared_ptr<CudaPeers> peers;
  Communicator &host;
  std::vector<Prepared> prepared;
};

} // namespace ft::rt
