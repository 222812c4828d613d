// 1/N of the whole step is in every row's weight (docs/numerics.md, Loss), so that gradients and losses of
// micro-batches simply add. Where the op that makes a gradient can accumulate (a GEMM's beta), it does; else an ft.add
// follows.
#include "compiler/Model/Accumulate.h"

#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// Makes `write` add to what the variable held. The gradient may be a chain of ops that accumulate onto each other
/// (head, then embedding, of a tied table): the first of them starts from the variable.
void addToVariable(WriteOp write, Value before) {
  auto first = write.getValue().getDefiningOp<Accumulating>();
  while (first && first.getStart())
    first = first.getStart().getDefiningOp<Accumulating>();
  if (first) {
    first.getAccumulateMutable().assign(before);
    return;
  }
  OpBuilder builder(write);
  Value value = write.getValue();
  write.getValueMutable().assign(AddOp::create(builder, write.getLoc(), value.getType(), before, value));
}

WriteOp findWrite(func::FuncOp function, VariableOp variable) {
  for (auto write : function.getOps<WriteOp>())
    if (write.getVariable() == variable.getSymName())
      return write;
  return nullptr;
}

VariableOp declareStatus(ModuleOp module) {
  if (VariableOp status = findOutput(module, plan::Output::STATUS))
    return status;
  OpBuilder builder(module.getContext());
  VariableOp status = declareVariable(module, "status", RankedTensorType::get({4}, builder.getI32Type()), Role::Output);
  status.setIo(plan::Output::Kind_Name(plan::Output::STATUS));
  status.setInitAttr(builder.getDictionaryAttr(builder.getNamedAttr("kind", builder.getStringAttr("zeros"))));
  return status;
}

/// check_finite of this micro-batch's own loss, so that the status names the micro-batch at fault.
void checkLoss(func::FuncOp function, WriteOp loss, VariableOp status, VariableOp scalars) {
  Value before = readWhole(function, status), step = readWhole(function, scalars);
  OpBuilder builder(loss);
  Location loc = placed(function.getContext(), "check_loss");
  Value after = CheckFiniteOp::create(builder, loc, before.getType(), loss.getValue(), before, step, /*cause=*/1);
  WriteOp::create(builder, loc, status.getSymName(), after);
}

} // namespace

/// `first` again, for the micro-batches behind it: as segment `kind`, adding to what variables hold.
static void addNext(func::FuncOp first, plan::Segment::Kind kind, VariableOp loss) {
  auto module = first->getParentOfType<ModuleOp>();
  OpBuilder builder(module.getContext());
  builder.setInsertionPointAfter(first);
  auto next = cast<func::FuncOp>(builder.clone(*first));
  next.setSymName(plan::segmentName(kind));
  llvm::StringMap<WriteOp> writes;
  for (auto write : next.getOps<WriteOp>())
    writes.insert({write.getVariable(), write});
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == Role::Gradient)
      if (WriteOp write = writes.lookup(variable.getSymName()))
        addToVariable(write, readWhole(next, variable));
  WriteOp write = findWrite(next, loss);
  Value before = readWhole(next, loss);
  builder.setInsertionPoint(write);
  write.getValueMutable().assign(
      AddScalarOp::create(builder, write.getLoc(), loss.getTensorType(), before, write.getValue()));
}

LogicalResult ft::accumulate(ModuleOp module, int64_t steps) {
  auto first = findSegment(module, plan::Segment::ACCUMULATE_FIRST);
  auto ofTargets = findSegment(module, plan::Segment::ACCUMULATE_FIRST_TARGETS);
  VariableOp loss = findOutput(module, plan::Output::LOSS), scalars = findInput(module, plan::BatchInput::SCALARS);
  if (!first || !loss || !scalars || !findWrite(first, loss))
    return module.emitError("accumulation needs @accumulate_first, which writes LOSS, and the input SCALARS");
  if (steps < 1)
    return module.emitError("gradient_accumulation_steps is ") << steps << "; must be at least 1";
  if (ofTargets && !findWrite(ofTargets, loss))
    return ofTargets.emitError("accumulation needs @accumulate_first_targets to write LOSS");
  checkLoss(first, findWrite(first, loss), declareStatus(module), scalars);
  if (ofTargets)
    checkLoss(ofTargets, findWrite(ofTargets, loss), declareStatus(module), scalars);
  if (steps == 1)
    return success();
  addNext(first, plan::Segment::ACCUMULATE_NEXT, loss);
  if (ofTargets)
    addNext(ofTargets, plan::Segment::ACCUMULATE_NEXT_TARGETS, loss);
  return success();
}
