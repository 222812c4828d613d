// One GPU whose collectives are NCCL's: ranks in several processes, or where GPUs cannot read each other's memory.
#pragma once

#include "runtime/Communication/Trail.h"
#include "runtime/Device/Cuda/CudaDevice.h"
#include "runtime/Device/Cuda/NcclComms.h"
#include "runtime/Device/Cuda/NormKernel.h"

#include <vector>

namespace ft::rt {

/// A rank's end. Each rank captures a graph of its own, in which NCCL's kernels wait for the peers'. Sums are in the
/// order of NCCL's ring, which its version, the pinned variables and the machine fix.
///
/// A kernel that waits for a peer must not meet a call of the driver that waits for the kernel: outside of captures
/// ranks meet on the host before each collective, their devices idle, and wait behind it.
class NcclRank final : public Communicator {
public:
  /// All ranks together. `host` connects their threads or processes and outlives this; `device` goes first.
  static Expected<std::unique_ptr<NcclRank>> open(const NcclApi &api, const plan::Mesh &mesh, Communicator &host,
                                                  CudaDevice &device);

  uint32_t rank() const override { return host.rank(); }
  uint32_t size() const override { return host.size(); }
  Expected<uint64_t> agree(Agreement how, uint64_t value) override { return host.agree(how, value); }
  Status toRank0(uint32_t from, std::span<std::byte> bytes) override { return host.toRank0(from, bytes); }
  void abort(std::string reason) override { host.abort(std::move(reason)); }
  void whenFailed(std::function<void()> what) override { host.whenFailed(std::move(what)); }
  Expected<uint32_t> prepare(std::string_view name, const plan::Collective &collective,
                             const CollectiveMemory &memory) override;
  Status run(uint32_t stream, uint32_t handle) override;
  Status enter(uint64_t step, plan::Segment::Kind segment) override;
  const Trail *trail() const override { return &path; }

private:
  struct Run {
    std::byte *whole, *part;
    uint64_t elements; ///< of what a call counts: the whole, or a part where there are parts
  };
  struct Prepared {
    plan::Collective::Kind kind{};
    bool norm = false;
    NcclOp op{};
    NcclType type{};
    uint32_t root = 0, members = 0;
    NcclComm *comm = nullptr;
    std::vector<Run> runs;
    std::byte *gathered = nullptr; ///< of a norm: one number a member
  };

  NcclRank(const NcclApi &api, const plan::Mesh &mesh, Communicator &host, CudaDevice &device, TrailWords *words)
      : api(api), mesh(mesh), host(host), device(device), words(words), path(words), comms(api, host) {}
  Status prepareNorm(Prepared &c, plan::DType dtype);
  Status meetIdle();
  Status enqueue(uint32_t stream, const Prepared &c);
  NcclResult call(CUstream stream, const Prepared &c, const Run &run) const;

  const NcclApi &api;
  const plan::Mesh mesh;
  Communicator &host;
  CudaDevice &device;
  TrailWords *const words; ///< pinned, the device's
  Trail path;
  uint32_t segments = 0; ///< begun
  NormKernel norm;
  std::vector<Prepared> prepared;
  NcclComms comms; ///< last: goes first
};

} // namespace ft::rt
