// The driver for NVIDIA GPUs behind Device.h: the CUDA driver interface alone, cuBLASLt and cuDNN opened at run time.
#pragma once

#include "runtime/Device/Cpu/HostMemory.h"
#include "runtime/Device/Cpu/HostNode.h"
#include "runtime/Device/Cpu/HostTeam.h"
#include "runtime/Device/Cpu/KernelBlob.h"
#include "runtime/Device/Cuda/AttentionPlans.h"
#include "runtime/Device/Cuda/ByteTranspose.h"
#include "runtime/Device/Cuda/GemmPlans.h"
#include "runtime/Device/Device.h"

#include <deque>
#include <memory>
#include <vector>

namespace ft::rt {

/// What opening a device needs; tests give a driver and places of their own.
struct CudaSetup {
  std::string driverLibrary = "libcuda.so.1";
  SearchPlaces places;
};

/// Makes captures on several devices one graph, launched by one of them. All ranks call the same in the same order, a
/// thread each.
class JointCapture {
public:
  virtual ~JointCapture() = default;
  /// Whose stream 0 captures, and launches.
  virtual bool leads() const = 0;
  /// What others enqueue on stream 0 from now on follows what the leader has there, and so belongs to its capture.
  virtual Status fork() = 0;
  /// What the leader enqueues on stream 0 from now on follows what the others have there.
  virtual Status join() = 0;
  /// True on all ranks where `well` is on all.
  virtual Expected<bool> allWell(bool well) = 0;
};

/// One GPU by its primary context, which is current on the thread that opened the device; the same thread drives it.
/// Streams do not wait for the null stream. Everything that a member enqueues is captured as a graph node while a
/// capture is on.
class CudaDevice final : public Device {
public:
  /// CannotRun: no driver, no such device, too little left to open it. cuBLASLt or cuDNN may be missing: info() says
  /// so, and prepareGemm() or prepareAttention() fail with the same text.
  static Expected<std::unique_ptr<Device>> open(const CudaSetup &setup, uint32_t ordinal);
  ~CudaDevice() override;

  const DeviceInfo &info() const override { return description; }
  Expected<void *> reserve(plan::Arena::Space space, uint64_t size, uint64_t alignment) override;
  Status createQueues(uint32_t streams, uint32_t events) override;
  /// Also begins to build the plan's attentions, which takes longest of all loading.
  Status loadKernels(const plan::Plan &plan, std::span<const ImageView> images) override;
  Expected<uint32_t> prepareGemm(const plan::Gemm &gemm) override;
  Expected<uint32_t> prepareAttention(const plan::Attention &attention) override;
  std::vector<std::string> products() const override {
    return gemms ? gemms->descriptions() : std::vector<std::string>();
  }
  Expected<uint32_t> prepareHostLaunch(uint32_t kernel, uint64_t items, std::span<void *const> args) override;
  void preferProducts(std::vector<std::string> descriptions) override { preferred = std::move(descriptions); }
  Expected<uint32_t> waysOf(uint32_t gemm) override;
  Status takeWay(uint32_t gemm, uint32_t way) override;
  Status launch(uint32_t stream, uint32_t kernel, uint64_t items, std::span<void *const> args) override;
  Status hostLaunch(uint32_t stream, uint32_t handle) override;
  Status gemm(uint32_t stream, uint32_t handle, const void *a, const void *b, void *d, void *workspace) override;
  Status scaledGemm(uint32_t stream, uint32_t handle, const GemmAddresses &addresses) override;
  Status attention(uint32_t stream, uint32_t handle, std::span<void *const> args) override;
  Status copy(uint32_t stream, const Region &dst, const Region &src) override;
  Status transpose(uint32_t stream, const Region &dst, const Region &src) override;
  Status fill(uint32_t stream, const Region &dst, uint8_t value) override;
  Status record(uint32_t stream, uint32_t event) override;
  Status wait(uint32_t stream, uint32_t event) override;
  Status stamp(uint32_t stream, uint32_t event) override;
  Status synchronize() override;
  Status synchronizeEvent(uint32_t event) override;
  Status upload(uint32_t stream, void *device, const void *host, uint64_t bytes) override;
  Status download(uint32_t stream, void *host, const void *device, uint64_t bytes) override;
  bool supportsCapture() const override { return true; }
  Status beginCapture() override;
  Expected<uint32_t> endCapture() override;
  Status launchGraph(uint32_t graph) override;
  Expected<double> elapsedMs(uint32_t from, uint32_t to) override;
  /// All memory of the GPU that is in use: other processes on it count as well.
  uint64_t usedBytes() override;

