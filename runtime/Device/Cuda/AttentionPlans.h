// The attentions of a plan, built by cuDNN at load.
#pragma once

#include "runtime/Device/Cuda/AttentionGraph.h"
#include "runtime/Device/Cuda/OffsetScaler.h"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ft::rt {

/// Where in the workspace operand each part of one attention lies, all aligned to 256 bytes: cuDNN's own workspace at
/// offset 0, the graph's pieces, then for ragged forms the four scaled offset arrays.
struct AttentionWorkspace {
  std::map<AttentionTensor, uint64_t> offsets;
  uint64_t ownBytes = 0; ///< all but cuDNN's
};

/// Offsets relative to the end of cuDNN's part.
AttentionWorkspace layoutWorkspace(const plan::Attention &attention, const std::vector<WorkspacePiece> &pieces);

/// Prepared attentions, one per distinct shape and workspace. Building one takes 0.1–2 s of host time, so start()
/// builds many on several threads; prepare() waits for its own. run() enqueues.
class AttentionPlans {
public:
  /// `cudnn` and `driver` outlive this object; `context` is the device's.
  AttentionPlans(const CudnnApi &cudnn, const DriverApi &driver, CUcontext context, int computeCapability);
  ~AttentionPlans();
  AttentionPlans(const AttentionPlans &) = delete;
  AttentionPlans &operator=(const AttentionPlans &) = delete;

  /// Begins to build what is not yet known; failures surface in prepare().
  void start(std::span<const plan::Attention> attentions);

  /// BadInput or CannotRun as checkAttention() and CudnnGraph::build() say.
  Expected<uint32_t> prepare(const plan::Attention &attention);

  /// `args` as Device::attention() says.
  Status run(CUstream stream, uint32_t handle, std::span<void *const> args);

private:
  struct Prepared;
  struct Builders;
  Status build(Prepared &prepared, cudnnHandle_t handle) const;
  Status bindStream(CUstream stream);

  const CudnnApi &cudnn;
  const DriverApi &driver;
  const CUcontext context;
  const int capability;
  cudnnHandle_t handle = nullptr;
  CUstream boundStream = nullptr;
  bool streamIsBound = false, scalerIsLoaded = false;
  OffsetScaler scaler;
  std::map<std::string, std::unique_ptr<Prepared>> known;
  std::vector<Prepared *> handles;
  std::vector<std::unique_ptr<Builders>> builders;
};

} // namespace ft::rt
