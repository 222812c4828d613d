// The cpu driver: every call has done its work when it returns, so streams and events order nothing that is not
// ordered already; events keep the time.
#include "runtime/Device/Cpu/Gemm.h"
#include "runtime/Device/Cpu/HostMemory.h"
#include "runtime/Device/Cpu/KernelBlob.h"
#include "runtime/Device/Cpu/Processor.h"
#include "runtime/Device/Cpu/Team.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

using namespace ft;
using namespace ft::rt;

namespace {
using Clock = std::chrono::steady_clock;

/// Below this many bytes waking the team costs more than it saves.
constexpr uint64_t serialBytes = 1 << 16;

/// Rows [begin, end) of `to`, which are columns of `from`, of `rows` rows; tile by tile, each in few lines of the
/// cache.
void transposeBytes(const std::byte *from, uint64_t pitch, uint64_t rows, std::byte *to, uint64_t toPitch,
                    int64_t begin, int64_t end) {
  constexpr uint64_t tile = 64;
  for (uint64_t column = begin; column < uint64_t(end); column += tile)
    for (uint64_t row = 0; row < rows; row += tile)
      for (uint64_t c = column; c < std::min<uint64_t>(end, column + tile); ++c)
        for (uint64_t r = row; r < std::min(rows, row + tile); ++r)
          to[c * toPitch + r] = from[r * pitch + c];
}

class CpuDevice final : public Device {
public:
  CpuDevice(DeviceInfo deviceInfo, CpuLibraries cpuLibraries, uint32_t threads, Bf16Products bf16Products)
      : information(std::move(deviceInfo)), libraries(std::move(cpuLibraries)), team(libraries.openMp, threads),
        gemms(libraries, team, bf16Products) {}

  const DeviceInfo &info() const override { return information; }
  /// Whether the team is as large as it was asked to be.
  Status checkTeam() const {
    const uint32_t given = team.given();
    if (given == team.threads())
      return {};
    return cannotRun(fmt::format("a team of {} threads cannot be started: the OpenMP runtime gives {}; unset "
                                 "OMP_THREAD_LIMIT and OMP_MAX_ACTIVE_LEVELS, or ask for fewer with --threads",
                                 team.threads(), given));
  }

  Expected<void *> reserve(plan::Arena::Space, uint64_t size, uint64_t alignment) override {
    return reservations.reserve(size, alignment);
  }

  Status createQueues(uint32_t streams, uint32_t events) override {
    streamCount = streams;
    times.assign(events + 1, Clock::time_point());
    return {};
  }

  Status loadKernels(const plan::Plan &plan, std::span<const ImageView> images) override {
    FT_ASSIGN_OR_RETURN(kernels, KernelBlob::load(plan, images, information.arch));
    FT_ASSIGN_OR_RETURN(hostKernels, KernelBlob::load(plan, images, information.arch, /*host=*/true));
    return {};
  }

  Expected<uint32_t> prepareGemm(const plan::Gemm &gemm) override { return gemms.prepare(gemm); }
  std::vector<std::string> products() const override { return gemms.descriptions(); }

  Expected<uint32_t> prepareAttention(const plan::Attention &) override {
    return cannotRun("attention of a library (cuDNN) is a form for NVIDIA GPUs; plans for the CPU use the tiled form: "
                     "compile with --gpu cpu");
  }

  Expected<uint32_t> prepareHostLaunch(uint32_t kernel, uint64_t items, std::span<void *const> args) override {
    hostLaunches.push_back({hostKernels.entry(kernel), static_cast<int64_t>(items), {args.begin(), args.end()}});
    return static_cast<uint32_t>(hostLaunches.size() - 1);
  }

  Status launch(uint32_t, uint32_t kernel, uint64_t items, std::span<void *const> args) override {
    runItems(kernels.entry(kernel), static_cast<int64_t>(items), args.data());
    return {};
  }

