// Greedy, in the block's order: an operation joins the latest group that makes one of its row operands (producer and
// consumer) or reads one of them (siblings). Joining moves the whole group down to the operation, so it is allowed if
//  1. both have one row space, and the kernel stays within its registers;
//  2. nothing between them needs the group and is needed by the operation (else there would be a cycle);
//  3. it is not backward's in a group of the forward part, which would have to wait for backward: a value that is made
//     again next to its like would be kept after all;
//  4. what the group's members feed in between ends in few steps at a variable (a weight's gradient): nothing else
//  waits.
// Cost: for each candidate one walk over the operations that depend on the group, which rule 4 keeps short.
#include "compiler/Fusion/FusionGroups.h"

#include "compiler/Fusion/RowSpace.h"
#include "dialects/Dist/Dist.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

#include <queue>

using namespace mlir;

namespace ft {

namespace {
struct Node {
  Operation *op = nullptr;
  std::optional<RowSpace> space; ///< set: row-wise
  int group = -1;
  SmallVector<int> next, previous; ///< values, and order of accesses to one variable
};

class Grouping {
public:
  Grouping(Block &block, const FusionLimits &limits) : limits(limits) {
    addNodes(block);
    addValueEdges();
    addVariableEdges();
  }
  SmallVector<FusionGroup> run();

private:
  void addNodes(Block &block);
  void addValueEdges();
  void addVariableEdges();
  void addEdge(int from, int to);
  SmallVector<int> candidatesOf(int node);
  bool canJoin(int node, int group);
  bool fitsRegisters(int node, int group);
  bool staysAcyclic(int node, int group);
  bool endsSoon(int node, int group, ArrayRef<int> delayed);
  SmallVector<int> successors(int node);
  SmallVector<int> schedule();

