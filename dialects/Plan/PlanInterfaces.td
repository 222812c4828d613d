// What all steps of a plan have in common.
#ifndef PLAN_INTERFACES_TD
#define PLAN_INTERFACES_TD

include "mlir/IR/OpBase.td"

def Plan_StepOpInterface : OpInterface<"StepOpInterface"> {
  let cppNamespace = "::ft::plan";
  let description = [{
    A step of a segment: the regions that it touches, by role, and when it runs. A role is the name of the attribute
    that holds the operand, which is the field of the step's message in plan.proto. Class Plan_Step implements all of it
    from an operation's list of operands: whoever walks operands sees a new role without being told.
  }];
  let methods = [
    InterfaceMethod<"The operation's place in the model and what the step does there.", "::llvm::StringRef", "getName">,
    InterfaceMethod<"An index into the plan's streams.", "uint64_t", "getStream">,
    InterfaceMethod<"", "void", "setStream", (ins "uint64_t":$stream)>,
    InterfaceMethod<"Events that must have happened before the step.", "::llvm::ArrayRef<int64_t>", "getWait">,
    InterfaceMethod<"", "void", "setWait", (ins "::llvm::ArrayRef<int64_t>":$events)>,
    InterfaceMethod<"The event behind the step, from 1; 0 for none.", "uint64_t", "getRecord">,
    InterfaceMethod<"", "void", "setRecord", (ins "uint64_t":$event)>,
    InterfaceMethod<"", "::llvm::APFloat", "getFlops">,
    InterfaceMethod<"", "::llvm::APFloat", "getPredictedUs">,
    InterfaceMethod<"", "void", "setPredictedUs", (ins "::llvm::APFloat":$us)>,
    InterfaceMethod<"Calls visit(role, operand) for each operand that is present, in the order of the message.",
                    "void", "visitOperands", (ins "::ft::plan::OperandVisitor":$visit)>,
  ];
  let extraClassDeclaration = [{
    /// The operand that a library may use as it likes, null where there is none.
    ::ft::plan::OperandAttr getWorkspace();
    /// All operands, without their roles.
    ::llvm::SmallVector<::ft::plan::OperandAttr> getAllOperands();
  }];
}

#endif // PLAN_INTERFACES_TD