  Status hostLaunch(uint32_t, uint32_t handle) override {
    const HostLaunch &launch = hostLaunches[handle];
    runItems(launch.entry, launch.items, launch.args.data());
    return {};
  }

  Status gemm(uint32_t, uint32_t handle, const void *a, const void *b, void *d, void *workspace) override {
    return gemms[handle].run(a, b, d, workspace);
  }

  Status scaledGemm(uint32_t, uint32_t handle, const GemmAddresses &addresses) override {
    return gemms[handle].runScaled(addresses);
  }

  Status transpose(uint32_t, const Region &dst, const Region &src) override {
    const auto *from = static_cast<const std::byte *>(src.base);
    auto *to = static_cast<std::byte *>(dst.base);
    team.run(static_cast<int64_t>(dst.rows), [&](int64_t begin, int64_t end) {
      transposeBytes(from, src.pitch, dst.rowBytes, to, dst.pitch, begin, end);
    });
    return {};
  }

  Status attention(uint32_t, uint32_t, std::span<void *const>) override {
    return failed("attention was enqueued on the CPU without having been prepared");
  }

  Status copy(uint32_t, const Region &dst, const Region &src) override {
    forEachRow(
        dst,
        [&](int64_t batch, int64_t row, uint64_t begin, uint64_t bytes) {
          std::memmove(rowAddress(dst, batch, row) + begin, rowAddress(src, batch, row) + begin, bytes);
        },
        isDense(dst) && isDense(src));
    return {};
  }

  Status fill(uint32_t, const Region &dst, uint8_t value) override {
    forEachRow(
        dst,
        [&](int64_t batch, int64_t row, uint64_t begin, uint64_t bytes) {
          std::memset(rowAddress(dst, batch, row) + begin, value, bytes);
        },
        isDense(dst));
    return {};
  }

  Status record(uint32_t, uint32_t event) override {
    times[event] = Clock::now();
    return {};
  }
  Status wait(uint32_t, uint32_t) override { return {}; }
  Status stamp(uint32_t stream, uint32_t event) override { return record(stream, event); }
  Status synchronize() override { return {}; }

  Status upload(uint32_t, void *device, const void *host, uint64_t bytes) override {
    std::memcpy(device, host, bytes);
    return {};
  }
  Status download(uint32_t, void *host, const void *device, uint64_t bytes) override {
    std::memcpy(host, device, bytes);
    return {};
  }

  bool hostAccessible() const override { return true; }
  bool supportsCapture() const override { return false; }
  Status beginCapture() override { return noGraphs(); }
  Expected<uint32_t> endCapture() override { return noGraphs(); }
  Status launchGraph(uint32_t) override { return noGraphs(); }

  Expected<double> elapsedMs(uint32_t from, uint32_t to) override {
    return std::chrono::duration<double, std::milli>(times[to] - times[from]).count();
  }

private:
  struct HostLaunch {
    KernelEntry entry;
    int64_t items;
    std::vector<void *> args;
  };

  void runItems(KernelEntry entry, int64_t items, void *const *args) {
    team.run(items, [&](int64_t begin, int64_t end) { entry(args, begin, end); });
  }
  static Status noGraphs() { return failed("the cpu driver has no graphs; segments run eagerly"); }
  static char *rowAddress(const Region &region, int64_t batch, int64_t row) {
    return static_cast<char *>(region.base) + batch * region.batchPitch + row * region.pitch;
  }
  static bool isDense(const Region &r) {
    return (r.rows <= 1 || r.pitch == r.rowBytes) && (r.batch <= 1 || r.batchPitch == r.rows * r.rowBytes);
  }

