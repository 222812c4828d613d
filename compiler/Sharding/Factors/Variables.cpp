// Variables: a read gives, and a write takes, what the variable's own sharding says; the rule only counts dimensions.
#include "compiler/Sharding/Factors/Factors.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

void variable(VariableOp, FactorRule &) {}

SmallVector<unsigned> dimensions(Value value, FactorRule &rule) {
  SmallVector<unsigned> letters;
  for (int64_t i = 0, rank = cast<RankedTensorType>(value.getType()).getRank(); i < rank; ++i)
    letters.push_back(rule.letter("variable", LetterKind::Free));
  return letters;
}

void read(ReadOp op, FactorRule &rule) { rule.result(dimensions(op.getValue(), rule)); }
void write(WriteOp op, FactorRule &rule) { rule.operand(dimensions(op.getValue(), rule)); }

} // namespace

void ft::attachVariableFactors(MLIRContext &context) {
  attachFactors<VariableOp, variable>(context);
  attachFactors<ReadOp, read>(context);
  attachFactors<WriteOp, write>(context);
}