  //===-- among peers --------------------------------------------------------------------------------------------===//

  /// From now on captures and graphs are those of all ranks. `with` outlives the device's use.
  void captureWith(JointCapture &with) { joint = &with; }
  /// CannotRun where the hardware has no way to.
  Status readMemoryOf(const CudaDevice &peer);
  /// An event beside the plan's; the device's own.
  Expected<CUevent> addEvent();
  Status record(uint32_t stream, CUevent event);
  Status wait(uint32_t stream, CUevent event);
  const plan::Kernel &kernel(uint32_t index) const { return kernels[index].kernel; }

  //===-- for NCCL -----------------------------------------------------------------------------------------------===//

  const DriverApi &api() const { return driver; }
  CUstream stream(uint32_t index) const { return streams[index]; }
  bool isCapturing() const { return capturing; }
  /// A word of pinned memory gets this value when the stream comes here.
  Status write(uint32_t stream, uint32_t *word, uint32_t value);
  /// What info() says of a library that somebody else opened.
  void addLibrary(std::string text) { description.libraries.push_back(std::move(text)); }

private:
  struct LoadedKernel {
    CUfunction function = nullptr;
    plan::Kernel kernel;
  };
  struct Reservation {
    plan::Arena::Space space;
    void *memory;
    uint64_t bytes;
  };
  struct HostLaunch {
    HostTeam *team;
    KernelEntry entry;
    int64_t items;
    std::vector<void *> args;
  };

  explicit CudaDevice(DriverApi api) : driver(std::move(api)) {}
  Status openContext(uint32_t ordinal);
  void findNode();
  void openLibraries(const SearchPlaces &places);
  Status beginOwnCapture();
  Expected<CUgraphExec> endOwnCapture();
  Status checkQueue(uint32_t stream) const;
  Status checkEvent(uint32_t event) const;
  Expected<CUmodule> loadImage(const ImageView &view);
  Status copyRows(CUstream stream, const Region &dst, const Region &src);
  Status loadHostKernels(const plan::Plan &plan, std::span<const ImageView> images);
  static void CUDA_CB runOnHost(void *launch);
  bool isHostMemory(const void *address) const;
  Status fillHost(uint32_t stream, const Region &dst, uint8_t value);

  DriverApi driver;
  DeviceInfo description;
  CUdevice device = 0;
  CUcontext context = nullptr;
  int capability = 0; ///< major · 10 + minor
  HostNode node;      ///< that the card is near to
  std::vector<Reservation> reservations;
  Reservations pageable; ///< HOST arenas
  std::vector<CUstream> streams;
  std::vector<CUevent> events; ///< event e is events[e - 1]
  std::vector<CUmodule> modules;
  std::vector<LoadedKernel> kernels; ///< by kernel of the plan; those for the host have no function
  KernelBlob hostKernels;
  std::unique_ptr<HostTeam> hostTeam;  ///< null where nothing runs on the host
  std::deque<HostLaunch> hostLaunches; ///< which graphs point to
  std::vector<CUgraphExec> graphs;
  bool capturing = false;
  JointCapture *joint = nullptr;
  std::vector<CUevent> peerEvents;
  std::vector<void *> parameters; ///< of launch(), kept to allocate nothing there
  Status cublasStatus, cudnnStatus;
  ByteTranspose transposer; ///< loaded where the plan transposes
  CublasApi cublas;
  CudnnApi cudnn;
  std::vector<std::string> preferred; ///< products
  std::unique_ptr<GemmPlans> gemms;
  std::unique_ptr<AttentionPlans> attentions;
};

/// What a driver and the libraries say of device `ordinal`, without its libraries' versions.
Expected<DeviceInfo> describeCudaDevice(const DriverApi &driver, int ordinal);

} // namespace ft::rt
