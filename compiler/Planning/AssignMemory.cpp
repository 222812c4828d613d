#include "compiler/Planning/AssignMemory.h"

#include "compiler/Planning/HappensBefore.h"
#include "compiler/Planning/OffsetPacking.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;

constexpr int64_t bufferAlignment = 256;

/// The order of a segment's steps that their streams and events give.
static HappensBefore orderOf(plan::SegmentOp segment) {
  auto number = [](Operation &step, StringRef name) {
    auto attribute = step.getAttrOfType<IntegerAttr>(name);
    return attribute ? attribute.getInt() : 0;
  };
  unsigned streams = 1;
  for (Operation &step : segment.getBody().front())
    streams = std::max<unsigned>(streams, number(step, "stream") + 1);
  HappensBefore order(streams);
  llvm::DenseMap<int64_t, int64_t> recordedBy; // event → step
  for (auto [index, step] : llvm::enumerate(segment.getBody().front())) {
    SmallVector<int64_t> after;
    if (auto waits = step.getAttrOfType<DenseI64ArrayAttr>("wait"))
      for (int64_t event : waits.asArrayRef())
        after.push_back(recordedBy.lookup(event));
    order.append(number(step, "stream"), after);
    recordedBy[number(step, "record")] = index;
  }
  return order;
}

namespace {
class MemoryAssigner {
public:
  explicit MemoryAssigner(ModuleOp m) : module(m), builder(m.getContext()) {
    for (auto arena : module.getOps<plan::ArenaOp>())
      arenas[arena.getSymNameAttr()] = arena;
    for (auto buffer : module.getOps<plan::BufferOp>())
      buffers[buffer.getSymNameAttr()] = buffer;
  }

  MemoryPeak run() {
    // Inputs first, behind each other: one copy fills them all (runtime/Plan/Staging.h).
    for (bool inputs : {true, false})
      for (auto &[name, buffer] : buffers)
        if (plan::ArenaOp arena = arenas.lookup(buffer.getArenaAttr().getAttr());
            !arena.getTransient() && (buffer.getBufferClass() == plan::BufferClass::Input) == inputs)
          append(arena, buffer);
    for (auto segment : module.getOps<plan::SegmentOp>())
      packSegment(segment);
    return std::move(peak);
  }

private:
  void append(plan::ArenaOp arena, plan::BufferOp buffer) {
    int64_t offset = llvm::alignTo(arena.getSize(), bufferAlignment);
    buffer.setOffset(offset);
    int64_t end = llvm::alignTo(offset + buffer.getSize(), bufferAlignment);
    arena.setSize(end);
    arena.setLargestLive(end);
  }

  void packSegment(plan::SegmentOp segment) {
    llvm::MapVector<Attribute, Lifetime> lifetimes;
    SmallVector<std::string> stepNames;
    plan::ArenaOp arena;
    const HappensBefore order = orderOf(segment);
    for (Operation &step : segment.getBody().front()) {
      int64_t index = stepNames.size();
      stepNames.push_back(step.getAttrOfType<StringAttr>("name").str());
      for (auto operand : step.getAttrOfType<ArrayAttr>("operands_").getAsRange<plan::OperandAttr>()) {
        plan::BufferOp buffer = buffers.lookup(operand.getBuffer().getAttr());
        plan::ArenaOp home = arenas.lookup(buffer.getArenaAttr().getAttr());
        if (!home.getTransient())
          continue;
        arena = home;
        auto [it, isNew] = lifetimes.try_emplace(operand.getBuffer().getAttr(),
                                                 Lifetime{index, index, static_cast<int64_t>(buffer.getSize())});
        it->second.last = std::max(it->second.last, order.lastBeside(index));
      }
    }
    if (lifetimes.empty())
      return;
    SmallVector<Lifetime> list;
    for (auto &[name, lifetime] : lifetimes)
      list.push_back(lifetime);
    Packing packing = packOffsets(list, bufferAlignment);
    arena.setSize(std::max<int64_t>(arena.getSize(), packing.size));
    arena.setLargestLive(std::max<int64_t>(arena.getLargestLive(), packing.largestLive));
    for (auto [entry, offset] : llvm::zip_equal(lifetimes, packing.offsets))
      buffers.lookup(cast<StringAttr>(entry.first)).setOffset(offset);
    if (packing.largestLive > peak.bytes)
      describePeak(segment, stepNames, lifetimes, packing);
  }

  void describePeak(plan::SegmentOp segment, ArrayRef<std::string> stepNames,
                    const llvm::MapVector<Attribute, Lifetime> &lifetimes, const Packing &packing) {
    peak = {segment.getSymName().str(), stepNames[packing.peakStep], packing.largestLive, {}};
    for (auto &[name, lifetime] : lifetimes)
      if (lifetime.first <= packing.peakStep && packing.peakStep <= lifetime.last)
        peak.values.push_back({cast<StringAttr>(name).str(), lifetime.size});
    llvm::stable_sort(peak.values, [](const PeakValue &a, const PeakValue &b) { return a.bytes > b.bytes; });
  }

  ModuleOp module;
  Builder builder;
  llvm::DenseMap<Attribute, plan::ArenaOp> arenas;
  llvm::MapVector<Attribute, plan::BufferOp> buffers;
  MemoryPeak peak;
};
} // namespace

MemoryPeak ft::assignMemory(ModuleOp module) { return MemoryAssigner(module).run(); }
