// Which version each value of a segment has, and what variables hold when it begins.
#include "compiler/Planning/SegmentLayout.h"
#include "compiler/Planning/ValuePlaces.h"
#include "dialects/Dist/Dist.h"
#include "runtime/Plan/Kinds.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace ft;

/// What @finish makes anew of buckets, in the order of the program, and the gradients that it makes it of, where they
/// have left and the next micro-batch's are to come; nothing where there is no @finish.
static llvm::SmallSetVector<StringAttr, 8> endedByFinish(func::FuncOp segment) {
  llvm::SmallSetVector<StringAttr, 8> ended;
  auto module = segment->getParentOfType<ModuleOp>();
  auto finish = module.lookupSymbol<func::FuncOp>(plan::segmentName(plan::Segment::FINISH));
  if (!finish)
    return ended;
  SymbolTable symbols(module);
  for (auto write : finish.getOps<model::WriteOp>())
    if (symbols.lookup<model::VariableOp>(write.getVariable()).getBucket())
      ended.insert(write.getVariableAttr().getAttr());
  for (auto read : finish.getOps<model::ReadOp>())
    if (auto variable = symbols.lookup<model::VariableOp>(read.getVariable());
        variable.getHost() && variable.getRole() == model::Role::Gradient)
      ended.insert(read.getVariableAttr().getAttr());
  return ended;
}

/// What a variable holds between @update and @finish, which makes it anew or needs it last. Versions mean nothing but
/// equality: this is above those that are counted, and below that of workspaces.
static int64_t betweenBoth(int64_t version) { return version + (1 << 29); }

/// Weights that @update gathers, or that come back from the host; and what is @finish's in its place.
void SegmentLayout::findStale() {
  if (plan::segmentKind(segment.getSymName()) != plan::Segment::UPDATE)
    return;
  for (StringAttr variable : endedByFinish(segment)) {
    const int64_t version = variables.version(variable.getValue());
    stale.push_back({variables.place(variable.getValue()).buffer, version, betweenBoth(version)});
  }
  auto isMadeAnew = [](Value value) {
    auto done = value.getDefiningOp<dist::DoneOp>();
    return value.getDefiningOp<model::TransferOp>() ||
           (done && isa<dist::StartAllGatherOp>(done.getPending().getDefiningOp()));
  };
  for (auto write : segment.getOps<model::WriteOp>())
    if (isMadeAnew(write.getValue()))
      stale.push_back(
          {variables.place(write.getVariable()).buffer, variables.version(write.getVariable()), nextVersion++});
}

/// What a variable holds has the variable's version, whoever reads or writes it; members have their bucket's.
void SegmentLayout::assignVersions() {
  const auto unfinished = plan::finishes(plan::segmentKind(segment.getSymName()))
                              ? endedByFinish(segment)
                              : llvm::SmallSetVector<StringAttr, 8>();
  auto versionBefore = [&](FlatSymbolRefAttr symbol) {
    const StringRef variable = symbol.getValue();
    if (unfinished.contains(symbol.getAttr()))
      return betweenBoth(variables.version(variable));
    for (const Rename &rename : stale)
      if (rename.buffer == variables.place(variable).buffer && rename.from == variables.version(variable))
        return rename.to;
    return variables.version(variable);
  };
  // The write to the variable that a value lies in, if it is written to several.
  auto writerThere = [&](Value v) -> model::WriteOp {
    for (Operation *user : v.getUsers())
      if (auto write = dyn_cast<model::WriteOp>(user); write && place(v) == variables.place(write.getVariable()))
        return write;
    return nullptr;
  };
  for (ArrayRef<Value> tuple : tuples) {
    int64_t version = nextVersion++;
    for (Value v : tuple)
      versions[v] = version;
  }
  for (Operation &op : segment.getBody().front())
    for (Value v : op.getResults())
      if (auto read = dyn_cast<model::ReadOp>(op))
        versions[v] = versionBefore(read.getVariableAttr());
      else if (isa<model::ViewOp, model::InsertOp, model::StoredOp, dist::SliceOp>(op))
        versions[v] = versions.lookup(op.getOperand(0));
      else if (dist::isStart(&op))
        continue;
      else if (model::WriteOp write = writerThere(v))
        versions[v] = variables.version(write.getVariable());
      else if (!versions.contains(v))
        versions[v] = nextVersion++;
  for (auto assemble : segment.getOps<model::AssembleOp>())
    for (auto [member, offset] : llvm::zip_equal(assemble.getMembers(), assemble.getOffsets()))
      if (place(member) == memberPlace(place(assemble.getBucket()), offset, member.getType()))
        versions[member] = versions.lookup(assemble.getBucket());
}
