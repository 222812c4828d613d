// A GPU for tests: the cpu driver behind queues that run as the events allow, not as the host enqueues.
#pragma once

#include "runtime/Device/Device.h"

#include <deque>
#include <functional>

namespace ft::rt {

/// Plays the device of TinyPlan::makeForGpu. Nothing runs when it is enqueued: what an order leaves open is decided as
/// a mistake would suffer from it most, so a missing event or a host that writes too early changes the results.
class ReorderingDevice : public Device {
public:
  enum class Order {
    LastFirst, ///< at every call, the last stream as far as its waits allow; the others when the host waits
    Lazy,      ///< only what the host waits for
  };
  ReorderingDevice(std::unique_ptr<Device> inner, Order order);

  /// How often the host, having waited for something, found stream 0 without work.
  uint64_t timesRunDry() const { return runDry; }
  /// How much stream 0 had done after what the host then waited for, at most: so late the host sees it.
  uint64_t latestWait() const { return latest; }
  /// How often usedBytes() was asked.
  uint64_t memoryQuestions() const { return questions; }

  const DeviceInfo &info() const override { return description; }
  Expected<void *> reserve(plan::Arena::Space space, uint64_t size, uint64_t alignment) override {
    return inner->reserve(space, size, alignment);
  }
  Status createQueues(uint32_t streams, uint32_t events) override;
  Status loadKernels(const plan::Plan &plan, std::span<const ImageView> images) override;
  Expected<uint32_t> prepareGemm(const plan::Gemm &gemm) override { return inner->prepareGemm(gemm); }
  Expected<uint32_t> prepareAttention(const plan::Attention &a) override { return inner->prepareAttention(a); }
  Expected<uint32_t> prepareHostLaunch(uint32_t kernel, uint64_t items, std::span<void *const> args) override {
    return inner->prepareHostLaunch(kernel, items, args);
  }
  Status launch(uint32_t stream, uint32_t kernel, uint64_t items, std::span<void *const> args) override;
  Status hostLaunch(uint32_t stream, uint32_t handle) override;
  Status gemm(uint32_t stream, uint32_t handle, const void *a, const void *b, void *d, void *workspace) override;
  Status scaledGemm(uint32_t stream, uint32_t handle, const GemmAddresses &addresses) override;
  Status attention(uint32_t, uint32_t, std::span<void *const>) override { return failed("no attention here"); }
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
  /// Time on this device is the work that stream 0 has done, so that a test can count it.
  Expected<double> elapsedMs(uint32_t from, uint32_t to) override { return double(stamps[to]) - double(stamps[from]); }
  uint64_t usedBytes() override { return ++questions; }

private:
  using Work = std::function<Status()>;
  struct Entry {
    Work work;
    uint32_t records = 0, waits = 0; ///< events
    uint64_t count = 0;              ///< which record of the event
  };
  struct Event {
    uint64_t recorded = 0, happened = 0;
    uint64_t at = 0; ///< entries of stream 0 that had run when it happened
  };
  Status enqueue(uint32_t stream, Entry entry);
  /// Runs the next entry of a stream if it may run now.
  Expected<bool> advance(uint32_t stream);
  Status advanceAll(uint32_t stream);
  /// Runs what must run for an event to have happened `count` times, and nothing else.
  Status require(uint32_t event, uint64_t count);

  std::unique_ptr<Device> inner;
  const Order order;
  DeviceInfo description;
  std::vector<std::deque<Entry>> streams;
  std::vector<Event> events;
  std::vector<uint64_t> stamps; ///< by event, in ticks
  std::vector<std::vector<Work>> graphs;
  bool capturing = false;
  uint64_t runDry = 0, questions = 0, ran = 0, latest = 0, ticks = 0;
};

} // namespace ft::rt
