#include "compiler/Planning/Schedule.h"

#include "compiler/Planning/ListSchedule.h"
#include "compiler/Planning/NearCompute.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ft;

static int64_t endOf(plan::OperandAttr o) {
  return o.getOffset() + (o.getBatch() - 1) * o.getBatchPitch() + (o.getRows() - 1) * o.getPitch() + o.getRowBytes();
}

static bool isContiguous(plan::OperandAttr o) {
  return o.getBatch() == 1 && (o.getRows() == 1 || o.getPitch() == o.getRowBytes());
}

/// Whether two regions of a buffer may share a byte: exact for blocks of one matrix, else by their first and last byte.
/// A share lies elsewhere on each rank: anywhere in its buffer.
static bool mayOverlap(plan::OperandAttr a, plan::OperandAttr b) {
  if (a.getRankPitch() || b.getRankPitch())
    return true;
  if (endOf(a) <= b.getOffset() || endOf(b) <= a.getOffset())
    return false;
  int64_t pitch = a.getPitch();
  auto isBlock = [&](plan::OperandAttr o) {
    return o.getBatch() == 1 && o.getPitch() == pitch && o.getOffset() % pitch + o.getRowBytes() <= pitch;
  };
  if (pitch == 0 || !isBlock(a) || !isBlock(b))
    return true;
  auto meet = [](int64_t x, int64_t xs, int64_t y, int64_t ys) { return x < y + ys && y < x + xs; };
  return meet(a.getOffset() % pitch, a.getRowBytes(), b.getOffset() % pitch, b.getRowBytes()) &&
         meet(a.getOffset() / pitch, a.getRows(), b.getOffset() / pitch, b.getRows());
}

/// Values that are on their way at most, each way: what a layer parks.
constexpr int64_t parkedDepth = 3;

/// What is fetched before or behind something so many times as large is not counted where room is.
constexpr int64_t smallShare = 64;

/// Bytes that are worth a stream: a scalar has left before an event would have happened.
constexpr int64_t leastLeaving = 4096;

namespace {

class SegmentScheduler {
public:
  SegmentScheduler(plan::SegmentOp s, const SymbolTable &t, const ScheduleOptions &o)
      : segment(s), symbols(t), options(o) {
    llvm::append_range(steps, segment.getBody().getOps<plan::StepOpInterface>());
    for (plan::StepOpInterface step : steps)
      operands.push_back(step.getAllOperands());
  }

  /// The number of streams that the segment needs.
  unsigned run() {
    if (!assignStreams())
      return 1;
    findDependences();
    joinStreams();
    keepNearCompute(tasks, findMovements(), parkedDepth);
    apply(listSchedule(tasks, streams, options.prefetchDepth));
    return streams;
  }

private:
  /// Nothing for what stays on the compute stream.
  std::optional<Resource> resourceOf(int64_t i) const {
    if (isa<plan::CollectiveOp>(*steps[i]))
      return Resource::Ranks;
    if (isa<plan::HostLaunchOp>(*steps[i]))
      return Resource::Host;
    if (isa<plan::TransposeOp>(*steps[i]))
      return Resource::Ahead;
    auto copy = dyn_cast<plan::CopyOp>(*steps[i]);
    if (!copy || (isOnDevice(copy.getSrc()) && isOnDevice(copy.getDst())))
      return std::nullopt;
    if (isOnDevice(copy.getDst()))
      return Resource::Copy;
    return copy.getSrc().getRows() * copy.getSrc().getRowBytes() < leastLeaving ? std::nullopt
                                                                                : std::optional(Resource::Leave);
  }

  plan::ArenaOp arenaOf(plan::OperandAttr operand) const {
    auto buffer = symbols.lookup<plan::BufferOp>(operand.getBuffer().getAttr());
    return symbols.lookup<plan::ArenaOp>(buffer.getArenaAttr().getAttr());
  }
  bool isOnDevice(plan::OperandAttr operand) const { return arenaOf(operand).getSpace() == plan::Space::Device; }

  /// Weights that come back and what is exchanged where it lies have a place; what is on its way to be used once has
  /// not.
  bool takesRoom(int64_t i) const { return !isInPlace(steps[i]) && roomOf(i) > 0; }

