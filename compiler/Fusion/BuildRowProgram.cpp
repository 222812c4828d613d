#include "compiler/Fusion/BuildRowProgram.h"

#include "compiler/Fusion/RowEmitter.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ft {

SmallVector<std::pair<int64_t, int64_t>> inPlaceCandidates(kernel::FusedOp fused) {
  SmallVector<std::pair<int64_t, int64_t>> pairs;
  for (BlockArgument argument : fused.getBody().front().getArguments()) {
    if (!llvm::all_of(argument.getUses(), isRowOperand))
      continue;
    for (unsigned result = 0; result < fused.getNumResults(); ++result) {
      // Partials are stored by item, not by row.
      const bool byRow = !isa<kernel::ColumnPartialsOp>(fused.getYielded(result).getDefiningOp());
      if (byRow && fused.getResult(result).getType() == argument.getType())
        pairs.emplace_back(argument.getArgNumber(), result);
    }
  }
  return pairs;
}

/// The one space of the operations of the body.
static FailureOr<RowSpace> getSpace(kernel::FusedOp fused) {
  std::optional<RowSpace> space;
  for (Operation &op : fused.getFusedOps()) {
    std::optional<RowSpace> own = getRowSpace(&op);
    if (!own || !isa<model::RowWise>(op))
      return op.emitOpError("is not row-wise and cannot be part of kernel.fused");
    if (space && *space != *own)
      return op.emitOpError("has ") << own->items << " items, the kernel's first operation " << space->items
                                    << "; operations of one kernel share one row space";
    space = own;
  }
  if (!space)
    return fused.emitOpError("is empty; a kernel computes at least one operation");
  return *space;
}

static LogicalResult checkLayout(kernel::FusedOp fused, const RowOperand &layout, Type type, unsigned number) {
  auto tensor = cast<RankedTensorType>(type);
  if (layout.elementType != tensor.getElementType() || ArrayRef<int64_t>(layout.shape) != tensor.getShape())
    return fused.emitOpError("layout ") << number << " does not describe " << type << " as operand " << number
                                        << " (results counted behind operands) is";
  if (tensor.getRank() == 2 && layout.pitch < tensor.getDimSize(1))
    return fused.emitOpError("layout ") << number << " has a pitch of " << layout.pitch
                                        << " elements; must be at least " << tensor.getDimSize(1);
  return success();
}

namespace {
/// Which argument each operand and result has, and what the kernel does to it.
struct Signature {
  SmallVector<Type> types;
  SmallVector<Access> access;
  SmallVector<int64_t> argumentOf;
};
} // namespace

static FailureOr<Signature> makeSignature(kernel::FusedOp fused, ArrayRef<RowOperand> layouts) {
  const unsigned operands = fused.getInputs().size(), results = fused.getNumResults();
  if (layouts.size() != operands + results)
    return fused.emitOpError("is given ")
           << layouts.size() << " layouts for " << operands << " operands and " << results << " results";
  const auto candidates = inPlaceCandidates(fused);
  Signature signature;
  for (auto [number, layout] : llvm::enumerate(layouts)) {
    const bool isResult = number >= operands;
    Type type = isResult ? fused.getResult(number - operands).getType() : fused.getInputs()[number].getType();
    if (failed(checkLayout(fused, layout, type, number)))
      return failure();
    if (isResult && layout.alias >= 0) {
      if (!llvm::is_contained(candidates, std::pair<int64_t, int64_t>(layout.alias, number - operands)) ||
          layouts[layout.alias].pitch != layout.pitch || signature.access[layout.alias] != Access::Read)
        return fused.emitOpError("result ") << number - operands << " cannot share the memory of operand "
                                            << layout.alias << "; see inPlaceCandidates";
      signature.access[layout.alias] = Access::ReadWrite;
      signature.argumentOf.push_back(layout.alias);
      continue;
    }
    signature.argumentOf.push_back(signature.types.size());
    signature.types.push_back(getMemory(layout.elementType, layout.shape, layout.pitch));
    signature.access.push_back(isResult ? Access::Write : Access::Read);
  }
  return signature;
}

