// The questions that operations of ft are asked, one interface each: whoever adds an operation answers those that have
// a meaning for it. The dialect declares them. What follows from the definition alone an operation answers in its own
// list of traits (Accumulating, Optimizer); the other answers attach as external models, from the phase that asks.
#ifndef FT_INTERFACES_TD
#define FT_INTERFACES_TD

include "mlir/IR/OpBase.td"

class Ft_Interface<string name> : OpInterface<name> {
  let cppNamespace = "::ft::model";
}

//===-- definition -----------------------------------------------------------------------------------------------===//

def Accumulating : Ft_Interface<"Accumulating"> {
  let description = [{
    The operation's last result is a sum that can start from a value, its `accumulate` operand, instead of zero:
    gradients of weights. Gradients accumulate over micro-batches and over uses of a weight without an addition of
    their own, and the sum is computed in the memory that it started from.
  }];
  let methods = [
    InterfaceMethod<"The operand that the sum starts from, empty for zero.",
      "::mlir::MutableOperandRange", "getAccumulateMutable">,
  ];
  let extraClassDeclaration = [{
    /// What the sum starts from; null: zero.
    ::mlir::Value getStart() {
      ::mlir::MutableOperandRange start = getAccumulateMutable();
      return start.empty() ? ::mlir::Value() : start[0].get();
    }
    /// Number of the result that is the sum.
    unsigned getSumNumber() { return (*this)->getNumResults() - 1; }
  }];
}

def Optimizer : Ft_Interface<"Optimizer"> {
  let description = [{
    The operation updates one parameter, its operand 0, in a step. Parameters whose updates have the same attributes are
    laid out as one bucket and updated by one launch.
  }];
  let methods = [
    InterfaceMethod<"The parameter before the step.", "::mlir::Value", "getParam">,
    InterfaceMethod<"The norm over all gradients.", "::mlir::Value", "getNorm">,
    InterfaceMethod<"Not 0: the step changes nothing.", "::mlir::Value", "getStatus">,
    InterfaceMethod<"Learning rate and bias corrections.", "::mlir::Value", "getScalars">,
    InterfaceMethod<"What gradients are multiplied by first, null where they are as they are.", "::mlir::Value",
      "getInverseScale">,
    InterfaceMethod<"The Philox key of stochastic rounding, null where nothing is rounded so.", "::mlir::Value",
      "getRounding">,
    InterfaceMethod<"The number of a bucket's first row, which rounding counts from; empty in front of Layout.",
      "::mlir::MutableOperandRange", "getRowsMutable">,
    InterfaceMethod<"Of each result, the number of the operand whose next value it is, of the same type.",
      "::llvm::SmallVector<unsigned>", "getUpdatedOperands">,
  ];
  let extraClassDeclaration = [{
    /// The number of the bucket's first row; null where nothing is rounded.
    ::mlir::Value getFirstRow() {
      ::mlir::MutableOperandRange rows = getRowsMutable();
      return rows.empty() ? ::mlir::Value() : rows[0].get();
    }
  }];
}

//===-- compiler/Model -------------------------------------------------------------------------------------------===//

def PrecisionPolicy : Ft_Interface<"PrecisionPolicy"> {
  let description = [{
    The element types of results, and which operands must be of the products' type, in each precision mode
    (docs/numerics.md). Asked before differentiation, which follows the types that it finds.
  }];
  let methods = [
    InterfaceMethod<"Take the types of a mode; see compiler/Model/PrecisionTable.h.",
      "void", "applyPrecision", (ins "::ft::PrecisionTable &":$table)>,
  ];
}

def Derivative : Ft_Interface<"Derivative"> {
  let description = [{
    The reverse-mode rule of one operation. No rule knows a model: it sees its own operands, results, the cotangents
    of its results and which operands need one.
  }];
  let methods = [
    InterfaceMethod<"Emit the cotangents of the operands that need one; see compiler/Model/GradientBuilder.h.",
      "::llvm::LogicalResult", "buildDerivative", (ins "::ft::GradientBuilder &":$gradients)>,
  ];
}