  /// Bytes of transient memory that a step writes.
  int64_t roomOf(int64_t i) const {
    int64_t bytes = 0;
    for (plan::OperandAttr operand : operands[i])
      if (operand.getWrite() != 0 && arenaOf(operand).getTransient())
        bytes += operand.getRows() * operand.getRowBytes() * operand.getBatch();
    return bytes;
  }

  /// A layer's norms are read until its last products: counted as its matrices are, they would keep the next layer's
  /// from being fetched until these are needed.
  void forgetSmall() {
    llvm::DenseMap<std::pair<unsigned, unsigned>, int64_t> before; // of those that take room, by stream and room
    SmallVector<int64_t> small;
    auto isSmall = [&](int64_t i, int64_t other) { return roomOf(i) * smallShare <= roomOf(other); };
    for (int64_t i = 0, count = steps.size(); i < count; ++i) {
      if (tasks[i].stream == 0 || !tasks[i].takesRoom)
        continue;
      auto [earlier, first] = before.try_emplace({tasks[i].stream, tasks[i].room}, i);
      if (!first && isSmall(i, earlier->second))
        small.push_back(i);
      if (!first && isSmall(earlier->second, i))
        small.push_back(earlier->second);
      earlier->second = i;
    }
    for (int64_t i : small)
      tasks[i].takesRoom = false;
  }

  /// What is reduced goes another way than what is gathered: if both had one room, a gather would wait until a
  /// reduction before it has been added to what was accumulated.
  static unsigned roomNumberOf(Operation *step) {
    auto collective = dyn_cast<plan::CollectiveOp>(step);
    return collective && collective.getKind() != plan::CollectiveKind::AllGather;
  }

  /// An exchange of what lies there already.
  static bool isInPlace(Operation *step) {
    auto collective = dyn_cast<plan::CollectiveOp>(step);
    return collective && llvm::all_of(collective.getWhole().getAsRange<plan::OperandAttr>(),
                                      [](plan::OperandAttr run) { return run.getRead() != 0 && run.getWrite() != 0; });
  }

  /// A graph begins and ends on stream 0, between the exchanges with the host. So what stands before the first or
  /// behind the last computation stays on its stream: there is nothing there to hide it behind. But what the host does
  /// is worth hiding behind what it does itself: then the last step of all takes the place of the last computation.
  bool assignStreams() {
    tasks.resize(steps.size());
    for (auto [i, step] : llvm::enumerate(steps)) {
      tasks[i].us = step.getPredictedUs().convertToDouble();
      if (!resourceOf(i) && !isa<plan::ReceiveOp, plan::EmitOp>(*step)) {
        first = first < 0 ? i : first;
        last = i;
      }
    }
    if (llvm::any_of(steps, [](plan::StepOpInterface step) { return isa<plan::HostLaunchOp>(*step); }))
      while (last + 1 < int64_t(steps.size()) && !isa<plan::EmitOp>(*steps[last + 1]))
        ++last;
    for (int64_t i = first + 1; i < last; ++i)
      if (std::optional<Resource> resource = resourceOf(i)) {
        tasks[i].stream = static_cast<unsigned>(*resource);
        tasks[i].takesRoom = takesRoom(i);
        tasks[i].room = roomNumberOf(steps[i]);
        streams = std::max(streams, tasks[i].stream + 1);
      }
    forgetSmall();
    return streams > 1;
  }

  /// Read after write, write after read, write after write, on regions that may overlap. What a write covers whole
  /// needs no more edges: whoever conflicts with it conflicts with the write.
  void findDependences() {
    struct Access {
      int64_t step;
      plan::OperandAttr operand;
    };
    llvm::DenseMap<Attribute, SmallVector<Access>> accesses;
    int64_t collective = -1; // the last: all ranks issue them in one order
    for (auto [i, its] : llvm::enumerate(operands)) {
      llvm::SmallSetVector<int64_t, 8> inputs, others;
      for (plan::OperandAttr operand : its)
        for (const Access &earlier : accesses[operand.getBuffer().getAttr()]) {
          bool wrote = earlier.operand.getWrite() != 0;
          if ((wrote || operand.getWrite() != 0) && mayOverlap(earlier.operand, operand))
            (wrote && operand.getRead() != 0 ? inputs : others).insert(earlier.step);
        }
      for (plan::OperandAttr operand : its) {
        SmallVector<Access> &list = accesses[operand.getBuffer().getAttr()];
        if (operand.getWrite() != 0 && isContiguous(operand) && !operand.getRankPitch())
          llvm::erase_if(list, [&](const Access &a) {
            return a.step != int64_t(i) && a.operand.getOffset() >= operand.getOffset() &&
                   endOf(a.operand) <= endOf(operand);
          });
        list.push_back({int64_t(i), operand});
      }
      if (isa<plan::CollectiveOp>(*steps[i])) {
        if (collective >= 0)
          others.insert(collective);
        collective = i;
      }
      others.remove_if([&](int64_t other) { return inputs.contains(other); });
      tasks[i].inputs.assign(inputs.begin(), inputs.end());
      tasks[i].after.assign(others.begin(), others.end());
    }
  }

