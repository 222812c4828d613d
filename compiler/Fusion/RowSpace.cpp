#include "compiler/Fusion/RowSpace.h"

using namespace mlir;

namespace ft {

std::optional<RowSpace> getRowSpace(Operation *op) {
  auto rowWise = dyn_cast<model::RowWise>(op);
  RowSpace space;
  return rowWise && succeeded(rowWise.getRowSpace(space)) ? std::optional(space) : std::nullopt;
}

bool isRowOperand(OpOperand &operand) {
  auto rowWise = dyn_cast<model::RowWise>(operand.getOwner());
  return rowWise && rowWise.isRowOperand(operand.getOperandNumber());
}

RowSpace getRowsOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  return {RowSpace::Kind::Rows, type.getRank() == 2 ? type.getDimSize(0) : 1};
}

RowSpace getRunsOf(Value matrix, int64_t length) {
  auto type = cast<RankedTensorType>(matrix.getType());
  const int64_t runs = type.getDimSize(1) / length;
  return runs == 1 ? getRowsOf(matrix) : RowSpace{RowSpace::Kind::Runs, type.getDimSize(0) * runs};
}

int64_t getColumnBlock(int64_t columns) {
  int64_t block = std::min<int64_t>(columns, 128);
  while (columns % block)
    --block;
  return block;
}

} // namespace ft
