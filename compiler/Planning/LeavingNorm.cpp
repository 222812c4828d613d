#include "compiler/Planning/LeavingNorm.h"

#include "dialects/Ft/Ft.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static ReadOp readOf(Value gradient) { return gradient.getDefiningOp<ReadOp>(); }

/// The norm of @update's that reads gradients of the host; null where there is none.
static GradNormOp leavingNormOf(func::FuncOp update, const SymbolTable &symbols) {
  auto isThere = [&](Value gradient) {
    ReadOp read = readOf(gradient);
    return read && symbols.lookup<VariableOp>(read.getVariable()).getHost();
  };
  for (auto norm : update.getOps<GradNormOp>())
    if (llvm::any_of(norm.getGrads(), isThere) && llvm::all_of(norm.getGrads(), readOf))
      return norm;
  return nullptr;
}

/// At the segment's end, of what it writes where `norm` reads.
static void takeIn(func::FuncOp segment, GradNormOp norm, VariableOp result) {
  llvm::StringMap<Value> written;
  for (auto write : segment.getOps<WriteOp>())
    written[write.getVariable()] = write.getValue();
  SmallVector<Value> gradients;
  for (Value gradient : norm.getGrads())
    gradients.push_back(written.lookup(readOf(gradient).getVariable()));
  OpBuilder builder(segment.getBody().front().getTerminator());
  Value value = GradNormOp::create(builder, norm.getLoc(), norm.getNorm().getType(), gradients);
  WriteOp::create(builder, norm.getLoc(), result.getSymName(), value);
}

void ft::takeLeavingNorm(ModuleOp module) {
  SymbolTable symbols(module);
  auto update = symbols.lookup<func::FuncOp>(plan::segmentName(plan::Segment::UPDATE));
  GradNormOp norm = update ? leavingNormOf(update, symbols) : GradNormOp();
  if (!norm)
    return;
  OpBuilder builder(update);
  auto type = cast<RankedTensorType>(norm.getNorm().getType());
  auto result = VariableOp::create(builder, norm.getLoc(), "leaving_norm", type, Role::Kept);
  for (const plan::Segment::Kind kind : {plan::Segment::ACCUMULATE_FIRST, plan::Segment::ACCUMULATE_FIRST_TARGETS})
    if (auto segment = symbols.lookup<func::FuncOp>(plan::segmentName(kind)))
      takeIn(segment, norm, result);
  builder.setInsertionPoint(norm);
  norm.getNorm().replaceAllUsesWith(ReadOp::create(builder, norm.getLoc(), type, result.getSymName()));
  SmallVector<ReadOp> reads = llvm::map_to_vector(norm.getGrads(), readOf);
  norm.erase();
  for (ReadOp read : reads)
    if (read->use_empty())
      read.erase();
}
