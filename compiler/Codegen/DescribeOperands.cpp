#include "compiler/Codegen/DescribeOperands.h"

#include "compiler/Codegen/RowPhases.h"
#include "dialects/TypeBytes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ft::kernel {

namespace {

/// Whether a type's elements can be indices: what the host writes is i32.
bool holdsIndices(Type element) { return element.isSignlessInteger(32); }

class Describer {
public:
  explicit Describer(FuncOp kernel) : kernel(kernel) {}

  std::vector<OperandFacts> run() {
    for (BlockArgument operand : kernel.getOperandArguments())
      facts.push_back(describeMemory(cast<MemRefType>(operand.getType())));
    kernel.walk([&](Operation *op) {
      if (std::optional<Access> access = accessOf(op))
        visit(*access);
    });
    for (auto [read, written] : kernel.getInplacePairs()) {
      const bool stored = facts[read].written || facts[written].written;
      facts[read].written = facts[written].written = stored;
    }
    return std::move(facts);
  }

private:
  static OperandFacts describeMemory(MemRefType type) {
    int64_t offset, last = 0;
    SmallVector<int64_t> strides;
    (void)type.getStridesAndOffset(strides, offset); // static: verified
    for (auto [size, stride] : llvm::zip_equal(type.getShape(), strides))
      last += (size - 1) * stride;
    const int64_t element = elementBytes(type.getElementType());
    OperandFacts facts;
    facts.bytes = (last + 1) * element;
    facts.alignment = element;
    return facts;
  }

  void visit(const Access &access) {
    auto operand = dyn_cast<BlockArgument>(access.memref);
    if (!operand || operand.getOwner() != &kernel.getBody().front())
      return;
    if (access.store)
      facts[operand.getArgNumber()].written = true;
    ArrayRef<int64_t> shape = cast<MemRefType>(operand.getType()).getShape();
    for (auto [size, index] : llvm::zip_equal(shape, access.indices))
      limit(index, size);
  }

  /// `value` must be below `size`: so must the elements that it comes from. A loop's counter stays below its end.
  void limit(Value value, uint64_t size) {
    if (auto counter = dyn_cast<BlockArgument>(value)) {
      auto loop = dyn_cast<scf::ForOp>(counter.getOwner()->getParentOp());
      if (loop && counter == loop.getInductionVar()) {
        limit(loop.getLowerBound(), size + 1);
        limit(loop.getUpperBound(), size + 1);
      }
      return;
    }
    Operation *op = value.getDefiningOp();
    if (isa<arith::IndexCastOp>(op))
      return limit(op->getOperand(0), size);
    if (auto select = dyn_cast<arith::SelectOp>(op)) {
      limit(select.getTrueValue(), size);
      return limit(select.getFalseValue(), size);
    }
    auto load = dyn_cast<memref::LoadOp>(op);
    auto source = load ? dyn_cast<BlockArgument>(load.getMemRef()) : BlockArgument();
    if (!source || !holdsIndices(load.getType()))
      return;
    uint64_t &known = facts[source.getArgNumber()].indexLimit;
    known = known ? std::min(known, size) : size;
  }

  FuncOp kernel;
  std::vector<OperandFacts> facts;
};

} // namespace

std::vector<OperandFacts> describeOperands(FuncOp kernel) { return Describer(kernel).run(); }

} // namespace ft::kernel
