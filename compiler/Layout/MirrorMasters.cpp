#include "compiler/Layout/MirrorMasters.h"

#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

/// The segment @initialize, made where nothing was to be done in it.
static func::FuncOp initializeOf(ModuleOp module) {
  const std::string name = plan::segmentName(plan::Segment::INITIALIZE);
  if (auto segment = module.lookupSymbol<func::FuncOp>(name))
    return segment;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  Location loc = NameLoc::get(builder.getStringAttr(name));
  auto segment = func::FuncOp::create(builder, loc, name, builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(segment.addEntryBlock());
  func::ReturnOp::create(builder, loc);
  return segment;
}

namespace {
/// What segments do with each variable, by its name.
struct Uses {
  explicit Uses(ModuleOp module) {
    for (auto segment : module.getOps<func::FuncOp>()) {
      const bool onTokens = plan::runsOnTokens(plan::segmentKind(segment.getSymName()));
      for (Operation &op : segment.getBody().front())
        if (auto read = dyn_cast<ReadOp>(op); read && onTokens)
          readsOnTokens[read.getVariableAttr().getAttr()].push_back(read);
        else if (auto write = dyn_cast<WriteOp>(op))
          writes[write.getVariableAttr().getAttr()].push_back(write);
    }
  }

  llvm::DenseMap<StringAttr, SmallVector<ReadOp>> readsOnTokens;
  llvm::DenseMap<StringAttr, SmallVector<WriteOp>> writes;
};
} // namespace

static VariableOp declareMirror(VariableOp parameter) {
  OpBuilder builder(parameter);
  builder.setInsertionPointAfter(parameter);
  const std::string name = (parameter.getSymName() + ".mirror").str();
  auto mirror = VariableOp::create(builder, NameLoc::get(builder.getStringAttr(name)), name, parameter.getTensorType(),
                                   Role::WorkingCopy);
  mirror.setOf(parameter.getSymName());
  mirror.setPaddingAttr(parameter.getPaddingAttr());
  return mirror;
}

/// The mirror of a parameter, or null where no segment needs one.
static VariableOp mirror(const Uses &uses, func::FuncOp &initialize, VariableOp parameter) {
  const auto reads = uses.readsOnTokens.find(parameter.getSymNameAttr());
  if (reads == uses.readsOnTokens.end())
    return nullptr;
  VariableOp mirror = declareMirror(parameter);
  for (ReadOp read : reads->second)
    read.setVariable(mirror.getSymName());
  for (WriteOp write : uses.writes.lookup(parameter.getSymNameAttr())) {
    OpBuilder builder(write);
    builder.setInsertionPointAfter(write);
    WriteOp::create(builder, write.getLoc(), mirror.getSymName(), write.getValue());
  }
  if (!initialize)
    initialize = initializeOf(parameter->getParentOfType<ModuleOp>());
  OpBuilder builder(initialize.getBody().front().getTerminator());
  Value value = ReadOp::create(builder, parameter.getLoc(), parameter.getTensorType(), parameter.getSymName());
  WriteOp::create(builder, parameter.getLoc(), mirror.getSymName(), value);
  return mirror;
}

void ft::mirrorMasters(ModuleOp module, MutableArrayRef<Bucket> buckets) {
  if (llvm::none_of(buckets, [](const Bucket &bucket) { return bucket.host; }))
    return;
  const Uses uses(module);
  func::FuncOp initialize;
  llvm::DenseMap<Operation *, VariableOp> mirrors; // by parameter
  for (Bucket &bucket : buckets)
    for (Bucket::Member &member : bucket.members)
      if (bucket.host && (member.mirror = mirror(uses, initialize, member.parameter)))
        mirrors[member.parameter] = member.mirror;
  for (Bucket &bucket : buckets)
    for (Bucket::Inserted &inserted : bucket.inserted)
      if (VariableOp mirror = mirrors.lookup(inserted.variable))
        inserted.variable = mirror;
}
