// Interfaces that ft operations implement. The dialect declares them; the derivative, the row programs and the
// sharding factors attach as external models from compiler/Model, compiler/Fusion and compiler/Sharding.
#ifndef FT_INTERFACES_TD
#define FT_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Derivative : OpInterface<"Derivative"> {
  let cppNamespace = "::ft::model";
  let description = [{
    The reverse-mode rule of one operation. No rule knows a model: it sees its own operands, results, the cotangents
    of its results and which operands need one.
  }];
  let methods = [
    InterfaceMethod<"Emit the cotangents of the operands that need one; see compiler/Model/GradientBuilder.h.",
      "::llvm::LogicalResult", "buildDerivative", (ins "::ft::GradientBuilder &":$gradients)>,
  ];
}

def RowWise : OpInterface<"RowWise"> {
  let cppNamespace = "::ft::model";
  let description = [{
    The operation computes each item of a row space on its own (or a column reduction over it) and can share a kernel
    with others of the same space.
  }];
  let methods = [
    InterfaceMethod<"Emit the operation's part of a row program; see compiler/Fusion/RowEmitter.h.",
      "::llvm::LogicalResult", "emitRow", (ins "::ft::RowEmitter &":$emitter)>,
  ];
}

def Factors : OpInterface<"Factors"> {
  let cppNamespace = "::ft::model";
  let description = [{
    The operation's sharding rule as factors (Shardy's rule form): which index letter each dimension of each operand
    and result carries, and which letters are reduced; see compiler/Sharding/FactorRule.h.
  }];
  let methods = [
    InterfaceMethod<"Fill in the rule.", "void", "getFactorRule", (ins "::ft::FactorRule &":$rule)>,
  ];
}

def Cost : OpInterface<"Cost"> {
  let cppNamespace = "::ft::model";
  let methods = [
    InterfaceMethod<"Floating-point operations of one execution.", "double", "getFlops", (ins)>,
  ];
}

#endif // FT_INTERFACES_TD
