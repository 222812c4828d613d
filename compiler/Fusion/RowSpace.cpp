#include "compiler/Fusion/RowSpace.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace ft {

static int64_t dim(Value value, unsigned d) { return cast<RankedTensorType>(value.getType()).getDimSize(d); }

static RowSpace rowsOf(Value value) {
  const bool matrix = cast<RankedTensorType>(value.getType()).getRank() == 2;
  return {RowSpace::Kind::Rows, matrix ? dim(value, 0) : 1};
}

static bool isVectorOrMatrix(Value value) {
  const int64_t rank = cast<RankedTensorType>(value.getType()).getRank();
  return rank == 1 || rank == 2;
}

std::optional<RowSpace> getRowSpace(Operation *op) {
  using namespace model;
  using Space = std::optional<RowSpace>;
  return llvm::TypeSwitch<Operation *, Space>(op)
      .Case<EmbeddingOp, GatherRowOp, RmsNormOp, RmsNormApplyOp, RmsNormBwdOp, SwigluOp, SwigluBwdOp, DropoutOp>(
          [](auto op) { return rowsOf(op->getResult(0)); })
      .Case<AddOp, CastOp>(
          [](auto op) { return isVectorOrMatrix(op.getResult()) ? Space(rowsOf(op.getResult())) : std::nullopt; })
      .Case<RopeOp>([](RopeOp op) -> Space {
        const int64_t heads = dim(op.getQ(), 1) / op.getHeadDim(), groups = dim(op.getK(), 1) / op.getHeadDim();
        if (groups == 0 || heads % groups)
          return std::nullopt;
        return RowSpace{RowSpace::Kind::HeadGroups, dim(op.getQ(), 0) * groups};
      })
      .Case<kernel::ColumnPartialsOp>([](auto op) { return rowsOf(op.getA()); })
      .Case<kernel::ColumnSumOp>([](kernel::ColumnSumOp op) {
        const int64_t columns = dim(op.getSum(), 0);
        return RowSpace{RowSpace::Kind::ColumnBlocks, columns / getColumnBlock(columns)};
      })
      .Default(Space());
}

bool isRowOperand(OpOperand &operand) {
  using namespace model;
  const unsigned n = operand.getOperandNumber();
  return llvm::TypeSwitch<Operation *, bool>(operand.getOwner())
      .Case<RmsNormOp, RmsNormApplyOp, DropoutOp>([&](auto) { return n == 0; })
      .Case<RmsNormBwdOp, RopeOp, kernel::ColumnPartialsOp>([&](auto) { return n < 2; })
      .Case<SwigluOp, SwigluBwdOp, AddOp, CastOp>([](auto) { return true; })
      .Case<kernel::ColumnSumOp>([&](auto) { return n == 1; })
      .Default(false);
}

bool reducesRow(Operation *op) { return isa<model::RmsNormOp, model::RmsNormBwdOp>(op); }

int64_t getColumnBlock(int64_t columns) {
  int64_t block = std::min<int64_t>(columns, 128);
  while (columns % block)
    --block;
  return block;
}

} // namespace ft
