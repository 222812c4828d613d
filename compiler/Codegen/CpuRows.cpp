// Row lowering for the CPU: tiles of 16 lanes whatever the processor (AVX2 needs two to four registers for one, AVX-512
// one or two), partial sums per lane, combined as a binary tree: AVX2 and AVX-512 code give the same bits. A row's tail
// is a tile with masked access, its missing lanes neutral in reductions. A row of exponentials that several walks need
// is computed once and carried on the stack: loading a tile is a tenth of the work of computing it.
#include "compiler/Codegen/RowLowering.h"
#include "dialects/TypeBytes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace ft::kernel {
namespace {

constexpr int64_t lanes = 16;
// Of a thread's stack, and of its level-2 cache: a row of 65 536 f32.
constexpr int64_t carrierLimitBytes = 256 << 10;

class CpuRows : public RowLowering {
public:
  CpuRows(FuncOp kernel, const RowPhases &phases, ImplicitLocOpBuilder &builder)
      : RowLowering(kernel, phases, builder) {}

  func::FuncOp emit() {
    SmallVector<Type> types;
    for (BlockArgument operand : kernel.getOperandArguments())
      types.push_back(operand.getType());
    types.append(2, b.getIndexType());
    auto function = func::FuncOp::create(b, kernel.getSymName(), b.getFunctionType(types, {}));
    Block *entry = function.addEntryBlock();
    b.setInsertionPointToStart(entry);
    createCarriers();
    for (auto [operand, argument] : llvm::zip(kernel.getOperandArguments(), entry->getArguments()))
      map(operand, argument);
    unsigned count = entry->getNumArguments();
    auto items = scf::ForOp::create(b, entry->getArgument(count - 2), entry->getArgument(count - 1), constantIndex(1));
    func::ReturnOp::create(b);
    b.setInsertionPoint(items.getBody()->getTerminator());
    map(kernel.getItem(), items.getInductionVar());
    emitBody();
    return function;
  }

private:
  int64_t tileWidth(const RowGroup &) override { return lanes; }

  void createCarriers() {
    llvm::DenseSet<Operation *> seen;
    for (const RowGroup *group : phases.groups())
      for (Operation *op : group->slice)
        if (isa<math::ExpOp>(op) && !seen.insert(op).second && !carriers.contains(op))
          createCarrier(op);
  }

  void createCarrier(Operation *row) {
    auto type = cast<VectorType>(row->getResult(0).getType());
    int64_t length = llvm::alignTo(type.getDimSize(0), lanes), width = elementBytes(type.getElementType());
    if (length * width <= carrierLimitBytes)
      carriers[row] = memref::AllocaOp::create(b, MemRefType::get({length}, type.getElementType()),
                                               b.getI64IntegerAttr(lanes * width));
  }

  Value carrier(Operation *row) override { return carriers.lookup(row); }

  Reductions walkRow(const RowGroup &group, Reductions partial) override {
    int64_t whole = group.length / lanes * lanes;
    if (whole == lanes) {
      partial = emitTile(group, {constantIndex(0), lanes, lanes, {}}, partial);
    } else if (whole > 0) {
      auto loop = scf::ForOp::create(b, constantIndex(0), constantIndex(whole), constantIndex(lanes), partial);
      OpBuilder::InsertionGuard guard(b);
      if (partial.empty())
        b.setInsertionPoint(loop.getBody()->getTerminator());
      else
        b.setInsertionPointToEnd(loop.getBody());
      Reductions next = emitTile(group, {loop.getInductionVar(), lanes, lanes, {}},
                                 Reductions(loop.getRegionIterArgs().begin(), loop.getRegionIterArgs().end()));
      if (!partial.empty())
        scf::YieldOp::create(b, next);
      partial.assign(loop.getResults().begin(), loop.getResults().end());
    }
    if (int64_t rest = group.length - whole)
      partial = emitTile(group, {constantIndex(whole), lanes, rest, {}}, partial);
    return partial;
  }

  Reductions combine(ArrayRef<vector::ReductionOp> ops, Reductions partial) override {
    for (auto [op, value] : llvm::zip(ops, partial))
      value = combineLanes(vector::ReductionOp(op).getKind(), value);
    return partial;
  }

  llvm::DenseMap<Operation *, Value> carriers;
};

} // namespace

FailureOr<func::FuncOp> lowerRowsToCpu(FuncOp kernel, OpBuilder &builder) {
  FailureOr<RowPhases> phases = RowPhases::plan(kernel);
  if (failed(phases))
    return failure();
  ImplicitLocOpBuilder b(kernel.getLoc(), builder);
  return CpuRows(kernel, *phases, b).emit();
}

} // namespace ft::kernel