def TokenWise : Ft_Interface<"TokenWise"> {
  let description = [{
    Row t of each result depends on row t of operands of tokens, and on no other of their rows: the operation can be made
    for some tokens alone. The remaining operands (weights, tables, scalars) are the same for all tokens.
  }];
  let methods = [
    InterfaceMethod<"The operand has a row for each token.", "bool", "isTokenOperand", (ins "unsigned":$operand)>,
    InterfaceMethod<[{Make the operation, at the builder's place, for the tokens whose indices are the elements of `rows`.
      `there` maps each operand of tokens to its rows of these.}], "::mlir::Operation *", "buildForTokens",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::IRMapping &":$there, "::mlir::Value":$rows)>,
  ];
}

def Remade : Ft_Interface<"Remade"> {
  let description = [{
    Backward can make results of the operation again rather than keep them: that costs time instead of memory. Results
    of all other operations are kept where backward reads them.
  }];
  let methods = [
    InterfaceMethod<"The least policy under which backward makes the result again; see compiler/Model/Recompute.h.",
      "::ft::Recompute", "getRecompute", (ins "::mlir::OpResult":$result)>,
    InterfaceMethod<[{Make a result again, at the builder's place: the same bits. `there` maps what the operation reads to
      what backward has of it.}], "::mlir::Value", "buildAgain",
      (ins "::mlir::OpResult":$result, "::mlir::OpBuilder &":$builder, "::mlir::IRMapping &":$there)>,
    InterfaceMethod<[{The kernel of the derivative makes the result as well, from what it has loaded: who needs it waits
      for the derivative.}], "bool", "isMadeBesideDerivative", (ins), "", "return false;">,
  ];
}

//===-- compiler/Sharding ----------------------------------------------------------------------------------------===//

def Factors : Ft_Interface<"Factors"> {
  let description = [{
    The operation's sharding rule as factors (Shardy's rule form): which index letter each dimension of each operand
    and result carries, and which letters are reduced; see compiler/Sharding/FactorRule.h.
  }];
  let methods = [
    InterfaceMethod<"Fill in the rule.", "void", "getFactorRule", (ins "::ft::FactorRule &":$rule)>,
  ];
}

//===-- compiler/Fusion ------------------------------------------------------------------------------------------===//

def RowWise : Ft_Interface<"RowWise"> {
  let description = [{
    The operation computes each item of a row space on its own (or a column reduction over it) and can share a kernel
    with others of the same space.
  }];
  let methods = [
    InterfaceMethod<"Fill in the items; fails where this operation's shapes have none. See compiler/Fusion/RowSpace.h.",
      "::llvm::LogicalResult", "getRowSpace", (ins "::ft::RowSpace &":$space)>,
    InterfaceMethod<[{The operand is read one row an item, where a result of its type is written: it counts against the
      registers of a kernel, and its memory can be reused. Others are weights, statistics, tables and scalars.}],
      "bool", "isRowOperand", (ins "unsigned":$operand)>,
    InterfaceMethod<"Emit the operation's part of a row program; see compiler/Fusion/RowEmitter.h.",
      "::llvm::LogicalResult", "emitRow", (ins "::ft::RowEmitter &":$emitter)>,
  ];
}

//===-- compiler/Planning ----------------------------------------------------------------------------------------===//

def InPlace : Ft_Interface<"InPlace"> {
  let description = [{
    Results that the steps of the operation can write over operands that die there.
  }];
  let methods = [
    InterfaceMethod<"Append pairs (operand, result) that may share memory, the preferred one of a result first.",
      "void", "getInPlacePairs", (ins "::llvm::SmallVectorImpl<std::pair<int64_t, int64_t>> &":$pairs)>,
  ];
}

def Placement : Ft_Interface<"Placement"> {
  let description = [{
    The operation's steps want operands or results side by side, or with columns behind their rows: a group of linears
    is one product, a library takes one pitch.
  }];
  let methods = [
    InterfaceMethod<"Say so; see compiler/Planning/PlaceRequests.h.",
      "void", "requestPlaces", (ins "::ft::PlaceRequests &":$requests)>,
  ];
}

def PlanSteps : Ft_Interface<"PlanSteps"> {
  let description = [{
    The operation as steps of a plan, over buffers: launches of row kernels, products, calls of libraries, copies.
    Row-wise operations have none of their own: kernel.fused, which holds them, does.
  }];
  let methods = [
    InterfaceMethod<"Emit the steps; see compiler/Planning/StepEmitter.h.",
      "::llvm::LogicalResult", "emitSteps", (ins "::ft::StepEmitter &":$out)>,
  ];
}

#endif // FT_INTERFACES_TD
