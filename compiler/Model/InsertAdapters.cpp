// Targets are the last parts of module names ("q_proj"), as in PEFT; a linear's module name is its weight's key
// without ".weight". No model is known here: what an ft.linear of @forward reads can be a target.
#include "compiler/Model/InsertAdapters.h"

#include "compiler/Model/Variables.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

#include <cmath>

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

StringRef moduleName(VariableOp weight) {
  StringRef name = weight.getSymName();
  name.consume_back(".weight");
  return name;
}

class AdapterInserter {
public:
  AdapterInserter(ModuleOp module, const LoraOptions &options)
      : module(module), symbols(module), options(options), builder(module.getContext()) {}

  LogicalResult run() {
    forward = module.lookupSymbol<func::FuncOp>("forward");
    if (!forward)
      return module.emitError("adapters need a function @forward");
    if (failed(checkOptions()) || failed(findTargets()))
      return failure();
    for (auto variable : module.getOps<VariableOp>())
      if (variable.getRole() == Role::Trainable)
        variable.setRole(Role::Frozen);
    for (VariableOp weight : targets)
      declarePair(weight);
    if (options.dropout > 0)
      declareSites();
    for (auto function : module.getOps<func::FuncOp>())
      for (auto op : llvm::make_early_inc_range(function.getOps<LinearOp>()))
        adapt(function, op);
    return success();
  }

private:
  LogicalResult checkOptions() {
    constexpr int64_t maxRank = 65536;
    if (options.r < 1 || options.r > maxRank)
      return module.emitError("lora.r is ") << options.r << "; must be in [1, " << maxRank << "]";
    if (!(options.dropout >= 0 && options.dropout < 1))
      return module.emitError("lora.lora_dropout is ") << options.dropout << "; must be in [0, 1)";
    if (!std::isfinite(options.alpha) || options.alpha <= 0)
      return module.emitError("lora.lora_alpha is ") << options.alpha << "; must be above 0";
    if (options.targets.empty())
      return module.emitError("lora.target_modules is empty; must name at least one linear, or all-linear");
    return success();
  }

  /// The weights that @forward's linears read, in order, with the last part of their module name.
  LogicalResult findTargets() {
    llvm::MapVector<Operation *, StringRef> linears;
    for (auto op : forward.getOps<LinearOp>())
      for (Value value : op.getWeights())
        if (VariableOp weight = parameterOf(value, symbols))
          linears.insert({weight, moduleName(weight).rsplit('.').second});
    llvm::StringSet<> names, missing;
    for (auto [weight, name] : linears)
      names.insert(name);
    const bool all = llvm::is_contained(options.targets, "all-linear");
    for (const std::string &target : options.targets)
      if (target != "all-linear" && !names.contains(target)) {
        SmallVector<StringRef> known(names.keys());
        llvm::sort(known);
        return module.emitError("lora.target_modules names \"")
               << target << "\"; must be all-linear or among " << llvm::join(known, ", ");
      }
    for (auto [weight, name] : linears)
      if (all || llvm::is_contained(options.targets, name))
        targets.insert(cast<VariableOp>(weight));
    return success();
  }

  /// The padding of `weight` where it is in dimension `dim`.
  static PaddingAttr paddingAlong(VariableOp weight, int64_t dim) {
    PaddingAttr padding = weight.getPaddingAttr();
    return padding && padding.getDim() == dim ? padding : PaddingAttr();
  }

  /// Dimension `shared` of the adapter is that of its weight, and padded as that.
  VariableOp declareAdapter(VariableOp weight, StringRef part, ArrayRef<int64_t> dims, int64_t shared) {
    const std::string name = (moduleName(weight) + "." + part + ".weight").str();
    Type element = weight.getTensorType().getElementType();
    VariableOp adapter = declareVariable(module, name, RankedTensorType::get(dims, element), Role::Adapter);
    adapter.setKey("base_model.model." + name);
    adapter.setPaddingAttr(paddingAlong(weight, shared));
    symbols.insert(adapter);
    return adapter;
  }

