// The device interface: what a plan's steps need from a processor. Two drivers implement it, Cpu/ and Cuda/.
#pragma once

#include "runtime/Plan/plan.pb.h"
#include "runtime/Support/Status.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ft::rt {

/// What a user is told about a device and its libraries: `ftrun --devices`, the banner, summary.json.
struct DeviceInfo {
  std::string name;                   ///< "NVIDIA H200", processor model on the CPU
  std::string place;                  ///< which of those that the driver shows: "CUDA device 1"; empty on the CPU
  std::string arch;                   ///< "sm_90", "x86-64-v4"
  std::vector<std::string> targets;   ///< target names that this device can run
  uint64_t totalBytes = 0;            ///< memory that the driver reports
  uint64_t freeBytes = 0;             ///< CPU: the smaller of MemAvailable and what the cgroup leaves
  std::vector<std::string> libraries; ///< "cuDNN 9.14.0 (path)"
  std::vector<std::string> missing;   ///< "cuDNN 9 (pip install nvidia-cudnn-cu12, or set FTC_CUDNN_DIR)"
};

/// One strided region of device memory: batch × rows × rowBytes (see plan::Operand).
struct Region {
  void *base = nullptr;
  uint64_t rows = 1, rowBytes = 0, pitch = 0, batch = 1, batchPitch = 0;
};

/// Where the operands of a product with scales lie; workspace null where the plan has none.
struct GemmAddresses {
  const void *a = nullptr, *b = nullptr;
  void *d = nullptr, *workspace = nullptr;
  const void *scaleA = nullptr, *scaleB = nullptr;
};

/// Kernel image bytes as they lie in the plan file, with their description.
struct ImageView {
  const plan::Image *image = nullptr;
  std::span<const std::byte> bytes;
};

/// Work on a stream is asynchronous with respect to the host and ordered within the stream; everything before the
/// first step (reserve, load*, prepare*) is synchronous and may allocate, nothing later does. One thread drives a
/// device. Errors of asynchronous work surface at the next synchronize.
class Device {
public:
  virtual ~Device() = default;
  virtual const DeviceInfo &info() const = 0;

  /// Reserves `size` zeroed bytes, every page present. Fails with CannotRun, naming both sizes.
  virtual Expected<void *> reserve(plan::Arena::Space space, uint64_t size, uint64_t alignment) = 0;
  /// Creates streams 0..streams-1 and events 1..events.
  virtual Status createQueues(uint32_t streams, uint32_t events) = 0;
  /// Chooses among the images the best one that this processor runs.
  virtual Status loadKernels(const plan::Plan &plan, std::span<const ImageView> images) = 0;
  /// Resolves a GEMM or an attention within the workspace that the plan reserves; returns a handle for the calls
  /// below. Equal shapes share a handle.
  virtual Expected<uint32_t> prepareGemm(const plan::Gemm &gemm) = 0;
  virtual Expected<uint32_t> prepareAttention(const plan::Attention &attention) = 0;

  /// Resolves a launch on the processors of the host, over memory of the host; returns a handle for hostLaunch.
  virtual Expected<uint32_t> prepareHostLaunch(uint32_t kernel, uint64_t items, std::span<void *const> args) = 0;

  virtual Status launch(uint32_t stream, uint32_t kernel, uint64_t items, std::span<void *const> args) = 0;
  virtual Status hostLaunch(uint32_t stream, uint32_t handle) = 0;
  virtual Status gemm(uint32_t stream, uint32_t handle, const void *a, const void *b, void *d, void *workspace) = 0;
  /// gemm() of a product of codes, with the scales of A's rows and of D's columns.
  virtual Status scaledGemm(uint32_t stream, uint32_t handle, const GemmAddresses &addresses) = 0;
  /// `args` in the order of plan::Attention's operand fields q .. workspace, null where absent.
  virtual Status attention(uint32_t stream, uint32_t handle, std::span<void *const> args) = 0;
  virtual Status copy(uint32_t stream, const Region &dst, const Region &src) = 0;
  /// Byte r of row c of dst = byte c of row r of src; neither has batches.
  virtual Status transpose(uint32_t stream, const Region &dst, const Region &src) = 0;
  virtual Status fill(uint32_t stream, const Region &dst, uint8_t value) = 0;
  /// An event that was never recorded counts as one that has happened.
  virtual Status record(uint32_t stream, uint32_t event) = 0;
  virtual Status wait(uint32_t stream, uint32_t event) = 0;
  /// Records an event for elapsedMs alone. Captured, every replay of the graph records it anew.
  virtual Status stamp(uint32_t stream, uint32_t event) = 0;
  virtual Status synchronize() = 0;
  /// Blocks the host until the event has happened; a driver may wait for more.
  virtual Status synchronizeEvent(uint32_t) { return synchronize(); }

  /// Host ↔ device, `bytes` contiguous; `host` is pinned or the call blocks.
  virtual Status upload(uint32_t stream, void *device, const void *host, uint64_t bytes) = 0;
  virtual Status download(uint32_t stream, void *host, const void *device, uint64_t bytes) = 0;

  /// Records what is enqueued on stream 0, and on streams joined by events, until endCapture; returns a graph that
  /// launchGraph replays. A driver without graphs (CPU) returns supportsCapture() false.
  virtual bool supportsCapture() const = 0;
  virtual Status beginCapture() = 0;
  virtual Expected<uint32_t> endCapture() = 0;
  virtual Status launchGraph(uint32_t graph) = 0;

  /// Milliseconds between two recorded events, after synchronize.
  virtual Expected<double> elapsedMs(uint32_t from, uint32_t to) = 0;

  /// True where device memory is host memory and every call has done its work when it returns (CPU).
  virtual bool hostAccessible() const { return false; }

  /// Device memory that this process holds now, arenas and driver context included; 0 where the driver cannot tell
  /// (the CPU, whose memory the operating system accounts).
  virtual uint64_t usedBytes() { return 0; }

  /// What computes each prepared product, in the order of handles: where it differs, results may.
  virtual std::vector<std::string> products() const { return {}; }
  /// products() of another run, of this plan or of one with products of the same shapes: prepareGemm takes the same
  /// where the library offers it. Called before the first is prepared.
  virtual void preferProducts(std::vector<std::string>) {}
  /// In how many ways the library can compute a prepared product, the present one first; 1 where there is no choice.
  virtual Expected<uint32_t> waysOf(uint32_t) { return 1u; }
  /// From now on the product is computed in that way; graphs that are captured stay as they are.
  virtual Status takeWay(uint32_t, uint32_t) { return failed("there is no choice"); }
};

/// Processors in this process's affinity mask, cut to the cgroup's quota; at least 1.
uint32_t usableProcessors();

/// Memory of the host that this process may still take: the smaller of what the system has and what its cgroups leave.
uint64_t freeHostBytes();

/// Opens the CPU driver with a team of `threads` (0: every processor that this process may use).
Expected<std::unique_ptr<Device>> openCpuDevice(uint32_t threads);
Expected<std::unique_ptr<Device>> openCudaDevice(uint32_t ordinal);

/// What `ftrun --devices` prints of one driver: its devices, without opening them for work, and what is missing on
/// this machine altogether ("libcuda.so.1: no NVIDIA driver").
struct DeviceList {
  std::vector<DeviceInfo> devices;
  std::vector<std::string> missing;
};
DeviceList listCpuDevices();
DeviceList listCudaDevices();

} // namespace ft::rt
