#include "compiler/Model/QuantizeBase.h"

#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static bool isLeftOut(StringRef module, ArrayRef<std::string> leftOut) {
  const std::string dotted = ("." + module + ".").str();
  return llvm::any_of(leftOut, [&](StringRef name) { return StringRef(dotted).contains(("." + name + ".").str()); });
}

LogicalResult ft::quantizeBase(ModuleOp module, const QuantizationOptions &options) {
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  if (!forward)
    return module.emitError("a quantised base needs a function @forward");
  SymbolTable symbols(module);
  const bool fp8 = options.form == QuantizationOptions::Form::Fp8;
  const Attribute form = fp8 ? Attribute(Fp8Attr::get(module.getContext()))
                             : Attribute(Nf4Attr::get(module.getContext(), options.doubleQuant));
  for (auto linear : forward.getOps<LinearOp>())
    for (Value value : linear.getWeights()) {
      VariableOp weight = parameterOf(value, symbols);
      if (!weight || weight.getRole() == Role::Adapter)
        continue;
      if (weight.getRole() != Role::Frozen)
        return weight.emitOpError("is trained; a base in few bits is frozen, and needs adapters");
      StringRef name = weight.getSymName();
      name.consume_back(".weight");
      if (!isLeftOut(name, options.leftOut))
        weight.setQuantizationAttr(form);
    }
  return success();
}
