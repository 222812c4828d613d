#include "compiler/Sharding/NormAhead.h"

#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ft;
using namespace ft::dist;
using namespace ft::model;

/// The segments that end a step's accumulation.
static SmallVector<func::FuncOp> lastSegments(ModuleOp module) {
  const bool several = bool(module.lookupSymbol<func::FuncOp>("accumulate_next"));
  SmallVector<func::FuncOp> segments;
  for (StringRef name : {several ? "accumulate_last" : "accumulate_first",
                         several ? "accumulate_last_targets" : "accumulate_first_targets"})
    if (auto segment = module.lookupSymbol<func::FuncOp>(name))
      segments.push_back(segment);
  return segments;
}

/// The one write of `value`; null where it has none.
static WriteOp writeOf(Value value) {
  for (Operation *user : value.getUsers())
    if (auto write = dyn_cast<WriteOp>(user))
      return write;
  return nullptr;
}

/// What `segment` writes to each of `variables`, in the order in which it is reduced; empty where one is not written,
/// or not reduced whole.
static SmallVector<Value> reducedIn(func::FuncOp segment, ArrayRef<StringRef> variables) {
  llvm::StringMap<Value> written;
  for (auto write : segment.getOps<WriteOp>())
    written[write.getVariable()] = write.getValue();
  SmallVector<Value> values;
  for (StringRef variable : variables) {
    auto done = written.lookup(variable) ? written.lookup(variable).getDefiningOp<DoneOp>() : DoneOp();
    if (!done || !done.getPending().getDefiningOp<StartAllReduceOp>())
      return {};
    values.push_back(written.lookup(variable));
  }
  auto startOf = [](Value value) { return value.getDefiningOp<DoneOp>().getPending().getDefiningOp(); };
  llvm::stable_sort(values, [&](Value a, Value b) { return startOf(a)->isBeforeInBlock(startOf(b)); });
  return values;
}

void ft::computeNormAhead(ModuleOp module) {
  auto update = module.lookupSymbol<func::FuncOp>("update");
  auto norms = update ? llvm::to_vector(update.getOps<GradNormOp>()) : SmallVector<GradNormOp>();
  WriteOp write = norms.size() == 1 ? writeOf(norms.front().getNorm()) : WriteOp();
  if (!write)
    return;
  GradNormOp norm = norms.front();
  SmallVector<StringRef> variables;
  for (Value gradient : norm.getGrads()) {
    auto read = gradient.getDefiningOp<ReadOp>();
    if (!read)
      return;
    variables.push_back(read.getVariable());
  }
  SmallVector<std::pair<func::FuncOp, SmallVector<Value>>> places;
  for (func::FuncOp segment : lastSegments(module)) {
    places.emplace_back(segment, reducedIn(segment, variables));
    if (places.back().second.empty())
      return;
  }
  if (places.empty())
    return;
  for (auto &[segment, gradients] : places) {
    OpBuilder builder(segment.getBody().front().getTerminator());
    Value value = GradNormOp::create(builder, norm.getLoc(), norm.getNorm().getType(), gradients);
    WriteOp::create(builder, write.getLoc(), write.getVariable(), value);
  }
  OpBuilder builder(norm);
  norm.getNorm().replaceAllUsesWith(
      ReadOp::create(builder, write.getLoc(), norm.getNorm().getType(), write.getVariable()));
  write.erase();
  norm.erase();
}
