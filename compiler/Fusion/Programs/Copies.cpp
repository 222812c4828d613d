#include "compiler/Fusion/Programs/Copies.h"

#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace ft {

static ProgramArgument batchArgument(const MatrixLayout &matrix, int64_t count, int64_t pitch, Access access) {
  auto strides = StridedLayoutAttr::get(matrix.type.getContext(), 0, {pitch, matrix.pitch, 1});
  return {MemRefType::get({count, matrix.rows, matrix.columns}, matrix.type, strides), access};
}

/// Into how many equal parts of at most `longest` elements a row is cut, each whole vectors where the row is; 1 where
/// that does not come out even.
static int64_t partsOf(int64_t columns) {
  constexpr int64_t longest = 512, vector = 8;
  for (int64_t parts = llvm::divideCeil(columns, longest); parts <= columns / vector; ++parts)
    if (columns % (parts * vector) == 0)
      return parts;
  return 1;
}

/// Item `number` of those of one of the copies.
static void copyPart(RowBuilder &b, const MatrixCopy &copy, Value source, Value target, Value number) {
  const int64_t parts = partsOf(copy.source.columns), length = copy.source.columns / parts;
  Value part = arith::RemUIOp::create(b, number, b.index(parts));
  Value row = arith::DivUIOp::create(b, number, b.index(parts)), rows = b.index(copy.source.rows);
  Value column = arith::MulIOp::create(b, part, b.index(length));
  const SmallVector<Value> at{arith::DivUIOp::create(b, row, rows), arith::RemUIOp::create(b, row, rows), column};
  b.storeRow(b.loadRow(source, at, length, copy.source.type), target, at);
}

RowProgram buildCopies(OpBuilder &builder, StringRef name, const std::vector<MatrixCopy> &copies) {
  SmallVector<ProgramArgument> arguments;
  for (const auto &[source, target, batch] : copies) {
    arguments.push_back(batchArgument(source, batch.count, batch.sourcePitch, Access::Read));
    arguments.push_back(batchArgument(target, batch.count, batch.targetPitch, Access::Write));
  }
  ProgramBuilder p(builder, name, arguments);
  RowBuilder &b = p.b;
  int64_t items = 0;
  for (auto [index, copy] : llvm::enumerate(copies)) {
    const int64_t first = items;
    items += copy.batch.count * copy.source.rows * partsOf(copy.source.columns);
    auto compare = [&](arith::CmpIPredicate predicate, int64_t bound) {
      return arith::CmpIOp::create(b, predicate, p.item(), b.index(bound));
    };
    Value isOf =
        arith::AndIOp::create(b, compare(arith::CmpIPredicate::uge, first), compare(arith::CmpIPredicate::ult, items));
    auto branch = scf::IfOp::create(b, isOf, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    copyPart(b, copy, p[2 * index], p[2 * index + 1], arith::SubIOp::create(b, p.item(), b.index(first)));
  }
  return p.finish(items);
}

} // namespace ft
