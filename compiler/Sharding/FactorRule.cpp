#include "compiler/Sharding/FactorRule.h"

using namespace mlir;
using namespace ft;

unsigned FactorRule::letter(StringRef name, LetterKind kind, int64_t granule) {
  declared.push_back({kind, granule, name});
  return declared.size() - 1;
}

void FactorRule::operand(ArrayRef<unsigned> letters) {
  operandValues.push_back({FactorValue::Kind::Plain, llvm::SmallVector<unsigned, 2>(letters), 0});
}

void FactorRule::table(unsigned letter, int64_t rank) {
  operandValues.push_back({FactorValue::Kind::Table, llvm::SmallVector<unsigned, 2>(rank, letter), 0});
}

void FactorRule::added(ArrayRef<unsigned> letters, unsigned result) {
  operandValues.push_back({FactorValue::Kind::Added, llvm::SmallVector<unsigned, 2>(letters), result});
}

void FactorRule::result(ArrayRef<unsigned> letters) {
  resultValues.push_back({FactorValue::Kind::Plain, llvm::SmallVector<unsigned, 2>(letters), 0});
}

void FactorRule::taken(ArrayRef<unsigned> letters) {
  resultValues.push_back({FactorValue::Kind::Taken, llvm::SmallVector<unsigned, 2>(letters), 0});
}

llvm::SmallVector<unsigned, 2> FactorRule::whole(Value value, StringRef name) {
  llvm::SmallVector<unsigned, 2> letters;
  for (int64_t i = 0, rank = cast<RankedTensorType>(value.getType()).getRank(); i < rank; ++i)
    letters.push_back(letter(name, LetterKind::Whole));
  return letters;
}

void FactorRule::member(llvm::ArrayRef<unsigned> letters, unsigned result) {
  operandValues.push_back({FactorValue::Kind::Member, llvm::SmallVector<unsigned, 2>(letters), result});
}

void FactorRule::parts(unsigned letter) { operandValues.push_back({FactorValue::Kind::Parts, {letter}, 0}); }

void FactorRule::resultParts(unsigned letter) { resultValues.push_back({FactorValue::Kind::Parts, {letter}, 0}); }

bool FactorRule::hasOwnTerm() const {
  return operandValues.empty() ||
         llvm::any_of(operandValues, [](const FactorValue &value) { return !value.isTermOf(value.addedTo); });
}

namespace {

/// Compares the values of one side with their entries, and collects the sizes of letters.
LogicalResult checkSide(Operation *op, StringRef side, ValueRange values, ArrayRef<FactorValue> entries,
                        const FactorRule &rule, SmallVectorImpl<int64_t> &sizes) {
  if (values.size() != entries.size())
    return op->emitOpError("sharding rule has ")
           << entries.size() << " " << side << "s; the operation has " << values.size();
  for (auto [number, value, entry] : llvm::enumerate(values, entries)) {
    auto type = cast<RankedTensorType>(value.getType());
    if (int64_t(entry.letters.size()) != type.getRank())
      return op->emitOpError("sharding rule has ") << entry.letters.size() << " letters for " << side << " " << number
                                                   << ", which is " << type << "; must have one per dimension";
    for (auto [index, size] : llvm::zip(entry.letters, type.getShape())) {
      if (index >= rule.letters().size())
        return op->emitOpError("sharding rule names a letter that it did not declare");
      if (entry.kind == FactorValue::Kind::Table || entry.kind == FactorValue::Kind::Taken)
        continue;
      const FactorLetter &letter = rule.letters()[index];
      if (entry.kind == FactorValue::Kind::Parts) {
        if (sizes[index] % size)
          return op->emitOpError("sharding rule gives ")
                 << letter.name << " of " << sizes[index] << " in " << size << " parts, which do not divide it";
        continue;
      }
      if (sizes[index] && sizes[index] != size)
        return op->emitOpError("sharding rule gives ")
               << letter.name << " the sizes " << sizes[index] << " and " << size << "; must be one";
      if (letter.granule < 1 || size % letter.granule)
        return op->emitOpError("sharding rule gives ")
               << letter.name << " the granule " << letter.granule << ", which does not divide " << size;
      sizes[index] = size;
    }
  }
  return success();
}

} // namespace

LogicalResult ft::checkFactorRule(Operation *op, const FactorRule &rule) {
  SmallVector<int64_t> sizes(rule.letters().size(), 0);
  if (failed(checkSide(op, "operand", op->getOperands(), rule.operands(), rule, sizes)) ||
      failed(checkSide(op, "result", op->getResults(), rule.results(), rule, sizes)))
    return failure();
  for (const FactorValue &operand : rule.operands())
    if (operand.kind == FactorValue::Kind::Added &&
        (operand.addedTo >= rule.results().size() || rule.results()[operand.addedTo].letters != operand.letters))
      return op->emitOpError("sharding rule adds an operand to a result with other letters");
  return success();
}

FailureOr<FactorRule> ft::getFactorRule(Operation *op) {
  auto factors = dyn_cast<model::Factors>(op);
  if (!factors)
    return op->emitOpError("has no sharding rule; an operation between dist-annotate and dist-partition must implement "
                           "the Factors interface (compiler/Sharding/Factors)");
  FactorRule rule;
  factors.getFactorRule(rule);
  if (failed(checkFactorRule(op, rule)))
    return failure();
  return rule;
}