static LogicalResult emitOps(kernel::FusedOp fused, RowEmitter &emitter) {
  for (Operation &op : fused.getFusedOps())
    if (failed(cast<model::RowWise>(op).emitRow(emitter)))
      return failure();
  emitter.flush();
  return success();
}

/// The persistent form: item p handles rows p, p + items, … and keeps a row of each column sum.
static LogicalResult emitLoop(kernel::FusedOp fused, RowBuilder &b, Value item, int64_t rows, int64_t items,
                              ArrayRef<Value> sums, const llvm::DenseMap<Value, Value> &memory) {
  SmallVector<Value> zeros;
  for (Value partials : sums) {
    auto type = cast<RankedTensorType>(partials.getType());
    zeros.push_back(b.number(0.0, VectorType::get(type.getShape().drop_front(), type.getElementType())));
  }
  auto loop = scf::ForOp::create(b, item, b.index(rows), b.index(items), zeros);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    llvm::DenseMap<Value, Value> stored = memory;
    for (Value partials : sums)
      stored.erase(partials);
    RowEmitter emitter(b, loop.getInductionVar(), std::move(stored));
    for (auto [partials, before] : llvm::zip_equal(sums, loop.getRegionIterArgs()))
      emitter.accumulators[partials] = before;
    if (failed(emitOps(fused, emitter)))
      return failure();
    SmallVector<Value> after;
    for (Value partials : sums)
      after.push_back(emitter.accumulators[partials]);
    scf::YieldOp::create(b, after);
  }
  for (auto [partials, sum] : llvm::zip_equal(sums, loop.getResults()))
    if (Value target = memory.lookup(partials))
      b.storeRow(sum, target, {item, b.index(0)});
  return success();
}

static LogicalResult emitBody(kernel::FusedOp fused, RowBuilder &b, Value item, RowSpace space, int64_t &items,
                              const llvm::DenseMap<Value, Value> &memory) {
  SmallVector<Value> sums;
  for (Operation &op : fused.getFusedOps())
    if (auto partials = dyn_cast<kernel::ColumnPartialsOp>(op))
      sums.push_back(partials.getPartials());
  items = space.items;
  if (sums.empty()) {
    RowEmitter emitter(b, item, memory);
    return emitOps(fused, emitter);
  }
  items = cast<RankedTensorType>(sums.front().getType()).getDimSize(0);
  for (Value partials : sums)
    if (cast<RankedTensorType>(partials.getType()).getDimSize(0) != items)
      return partials.getDefiningOp()->emitOpError(
                 "has another number of partials than a column sum of the same kernel, which has ")
             << items;
  return emitLoop(fused, b, item, space.items, items, sums, memory);
}

FailureOr<FusedProgram> buildRowProgram(OpBuilder &builder, StringRef name, kernel::FusedOp fused,
                                        ArrayRef<RowOperand> operandsThenResults) {
  FailureOr<RowSpace> space = getSpace(fused);
  if (failed(space))
    return failure();
  FailureOr<Signature> signature = makeSignature(fused, operandsThenResults);
  if (failed(signature))
    return failure();

  FusedProgram program;
  program.func = kernel::FuncOp::create(builder, fused.getLoc(), name, signature->types);
  program.access = signature->access;
  program.argumentOf = signature->argumentOf;
  llvm::DenseMap<Value, Value> memory;
  const unsigned operands = fused.getInputs().size();
  for (auto [number, argument] : llvm::enumerate(program.argumentOf)) {
    Value inside = number < operands ? Value(fused.getBody().getArgument(number)) : fused.getYielded(number - operands);
    memory[inside] = program.func.getBody().getArgument(argument);
  }
  RowBuilder b(fused.getLoc(), builder.getContext());
  b.setInsertionPointToStart(&program.func.getBody().front());
  if (failed(emitBody(fused, b, program.func.getItem(), *space, program.items, memory))) {
    program.func.erase();
    return failure();
  }
  kernel::ReturnOp::create(b);
  program.func.setItems(program.items);
  return program;
}

} // namespace ft
