#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

static VariableOp findIo(ModuleOp module, Role role, StringRef kind) {
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == role && variable.getIo() == kind)
      return variable;
  return nullptr;
}

VariableOp ft::findInput(ModuleOp module, plan::BatchInput::Kind kind) {
  return findIo(module, Role::Input, plan::BatchInput::Kind_Name(kind));
}

VariableOp ft::findOutput(ModuleOp module, plan::Output::Kind kind) {
  return findIo(module, Role::Output, plan::Output::Kind_Name(kind));
}

VariableOp ft::findDerived(ModuleOp module, StringRef parameter, Role role) {
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == role && variable.getOf() == parameter)
      return variable;
  return nullptr;
}

VariableOp ft::declareVariable(ModuleOp module, StringRef name, RankedTensorType type, Role role) {
  OpBuilder builder(module.getBodyRegion());
  builder.setInsertionPointToEnd(module.getBody());
  for (Operation &op : llvm::reverse(*module.getBody())) { // segments come last
    if (!isa<func::FuncOp>(op))
      break;
    builder.setInsertionPoint(&op);
  }
  return VariableOp::create(builder, placed(module.getContext(), name), name, type, role);
}

VariableOp ft::declareDerived(VariableOp parameter, Role role, Type element) {
  auto module = parameter->getParentOfType<ModuleOp>();
  const std::string name = (parameter.getSymName() + "." + stringifyRole(role)).str();
  VariableOp derived = declareVariable(module, name, parameter.getTensorType().clone(element), role);
  derived.setOf(parameter.getSymName());
  derived.setPaddingAttr(parameter.getPaddingAttr());
  if (role == Role::WorkingCopy)
    return derived;
  derived.setKeyAttr(parameter.getKeyAttr());
  OpBuilder builder(module.getContext());
  if (role != Role::Gradient)
    derived.setInitAttr(builder.getDictionaryAttr(builder.getNamedAttr("kind", builder.getStringAttr("zeros"))));
  return derived;
}

Value ft::readWhole(func::FuncOp function, VariableOp variable) {
  Block &block = function.getBody().front();
  for (auto read : function.getOps<ReadOp>())
    if (read.getVariable() == variable.getSymName() && read.getType() == variable.getTensorType()) {
      read->moveBefore(&block, block.begin());
      return read;
    }
  return addRead(function, variable);
}

ReadOp ft::addRead(func::FuncOp function, VariableOp variable) {
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  return ReadOp::create(builder, placed(function.getContext(), variable.getSymName()), variable.getTensorType(),
                        variable.getSymName());
}

VariableOp ft::parameterOf(Value value, SymbolTable &symbols) {
  auto read = value.getDefiningOp<ReadOp>();
  if (!read)
    return nullptr;
  auto variable = symbols.lookup<VariableOp>(read.getVariable());
  if (variable && variable.getRole() == Role::WorkingCopy)
    return symbols.lookup<VariableOp>(*variable.getOf());
  return variable;
}

StringRef ft::placeOf(Location location) {
  if (auto name = dyn_cast<NameLoc>(location))
    return name.getName();
  return "?";
}

std::optional<int64_t> ft::layerOf(Operation *op) {
  StringRef place = placeOf(op->getLoc());
  int64_t layer = 0;
  if (!place.consume_front("layers.") || place.consumeInteger(10, layer))
    return std::nullopt;
  return layer;
}

Location ft::placed(MLIRContext *context, const Twine &place) { return NameLoc::get(StringAttr::get(context, place)); }

func::FuncOp ft::findSegment(ModuleOp module, plan::Segment::Kind kind) {
  return module.lookupSymbol<func::FuncOp>(plan::segmentName(kind));
}

func::FuncOp ft::createSegment(ModuleOp module, plan::Segment::Kind kind) {
  const std::string name = plan::segmentName(kind);
  OpBuilder builder(module.getBodyRegion());
  builder.setInsertionPointToEnd(module.getBody());
  Location loc = placed(module.getContext(), name);
  auto function = func::FuncOp::create(builder, loc, name, builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(function.addEntryBlock());
  func::ReturnOp::create(builder, loc);
  return function;
}