  /// body(batch, row, first byte, bytes) over the region, spread over the team where it is large: by bytes where the
  /// region is one run of them, else by rows.
  template <typename Body> void forEachRow(const Region &region, Body body, bool dense) {
    const int64_t rows = std::max<uint64_t>(1, region.rows), batch = std::max<uint64_t>(1, region.batch);
    const uint64_t total = rows * batch * region.rowBytes;
    if (dense && total >= serialBytes)
      return team.run(static_cast<int64_t>(total), [&](int64_t begin, int64_t end) { body(0, 0, begin, end - begin); });
    auto someRows = [&](int64_t begin, int64_t end) {
      for (int64_t index = begin; index < end; ++index)
        body(index / rows, index % rows, 0, region.rowBytes);
    };
    if (total < serialBytes)
      return someRows(0, rows * batch);
    team.run(rows * batch, someRows);
  }

  DeviceInfo information;
  CpuLibraries libraries;
  Team team;
  Reservations reservations;
  KernelBlob kernels, hostKernels;
  std::vector<HostLaunch> hostLaunches;
  GemmCache gemms;
  uint32_t streamCount = 0;
  std::vector<Clock::time_point> times;
};

DeviceInfo describeProcessor(const std::string &level) {
  DeviceInfo info;
  const HostMemory memory = readHostMemory();
  info.name = processorName();
  info.arch = level;
  info.targets = {"cpu"};
  info.totalBytes = memory.totalBytes;
  info.freeBytes = memory.freeBytes;
  return info;
}

void describeLibraries(const CpuLibraries &libraries, DeviceInfo &info) {
  if (libraries.hasDnnl)
    info.libraries.push_back(libraries.description);
  else
    info.missing.push_back(libraries.missing);
}
/// The OpenMP runtime ends the process where it gets no thread: as many are started first, all at once.
Status checkThreads(uint32_t count) {
  std::mutex gate;
  std::vector<std::thread> started;
  std::string reason;
  {
    const std::lock_guard closed(gate);
    try {
      started.reserve(count);
      while (started.size() + 1 < count)
        started.emplace_back([&gate] { const std::lock_guard wait(gate); });
    } catch (const std::exception &error) {
      reason = error.what();
    }
  }
  for (std::thread &thread : started)
    thread.join();
  if (reason.empty())
    return {};
  return cannotRun(
      fmt::format("a team of {} threads cannot be started: the machine gives this process {} beside its own "
                  "({}); raise what ulimit -u and ulimit -v say, or pass --threads {}",
                  count, started.size(), reason, std::max<size_t>(1, started.size() / 2)));
}
} // namespace

Expected<std::unique_ptr<Device>> ft::rt::openCpuDevice(uint32_t threads) {
  FT_ASSIGN_OR_RETURN(const std::string level, processorLevel());
  FT_ASSIGN_OR_RETURN(CpuLibraries libraries, openCpuLibraries());
  // A forced level holds for the library too. oneDNN takes the limit only before its first use in a process; later the
  // call changes nothing, which is right for a second device of the same process.
  if (libraries.hasDnnl && level == "x86-64-v3")
    libraries.dnnl.dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2);
  DeviceInfo info = describeProcessor(level);
  describeLibraries(libraries, info);
  const uint32_t count = threads ? threads : usableProcessors();
  FT_RETURN_IF_ERROR(checkThreads(count));
  info.name += fmt::format(", {} thread{}", count, count == 1 ? "" : "s");
  auto device = std::make_unique<CpuDevice>(std::move(info), std::move(libraries), count, bf16ProductsOf(level));
  FT_RETURN_IF_ERROR(device->checkTeam());
  return std::unique_ptr<Device>(std::move(device));
}

DeviceList ft::rt::listCpuDevices() {
  DeviceList list;
  auto level = processorLevel();
  DeviceInfo info = describeProcessor(level.ok() ? *level : "below x86-64-v3");
  info.name += fmt::format(", {} processors", usableProcessors());
  if (!level.ok()) {
    info.targets.clear();
    info.missing.push_back(level.status().message());
  }
  auto libraries = openCpuLibraries();
  if (libraries.ok())
    describeLibraries(*libraries, info);
  else
    info.missing.push_back(libraries.status().message());
  list.devices.push_back(std::move(info));
  return list;
}
