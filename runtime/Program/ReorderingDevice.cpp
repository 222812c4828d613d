#include "runtime/Program/ReorderingDevice.h"

#include <algorithm>

using namespace ft;
using namespace ft::rt;

ReorderingDevice::ReorderingDevice(std::unique_ptr<Device> device, Order o) : inner(std::move(device)), order(o) {
  description = inner->info();
  description.name = "reordering device";
  description.arch = "sm_90";
  description.targets = {"h200"};
}

Status ReorderingDevice::createQueues(uint32_t streamCount, uint32_t eventCount) {
  streams.resize(streamCount);
  events.resize(eventCount + 1);
  stamps.resize(eventCount + 1);
  return inner->createQueues(streamCount, eventCount);
}

Status ReorderingDevice::loadKernels(const plan::Plan &plan, std::span<const ImageView> images) {
  plan::Image blob;
  blob.set_format(plan::Image::CPU_BLOB), blob.set_arch("x86-64-v3");
  for (int kernel = 0; kernel < plan.kernels_size(); ++kernel)
    blob.add_entry_offsets(uint64_t(4096) * kernel);
  const ImageView view{&blob, images.front().bytes};
  return inner->loadKernels(plan, {&view, 1});
}

Status ReorderingDevice::launch(uint32_t stream, uint32_t kernel, uint64_t items, std::span<void *const> args) {
  return enqueue(stream, {[=, this] { return inner->launch(stream, kernel, items, args); }});
}
Status ReorderingDevice::hostLaunch(uint32_t stream, uint32_t handle) {
  return enqueue(stream, {[=, this] { return inner->hostLaunch(stream, handle); }});
}
Status ReorderingDevice::gemm(uint32_t stream, uint32_t handle, const void *a, const void *b, void *d, void *space) {
  return enqueue(stream, {[=, this] { return inner->gemm(stream, handle, a, b, d, space); }});
}
Status ReorderingDevice::scaledGemm(uint32_t stream, uint32_t handle, const GemmAddresses &addresses) {
  return enqueue(stream, {[=, this] { return inner->scaledGemm(stream, handle, addresses); }});
}
Status ReorderingDevice::transpose(uint32_t stream, const Region &dst, const Region &src) {
  return enqueue(stream, {[=, this] { return inner->transpose(stream, dst, src); }});
}
Status ReorderingDevice::copy(uint32_t stream, const Region &dst, const Region &src) {
  return enqueue(stream, {[=, this] { return inner->copy(stream, dst, src); }});
}
Status ReorderingDevice::fill(uint32_t stream, const Region &dst, uint8_t value) {
  return enqueue(stream, {[=, this] { return inner->fill(stream, dst, value); }});
}
Status ReorderingDevice::upload(uint32_t stream, void *device, const void *host, uint64_t bytes) {
  return enqueue(stream, {[=, this] { return inner->upload(stream, device, host, bytes); }});
}
Status ReorderingDevice::download(uint32_t stream, void *host, const void *device, uint64_t bytes) {
  return enqueue(stream, {[=, this] { return inner->download(stream, host, device, bytes); }});
}
Status ReorderingDevice::record(uint32_t stream, uint32_t event) {
  return enqueue(stream, {{}, event, 0, ++events[event].recorded});
}
Status ReorderingDevice::wait(uint32_t stream, uint32_t event) {
  return enqueue(stream, {{}, 0, event, events[event].recorded});
}
Status ReorderingDevice::stamp(uint32_t stream, uint32_t event) {
  return enqueue(stream, {[=, this] {
                   stamps[event] = ticks;
                   return Status();
                 }});
}

Status ReorderingDevice::enqueue(uint32_t stream, Entry entry) {
  if (capturing) {
    if (!entry.work)
      return failed("the reordering device captures one stream");
    graphs.back().push_back(std::move(entry.work));
    return {};
  }
  streams[stream].push_back(std::move(entry));
  return order == Order::LastFirst ? advanceAll(uint32_t(streams.size() - 1)) : Status();
}

Expected<bool> ReorderingDevice::advance(uint32_t stream) {
  if (streams[stream].empty())
    return false;
  Entry &next = streams[stream].front();
  if (next.waits && events[next.waits].happened < next.count)
    return false;
  ticks += stream == 0 && next.work;
  if (next.work)
    FT_RETURN_IF_ERROR(next.work());
  ran += stream == 0;
  if (next.records)
    events[next.records].happened = next.count, events[next.records].at = ran;
  streams[stream].pop_front();
  return true;
}

Status ReorderingDevice::advanceAll(uint32_t stream) {
  while (true) {
    FT_ASSIGN_OR_RETURN(const bool advanced, advance(stream));
    if (!advanced)
      return {};
  }
}

Status ReorderingDevice::require(uint32_t event, uint64_t count) {
  for (uint32_t s = 0; s < streams.size(); ++s)
    for (const Entry &entry : streams[s])
      if (entry.records == event && entry.count == count) {
        while (events[event].happened < count) {
          const Entry next = streams[s].front();
          if (next.waits)
            FT_RETURN_IF_ERROR(require(next.waits, next.count));
          FT_RETURN_IF_ERROR(advance(s).status());
        }
        return {};
      }
  return {};
}

Status ReorderingDevice::synchronizeEvent(uint32_t event) {
  if (events[event].happened == events[event].recorded) {
    if (events[event].recorded)
      latest = std::max(latest, ran - events[event].at);
    return {};
  }
  FT_RETURN_IF_ERROR(require(event, events[event].recorded));
  runDry += streams[0].empty();
  return {};
}

Status ReorderingDevice::synchronize() {
  for (size_t left = 1; left > 0;) {
    left = 0;
    for (uint32_t s = 0; s < streams.size(); ++s) {
      FT_RETURN_IF_ERROR(advanceAll(s));
      left += streams[s].size();
    }
  }
  return {};
}

Status ReorderingDevice::beginCapture() {
  capturing = true;
  graphs.emplace_back();
  return {};
}
Expected<uint32_t> ReorderingDevice::endCapture() {
  capturing = false;
  return uint32_t(graphs.size() - 1);
}
Status ReorderingDevice::launchGraph(uint32_t graph) {
  return enqueue(0, {[=, this] {
                   for (const Work &work : graphs[graph]) {
                     ++ticks;
                     FT_RETURN_IF_ERROR(work());
                   }
                   return Status();
                 }});
}
