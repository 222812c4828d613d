#include "compiler/Planning/AssignMemory.h"

#include "compiler/Planning/HappensBefore.h"
#include "compiler/Planning/OffsetPacking.h"

#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;

constexpr int64_t bufferAlignment = 256;

/// The order of a segment's steps that their streams and events give.
static HappensBefore orderOf(plan::SegmentOp segment) {
  auto steps = segment.getBody().getOps<plan::StepOpInterface>();
  unsigned streams = 1;
  for (plan::StepOpInterface step : steps)
    streams = std::max<unsigned>(streams, step.getStream() + 1);
  HappensBefore order(streams);
  llvm::DenseMap<int64_t, int64_t> recordedBy; // event → step
  for (auto [index, step] : llvm::enumerate(steps)) {
    SmallVector<int64_t> after;
    for (int64_t event : step.getWait())
      after.push_back(recordedBy.lookup(event));
    order.append(step.getStream(), after);
    recordedBy[step.getRecord()] = index;
  }
  return order;
}

namespace {
class MemoryAssigner {
public:
  explicit MemoryAssigner(ModuleOp m) : module(m) {
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

  using Lifetimes = llvm::MapVector<plan::BufferOp, Lifetime>;

  /// Each transient arena by itself: what runs beside a step is of account where it touches the arena as well.
  void packSegment(plan::SegmentOp segment) {
    llvm::MapVector<plan::ArenaOp, Lifetimes> transient;
    llvm::DenseMap<plan::ArenaOp, llvm::BitVector> touching; // steps
    SmallVector<StringRef> stepNames;
    SmallVector<plan::StepOpInterface> steps(segment.getBody().getOps<plan::StepOpInterface>());
    auto visit = [&](llvm::function_ref<void(int64_t, plan::ArenaOp, plan::BufferOp)> with) {
      for (auto [index, step] : llvm::enumerate(steps))
        step.visitOperands([&, index = int64_t(index)](StringRef, plan::OperandAttr operand) {
          plan::BufferOp buffer = buffers.lookup(operand.getBuffer().getAttr());
          if (plan::ArenaOp home = arenas.lookup(buffer.getArenaAttr().getAttr()); home.getTransient())
            with(index, home, buffer);
        });
    };
    for (plan::StepOpInterface step : steps)
      stepNames.push_back(step.getName());
    visit([&](int64_t index, plan::ArenaOp home, plan::BufferOp) {
      llvm::BitVector &its = touching[home];
      its.resize(steps.size());
      its.set(index);
    });
    const HappensBefore order = orderOf(segment);
    visit([&](int64_t index, plan::ArenaOp home, plan::BufferOp buffer) {
      auto [it, isNew] =
          transient[home].try_emplace(buffer, Lifetime{index, index, static_cast<int64_t>(buffer.getSize())});
      const llvm::BitVector &its = touching[home];
      it->second.last =
          std::max(it->second.last, order.lastBeside(index, [&](int64_t other) { return its.test(other); }));
    });
    peak.segments.push_back({segment.getSymName().str(), 0});
    for (auto &[arena, lifetimes] : transient)
      peak.segments.back().second += pack(segment, arena, lifetimes, stepNames);
  }

  /// Bytes of the packing in device memory.
  int64_t pack(plan::SegmentOp segment, plan::ArenaOp arena, const Lifetimes &lifetimes,
               ArrayRef<StringRef> stepNames) {
    SmallVector<Lifetime> list;
    for (auto &[buffer, lifetime] : lifetimes)
      list.push_back(lifetime);
    Packing packing = packOffsets(list, bufferAlignment);
    arena.setSize(std::max<int64_t>(arena.getSize(), packing.size));
    arena.setLargestLive(std::max<int64_t>(arena.getLargestLive(), packing.largestLive));
    for (auto [entry, offset] : llvm::zip_equal(lifetimes, packing.offsets))
      plan::BufferOp(entry.first).setOffset(offset);
    if (arena.getSpace() != plan::Space::Device)
      return 0;
    if (packing.largestLive <= peak.bytes)
      return packing.size;
    peak.arena = arena.getSymName().str();
    peak.segment = segment.getSymName().str();
    peak.step = stepNames[packing.peakStep].str();
    peak.bytes = packing.largestLive;
    peak.values.clear();
    for (auto &[buffer, lifetime] : lifetimes)
      if (lifetime.first <= packing.peakStep && packing.peakStep <= lifetime.last)
        peak.values.push_back({plan::BufferOp(buffer).getSymName().str(), lifetime.size});
    llvm::stable_sort(peak.values, [](const PeakValue &a, const PeakValue &b) { return a.bytes > b.bytes; });
    return packing.size;
  }

  ModuleOp module;
  llvm::DenseMap<Attribute, plan::ArenaOp> arenas;
  llvm::MapVector<Attribute, plan::BufferOp> buffers;
  MemoryPeak peak;
};
} // namespace

MemoryPeak ft::assignMemory(ModuleOp module) { return MemoryAssigner(module).run(); }
