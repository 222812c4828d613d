// A clock in the place of a device, for tests.
#pragma once

#include "runtime/Device/Device.h"

#include <map>
#include <utility>
#include <vector>

namespace ft::rt {

/// A device for tests of stamps that only tells the time: an event's number is when it happened, in the order of
/// stamps.
class Clockwork : public Device {
public:
  std::vector<std::pair<uint32_t, uint32_t>> stamps; ///< stream, event
  std::map<uint32_t, double> at;
  double now = 0;

  Status stamp(uint32_t stream, uint32_t event) override {
    stamps.emplace_back(stream, event);
    at[event] = now;
    return {};
  }
  Expected<double> elapsedMs(uint32_t from, uint32_t to) override {
    if (!at.contains(from) || !at.contains(to))
      return failed("an event was never recorded");
    return at[to] - at[from];
  }

  const DeviceInfo &info() const override { return nothing; }
  Expected<void *> reserve(plan::Arena::Space, uint64_t, uint64_t) override { return nullptr; }
  Status createQueues(uint32_t, uint32_t) override { return {}; }
  Status loadKernels(const plan::Plan &, std::span<const ImageView>) override { return {}; }
  Expected<uint32_t> prepareGemm(const plan::Gemm &) override { return 0u; }
  Expected<uint32_t> prepareAttention(const plan::Attention &) override { return 0u; }
  Status launch(uint32_t, uint32_t, uint64_t, std::span<void *const>) override { return {}; }
  Expected<uint32_t> prepareHostLaunch(uint32_t, uint64_t, std::span<void *const>) override { return 0u; }
  Status hostLaunch(uint32_t, uint32_t) override { return {}; }
  Status gemm(uint32_t, uint32_t, const void *, const void *, void *, void *) override { return {}; }
  Status scaledGemm(uint32_t, uint32_t, const GemmAddresses &) override { return {}; }
  Status transpose(uint32_t, const Region &, const Region &) override { return {}; }
  Status attention(uint32_t, uint32_t, std::span<void *const>) override { return {}; }
  Status copy(uint32_t, const Region &, const Region &) override { return {}; }
  Status fill(uint32_t, const Region &, uint8_t) override { return {}; }
  Status record(uint32_t, uint32_t) override { return {}; }
  Status wait(uint32_t, uint32_t) override { return {}; }
  Status synchronize() override { return {}; }
  Status upload(uint32_t, void *, const void *, uint64_t) override { return {}; }
  Status download(uint32_t, void *, const void *, uint64_t) override { return {}; }
  bool supportsCapture() const override { return false; }
  Status beginCapture() override { return {}; }
  Expected<uint32_t> endCapture() override { return 0u; }
  Status launchGraph(uint32_t) override { return {}; }

private:
  DeviceInfo nothing;
};

} // namespace ft::rt
