#include "compiler/Layout/MirrorMasters.h"

#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

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

static SmallVector<ReadOp> readsOnTokens(ModuleOp module, VariableOp parameter) {
  SmallVector<ReadOp> reads;
  for (auto segment : module.getOps<func::FuncOp>())
    if (plan::runsOnTokens(plan::segmentKind(segment.getSymName())))
      for (auto read : segment.getOps<ReadOp>())
        if (read.getVariable() == parameter.getSymName())
          reads.push_back(read);
  return reads;
}

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
static VariableOp mirror(ModuleOp module, VariableOp parameter) {
  const SmallVector<ReadOp> reads = readsOnTokens(module, parameter);
  if (reads.empty())
    return nullptr;
  VariableOp mirror = declareMirror(parameter);
  for (ReadOp read : reads)
    read.setVariable(mirror.getSymName());
  for (auto segment : module.getOps<func::FuncOp>())
    for (auto write : llvm::make_early_inc_range(segment.getOps<WriteOp>()))
      if (write.getVariable() == parameter.getSymName()) {
        OpBuilder builder(write);
        builder.setInsertionPointAfter(write);
        WriteOp::create(builder, write.getLoc(), mirror.getSymName(), write.getValue());
      }
  OpBuilder builder(initializeOf(module).getBody().front().getTerminator());
  Value value = ReadOp::create(builder, parameter.getLoc(), parameter.getTensorType(), parameter.getSymName());
  WriteOp::create(builder, parameter.getLoc(), mirror.getSymName(), value);
  return mirror;
}

void ft::mirrorMasters(ModuleOp module, MutableArrayRef<Bucket> buckets) {
  llvm::DenseMap<Operation *, VariableOp> mirrors; // by parameter
  for (Bucket &bucket : buckets)
    for (Bucket::Member &member : bucket.members)
      if (bucket.host && (member.mirror = mirror(module, member.parameter)))
        mirrors[member.parameter] = member.mirror;
  for (Bucket &bucket : buckets)
    for (Bucket::Inserted &inserted : bucket.inserted)
      if (VariableOp mirror = mirrors.lookup(inserted.variable))
        inserted.variable = mirror;
}
