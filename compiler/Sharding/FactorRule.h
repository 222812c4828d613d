// The sharding rule of one operation, as factors: Shardy's rule form
// (https://github.com/openxla/shardy, "sharding rules").
//
// Each dimension of each operand and result carries a letter; dimensions with one letter are split alike. A matrix
// product [t, k] x [n, k] -> [t, n] has the letters t, k, n, of which k is summed. Nothing else about an operation
// matters to who holds what.
#pragma once

#include "dialects/Dist/Dist.h"
#include "dialects/Ft/Ft.h"

namespace ft {

/// What happens where a letter's dimensions are split over ranks.
enum class LetterKind {
  Free,   ///< results with it are split alike; results without it do not depend on it
  Summed, ///< results with it are split alike; of results without it each rank has a part: they are partial
  Whole   ///< must not be split: an operand's parts are gathered first
};

struct FactorLetter {
  LetterKind kind;
  int64_t granule;      ///< a rank's share must be a multiple of it (attention: whole rows of the batch)
  llvm::StringRef name; ///< for messages
};

/// How an operand or result enters the operation.
struct FactorValue {
  /// Plain: one letter per dimension. Table: what the host makes for each rank's share of its letter (document
  /// offsets, sorted positions): own to the rank exactly where that letter is split. Added: plain, and added to result
  /// `addedTo`, so that a partial value may stay partial. Member: elements that result `addedTo` takes as they are, in
  /// another shape; a partial one stays partial as well. Parts: one element for each of so many equal parts of its
  /// letter's dimension, split as that is. Taken: of a result, rows that are taken out of those with the letter: split
  /// alike, and of another size.
  enum class Kind { Plain, Table, Added, Member, Parts, Taken } kind = Kind::Plain;
  llvm::SmallVector<unsigned, 2> letters; ///< of a table, its letter for every dimension
  unsigned addedTo = 0;

  /// Whether result `result` is linear in it, with coefficient one.
  bool isTermOf(unsigned result) const { return (kind == Kind::Added || kind == Kind::Member) && addedTo == result; }
};

class FactorRule {
public:
  /// Declares a letter. On a conflict over a mesh axis the letter declared first keeps it: tokens come first, so that
  /// weights are gathered and not activations.
  unsigned letter(llvm::StringRef name, LetterKind kind, int64_t granule = 1);

  // In the order of the operation's operands and results.
  void operand(llvm::ArrayRef<unsigned> letters);
  void table(unsigned letter, int64_t rank);
  void added(llvm::ArrayRef<unsigned> letters, unsigned result);
  void member(llvm::ArrayRef<unsigned> letters, unsigned result);
  void parts(unsigned letter);
  void result(llvm::ArrayRef<unsigned> letters);
  void taken(llvm::ArrayRef<unsigned> letters);
  void resultParts(unsigned letter);
  /// A letter of its own for each dimension of `value`, none of them to be split: scalars, keys, indices.
  llvm::SmallVector<unsigned, 2> whole(mlir::Value value, llvm::StringRef name);

  /// How parts of a result that lacks a summed letter become the result (default: sum).
  dist::Reduction reduction = dist::Reduction::Sum;
  /// All terms of the reduction must be split where one is: a term that all ranks hold would count once per rank.
  bool joint = false;

  llvm::ArrayRef<FactorLetter> letters() const { return declared; }
  llvm::ArrayRef<FactorValue> operands() const { return operandValues; }
  llvm::ArrayRef<FactorValue> results() const { return resultValues; }
  /// False for sums of operands, which have no term but those.
  bool hasOwnTerm() const;

private:
  llvm::SmallVector<FactorLetter, 8> declared;
  llvm::SmallVector<FactorValue, 8> operandValues;
  llvm::SmallVector<FactorValue, 4> resultValues;
};

/// The rule of `op`, checked against it: one entry per operand and result, one letter per dimension, dimensions of one
/// letter of one size, granules that divide it. Emits an error that names the op where it has no rule or a wrong one.
mlir::FailureOr<FactorRule> getFactorRule(mlir::Operation *op);

/// The part of getFactorRule that compares a rule with its operation.
mlir::LogicalResult checkFactorRule(mlir::Operation *op, const FactorRule &rule);

} // namespace ft
