#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace ft {

ProgramBuilder::ProgramBuilder(OpBuilder &outer, StringRef name, ArrayRef<ProgramArgument> arguments)
    : b(outer.getUnknownLoc(), outer.getContext()) {
  SmallVector<Type> types;
  for (const ProgramArgument &argument : arguments) {
    types.push_back(argument.type);
    program.access.push_back(argument.access);
  }
  program.func = kernel::FuncOp::create(outer, outer.getUnknownLoc(), name, types);
  b.setInsertionPointToStart(&program.func.getBody().front());
}

RowProgram ProgramBuilder::finish(int64_t items) {
  kernel::ReturnOp::create(b);
  program.items = items;
  program.func.setItems(items);
  return std::move(program);
}

ProgramArgument vectorArgument(Type element, int64_t length, Access access) {
  return {getMemory(element, {length}), access};
}

ProgramArgument matrixArgument(const MatrixLayout &matrix, Access access) { return {getMemory(matrix), access}; }

ProgramArgument scalarsArgument(OpBuilder &builder) {
  return vectorArgument(builder.getF64Type(), plan::SCALAR_COUNT, Access::Read);
}

Value sumInOrder(RowBuilder &b, Value memory, int64_t length) {
  constexpr int64_t block = 1024;
  const int64_t whole = length / block * block;
  Value sum = b.number(0.0, b.getF64Type());
  if (whole) {
    auto loop = scf::ForOp::create(b, b.index(0), b.index(whole), b.index(block), sum);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    Value part = b.sum(b.loadRow(memory, loop.getInductionVar(), block, b.getF64Type()));
    scf::YieldOp::create(b, b.add(loop.getRegionIterArg(0), part));
    sum = loop.getResult(0);
  }
  if (length > whole)
    sum = b.add(sum, b.sum(b.loadRow(memory, b.index(whole), length - whole, b.getF64Type())));
  return sum;
}

} // namespace ft