  void declarePair(VariableOp weight) {
    const int64_t out = weight.getTensorType().getDimSize(0), in = weight.getTensorType().getDimSize(1);
    VariableOp a = declareAdapter(weight, "lora_A", {options.r, in}, 1);
    // kaiming_uniform with a = √5.
    const double halfWidth = 1 / std::sqrt(double(weight.getLogicalShape()[1]));
    a.setInitAttr(builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("uniform")),
                                             builder.getNamedAttr("scale", builder.getF64FloatAttr(halfWidth))}));
    VariableOp b = declareAdapter(weight, "lora_B", {out, options.r}, 0);
    b.setInitAttr(builder.getDictionaryAttr(builder.getNamedAttr("kind", builder.getStringAttr("zeros"))));
  }

  /// One mask per input tensor: "<parent>.input" where several linears read it, "<module>.input" where one does.
  std::string siteOf(LinearOp op) {
    StringRef name = moduleName(parameterOf(op.getWeights().front(), symbols));
    return ((op.getWeights().size() > 1 ? name.rsplit('.').first : name) + ".input").str();
  }

  bool isTarget(Value weight) {
    VariableOp parameter = parameterOf(weight, symbols);
    return parameter && targets.contains(parameter);
  }

  /// Each site has a key of its own, so that the kernels of all layers are one.
  void declareSites() {
    for (auto op : forward.getOps<LinearOp>()) {
      if (llvm::none_of(op.getWeights(), [&](Value weight) { return isTarget(weight); }))
        continue;
      const std::string site = siteOf(op);
      VariableOp key = declareVariable(module, "dropout_key." + site, RankedTensorType::get({1}, builder.getI64Type()),
                                       Role::RandomKeys);
      key.setInitAttr(builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("random_keys")),
                                                 builder.getNamedAttr("names", builder.getStrArrayAttr({site}))}));
      keys[site] = key;
    }
  }

  Value readPart(Value weight, StringRef part) {
    const std::string name = (moduleName(parameterOf(weight, symbols)) + "." + part + ".weight").str();
    auto adapter = symbols.lookup<VariableOp>(name);
    return ReadOp::create(builder, placed(module.getContext(), name), adapter.getTensorType(), name);
  }

  Value dropOut(func::FuncOp function, LinearOp op) {
    if (function != forward || options.dropout == 0)
      return op.getX();
    Value key = readWhole(function, keys[siteOf(op)]);
    Value scalars = readWhole(function, findInput(module, plan::BatchInput::SCALARS));
    return DropoutOp::create(builder, placed(module.getContext(), placeOf(op.getLoc()) + ".dropout"),
                             op.getX().getType(), op.getX(), key, scalars, /*rows=*/Value(), APFloat(options.dropout),
                             paddingAlong(parameterOf(op.getWeights().front(), symbols), 1));
  }

  void adapt(func::FuncOp function, LinearOp op) {
    SmallVector<int64_t> of;
    for (auto [index, weight] : llvm::enumerate(op.getWeights()))
      if (isTarget(weight))
        of.push_back(int64_t(index));
    if (of.empty())
      return;
    builder.setInsertionPoint(op);
    SmallVector<Value> a, b;
    for (int64_t index : of) {
      a.push_back(readPart(op.getWeights()[index], "lora_A"));
      b.push_back(readPart(op.getWeights()[index], "lora_B"));
    }
    auto x = cast<RankedTensorType>(op.getX().getType());
    SmallVector<Type> types(of.size(), x.clone({x.getDimSize(0), options.r}));
    auto lowRank = LinearOp::create(builder, placed(module.getContext(), placeOf(op.getLoc()) + ".lora_A"), types,
                                    dropOut(function, op), a);
    lowRank.setAlpha(APFloat(options.alpha / double(options.r)));
    auto adapted = LinearOp::create(builder, op.getLoc(), op.getResultTypes(), op.getX(), op.getWeights(),
                                    lowRank.getResults(), b, op.getAlpha(), of);
    op.replaceAllUsesWith(adapted);
    op.erase();
  }

  ModuleOp module;
  SymbolTable symbols;
  const LoraOptions &options;
  OpBuilder builder;
  func::FuncOp forward;
  llvm::SetVector<VariableOp> targets;
  llvm::StringMap<VariableOp> keys; ///< of dropout, by site
};

} // namespace

LogicalResult ft::insertAdapters(ModuleOp module, const LoraOptions &options) {
  return AdapterInserter(module, options).run();
}
