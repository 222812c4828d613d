// Reductions over ranks that read each other's memory.
#include "compiler/Fusion/Programs/ProgramBuilder.h"

using namespace mlir;

namespace ft {

RowProgram buildRankSum(OpBuilder &builder, StringRef name, const RankShare &share) {
  const MatrixLayout matrix{share.type, share.rows, share.length, share.length};
  SmallVector<ProgramArgument> arguments;
  for (int64_t member = 0; member < share.members; ++member)
    arguments.push_back(matrixArgument(matrix, member == share.own ? Access::ReadWrite : Access::Read));
  if (share.own == RankShare::apart)
    arguments.push_back(matrixArgument(matrix, Access::Write));
  ProgramBuilder p(builder, name, arguments);
  const Type compute = getComputeType(share.type);
  SmallVector<Value> at{p.item(), p.b.index(0)};
  Value sum;
  for (int64_t member = 0; member < share.members; ++member) {
    Value term = p.b.loadRow(p[member], at, share.length, compute);
    if (share.norm)
      term = p.b.mul(term, term);
    sum = sum ? p.b.add(sum, term) : term;
  }
  if (share.norm)
    sum = p.b.sqrt(sum);
  p.b.storeRow(sum, p[share.own == RankShare::apart ? share.members : share.own], at);
  return p.finish(share.rows);
}

} // namespace ft