  FusionLimits limits;
  SmallVector<Node> nodes;
  llvm::DenseMap<Operation *, int> numberOf;
  SmallVector<SmallVector<int>> groups;
};
} // namespace

/// Working copies of parameters: Planning merges them into one kernel over a whole bucket.
static bool castsParameter(Operation *op) {
  auto cast = dyn_cast<model::CastOp>(op);
  if (!cast)
    return false;
  Operation *source = cast.getX().getDefiningOp();
  if (auto view = dyn_cast_or_null<model::ViewOp>(source))
    source = view.getBucket().getDefiningOp();
  if (auto read = dyn_cast_or_null<model::ReadOp>(source)) {
    auto variable = SymbolTable::lookupNearestSymbolFrom<model::VariableOp>(read, read.getVariableAttr());
    return variable && (variable.isTrained() || variable.getRole() == model::Role::Frozen);
  }
  return isa_and_nonnull<model::Optimizer>(source);
}

void Grouping::addNodes(Block &block) {
  for (Operation &op : block.without_terminator()) {
    Node node;
    node.op = &op;
    if (isa<model::RowWise>(op) && !castsParameter(&op))
      node.space = getRowSpace(&op);
    node.group = nodes.size();
    numberOf[&op] = nodes.size();
    groups.push_back({int(nodes.size())});
    nodes.push_back(std::move(node));
  }
}

void Grouping::addEdge(int from, int to) {
  nodes[from].next.push_back(to);
  nodes[to].previous.push_back(from);
}

void Grouping::addValueEdges() {
  for (int to = 0; to < int(nodes.size()); ++to)
    for (Value operand : nodes[to].op->getOperands())
      if (auto from = numberOf.find(operand.getDefiningOp()); from != numberOf.end())
        addEdge(from->second, to);
}

void Grouping::addVariableEdges() {
  llvm::DenseMap<StringAttr, int> lastWrite;
  llvm::DenseMap<StringAttr, SmallVector<int>> readsSince;
  for (int n = 0; n < int(nodes.size()); ++n) {
    auto read = dyn_cast<model::ReadOp>(nodes[n].op);
    auto write = dyn_cast<model::WriteOp>(nodes[n].op);
    if (!read && !write)
      continue;
    StringAttr name = (read ? read.getVariableAttr() : write.getVariableAttr()).getAttr();
    if (auto last = lastWrite.find(name); last != lastWrite.end())
      addEdge(last->second, n);
    if (read) {
      readsSince[name].push_back(n);
      continue;
    }
    for (int reader : readsSince[name])
      addEdge(reader, n);
    readsSince[name].clear();
    lastWrite[name] = n;
  }
}

/// What follows a node, where a whole group follows as soon as one member does.
SmallVector<int> Grouping::successors(int node) {
  SmallVector<int> all;
  for (int member : groups[nodes[node].group])
    llvm::append_range(all, nodes[member].next);
  return all;
}

SmallVector<int> Grouping::candidatesOf(int node) {
  llvm::SmallSetVector<int, 8> found;
  for (OpOperand &operand : nodes[node].op->getOpOperands()) {
    if (!isRowOperand(operand))
      continue;
    if (auto producer = numberOf.find(operand.get().getDefiningOp()); producer != numberOf.end())
      found.insert(nodes[producer->second].group);
    for (OpOperand &use : operand.get().getUses())
      if (auto user = numberOf.find(use.getOwner()); user != numberOf.end() && user->second < node && isRowOperand(use))
        found.insert(nodes[user->second].group);
  }
  SmallVector<int> latestFirst = found.takeVector();
  llvm::sort(latestFirst, [&](int a, int b) { return groups[a].back() > groups[b].back(); });
  return latestFirst;
}

bool Grouping::fitsRegisters(int node, int group) {
  SmallVector<int> members = groups[group];
  members.push_back(node);
  llvm::SmallPtrSet<Operation *, 8> inside;
  for (int member : members)
    inside.insert(nodes[member].op);
  llvm::SmallPtrSet<Value, 16> tensors;
  for (int member : members) {
    for (OpOperand &operand : nodes[member].op->getOpOperands())
      if (isRowOperand(operand) && !inside.contains(operand.get().getDefiningOp()))
        tensors.insert(operand.get());
    for (Value result : nodes[member].op->getResults())
      if (cast<RankedTensorType>(result.getType()).getRank() == 2 &&
          !llvm::all_of(result.getUsers(), [&](Operation *user) { return inside.contains(user); }))
        tensors.insert(result);
  }
  return tensors.size() <= limits.rowTensors;
}

bool Grouping::staysAcyclic(int node, int group) {
  llvm::SmallSetVector<int, 16> delayed;
  SmallVector<int> open(1, groups[group].front());
  llvm::SmallDenseSet<int, 16> seen{group};
  while (!open.empty()) {
    for (int next : successors(open.pop_back_val())) {
      if (next >= node || !seen.insert(nodes[next].group).second)
        continue;
      llvm::append_range(open, groups[nodes[next].group]);
      delayed.insert(groups[nodes[next].group].begin(), groups[nodes[next].group].end());
      if (delayed.size() > limits.delayed)
        return false;
    }
  }
  if (llvm::any_of(nodes[node].previous, [&](int p) { return delayed.contains(p); }))
    return false;
  return endsSoon(node, group, delayed.getArrayRef());
}

/// Everything that depends on what is delayed, wherever it stands, is little.
bool Grouping::endsSoon(int node, int group, ArrayRef<int> delayed) {
  SmallVector<int> open(delayed.begin(), delayed.end());
  llvm::SmallDenseSet<int, 16> seen(delayed.begin(), delayed.end());
  while (!open.empty()) {
    for (int next : successors(open.pop_back_val())) {
      if (next == node || nodes[next].group == group)
        continue;
      if (seen.insert(next).second && !dist::isStart(nodes[next].op)) // a bucket ends at variables, however many
        open.push_back(next);
      if (seen.size() > limits.delayed)
        return false;
    }
  }
  return true;
}

bool Grouping::canJoin(int node, int group) {
  const Node &first = nodes[groups[group].front()];
  if (model::isBackward(nodes[node].op) && !model::isBackward(first.op))
    return false;
  // Heads and blocks of columns are small items that share nothing; column sums keep a row of sums in registers.
  if (first.space != nodes[node].space || first.space->kind != RowSpace::Kind::Rows)
    return false;
  auto keepsSums = [&](int n) { return isa<kernel::ColumnPartialsOp>(nodes[n].op); };
  if (keepsSums(node) || llvm::any_of(groups[group], keepsSums))
    return false;
  return fitsRegisters(node, group) && staysAcyclic(node, group);
}

/// Kahn's algorithm over groups; among those that can run, the one whose last member stands first.
SmallVector<int> Grouping::schedule() {
  SmallVector<int> waits(groups.size(), 0), order;
  for (const Node &node : nodes)
    for (int next : node.next)
      waits[nodes[next].group] += nodes[next].group != node.group;
  std::priority_queue<std::pair<int, int>, std::vector<std::pair<int, int>>, std::greater<>> ready;
  for (int g = 0; g < int(groups.size()); ++g)
    if (!groups[g].empty() && !waits[g])
      ready.push({groups[g].back(), g});
  while (!ready.empty()) {
    const int g = ready.top().second;
    ready.pop();
    order.push_back(g);
    for (int member : groups[g])
      for (int next : nodes[member].next)
        if (int other = nodes[next].group; other != g && --waits[other] == 0)
          ready.push({groups[other].back(), other});
  }
  return order;
}

SmallVector<FusionGroup> Grouping::run() {
  for (int node = 0; node < int(nodes.size()); ++node) {
    if (!nodes[node].space)
      continue;
    for (int group : candidatesOf(node)) {
      if (!canJoin(node, group))
        continue;
      groups[node].clear();
      groups[group].push_back(node);
      nodes[node].group = group;
      break;
    }
  }
  SmallVector<FusionGroup> result;
  for (int g : schedule()) {
    FusionGroup group;
    for (int member : groups[g])
      group.ops.push_back(nodes[member].op);
    group.rowWise = nodes[groups[g].front()].space.has_value();
    result.push_back(std::move(group));
  }
  return result;
}

SmallVector<FusionGroup> formFusionGroups(Block &block, const FusionLimits &limits) {
  return Grouping(block, limits).run();
}

} // namespace ft