  /// Made in the course of the segment, and there to stay: a gradient.
  bool leavesForGood(int64_t i) const {
    auto copy = dyn_cast<plan::CopyOp>(*steps[i]);
    return copy && arenaOf(copy.getSrc()).getTransient() && !arenaOf(copy.getDst()).getTransient();
  }

  /// Transposes, and values that leave: those that are parked, which come back in the same segment, and gradients. The
  /// host has room for all, and keepNearCompute sees to it that the device has.
  Movements findMovements() {
    Movements movements;
    auto runsOn = [&](int64_t i, Resource resource) { return tasks[i].stream == static_cast<unsigned>(resource); };
    for (auto [i, task] : llvm::enumerate(tasks)) {
      if (runsOn(i, Resource::Ahead))
        movements.fetches.push_back(i);
      if (runsOn(i, Resource::Leave) && leavesForGood(i))
        movements.leaves.push_back(i);
      if (!runsOn(i, Resource::Copy))
        continue;
      for (int64_t input : task.inputs)
        if (auto copy = dyn_cast<plan::CopyOp>(*steps[input]); copy && !isOnDevice(copy.getDst())) {
          movements.fetches.push_back(i);
          tasks[input].takesRoom = tasks[i].takesRoom = false;
          if (runsOn(input, Resource::Leave))
            movements.leaves.push_back(input);
        }
    }
    llvm::sort(movements.leaves);
    movements.leaves.erase(llvm::unique(movements.leaves), movements.leaves.end()); // some come back twice
    return movements;
  }

  /// Every stream starts behind the first computation and has ended before the last.
  void joinStreams() {
    for (int64_t i = first + 1; i < last; ++i)
      if (tasks[i].stream != 0) {
        tasks[i].after.push_back(first);
        tasks[last].after.push_back(i);
      }
  }

  void apply(const TaskOrder &schedule) {
    llvm::DenseMap<int64_t, int64_t> events; // the event behind a step
    for (int64_t i : schedule.order)
      for (int64_t before : schedule.waits[i])
        events.try_emplace(before, events.size() + 1);
    Block *block = &segment.getBody().front();
    for (int64_t i : schedule.order) {
      plan::StepOpInterface step = steps[i];
      step->moveBefore(block, block->end());
      SmallVector<int64_t> waits;
      for (int64_t before : schedule.waits[i])
        waits.push_back(events.lookup(before));
      step.setStream(tasks[i].stream);
      step.setWait(waits);
      step.setRecord(events.lookup(i));
    }
  }

  plan::SegmentOp segment;
  const SymbolTable &symbols;
  const ScheduleOptions &options;
  SmallVector<plan::StepOpInterface> steps;
  SmallVector<SmallVector<plan::OperandAttr>, 0> operands; // parallel to the steps
  SmallVector<Task, 0> tasks;                              // parallel to the steps
  unsigned streams = 1;
  int64_t first = -1, last = -1; // computations
};

} // namespace

void ft::schedule(ModuleOp module, const ScheduleOptions &options) {
  constexpr StringRef names[] = {"compute", "copy", "ranks", "host", "leave", "ahead"}; // by Resource
  SymbolTable symbols(module);
  unsigned streams = 1;
  for (auto segment : module.getOps<plan::SegmentOp>())
    streams = std::max(streams, SegmentScheduler(segment, symbols, options).run());
  module->setAttr("plan.streams", Builder(module.getContext()).getStrArrayAttr(ArrayRef(names).take_front(streams)));
}
