#include "compiler/Fusion/ScaleProducts.h"

#include "compiler/Fusion/Passes.h"
#include "dialects/Ft/Ft.h"
#include "runtime/Plan/Fp8.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace ft {
#define GEN_PASS_DEF_SCALEPRODUCTSPASS
#include "compiler/Fusion/Fusion.h.inc"
} // namespace ft

namespace {

constexpr StringRef onesName = "fp8.ones";

RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

class Rewriter {
public:
  Rewriter(ModuleOp module, bool resident) : module(module), resident(resident), symbols(module), builder(module) {}

  void run() {
    for (auto segment : llvm::to_vector(module.getOps<func::FuncOp>())) {
      for (auto linear : llvm::to_vector(segment.getOps<LinearOp>()))
        if (multipliesCodes(linear))
          rewrite(linear);
      for (auto backward : llvm::to_vector(segment.getOps<LinearBwdInputOp>()))
        if (multipliesCodes(backward))
          rewrite(backward);
    }
  }

private:
  VariableOp variableOf(Value value) {
    auto read = value.getDefiningOp<ReadOp>();
    return read ? symbols.lookup<VariableOp>(read.getVariable()) : VariableOp();
  }
  bool isFp8(Value value) {
    VariableOp variable = variableOf(value);
    return variable && variable.isFp8();
  }
  static bool areVectors(Value matrix) {
    return llvm::all_of(typeOf(matrix).getShape(), [](int64_t size) { return size % int64_t(plan::fp8Multiple) == 0; });
  }
  static bool isNarrow(Value matrix) { return !typeOf(matrix).getElementType().isF64(); }

  bool multipliesCodes(LinearOp linear) {
    return linear.getAlpha().isExactlyValue(1) && isNarrow(linear.getX()) &&
           llvm::all_of(linear.getWeights(), [&](Value w) { return isFp8(w) && areVectors(w); });
  }

  /// At least one weight is in FP8, and what else is frozen is too: the others are adapters.
  bool multipliesCodes(LinearBwdInputOp backward) {
    auto fits = [&](Value w) {
      VariableOp variable = variableOf(w);
      return !variable || variable.getRole() != Role::Frozen || (variable.isFp8() && areVectors(w));
    };
    return backward.getAlpha().isExactlyValue(1) && isNarrow(backward.getDx()) &&
           typeOf(backward.getDx()).getElementType() == typeOf(backward.getGrads().front()).getElementType() &&
           llvm::all_of(backward.getWeights(), fits) &&
           llvm::any_of(backward.getWeights(), [&](Value w) { return isFp8(w); });
  }

  /// Place names say whose codes, what transposes them.
  Location locationOf(Operation *op, StringRef what) {
    auto name = dyn_cast<NameLoc>(op->getLoc());
    return name ? Location(NameLoc::get(builder.getStringAttr(name.getName().getValue() + "." + what))) : op->getLoc();
  }

  /// What is made for a product of backward is of backward, too.
  template <typename Op> Op mark(Op made, Operation *op) {
    if (isBackward(op))
      made->setAttr(backwardName, builder.getUnitAttr());
    return made;
  }

  /// Right behind what it reads: what stands in between would keep it from running together with what makes the rows.
  QuantizeRowsOp quantize(Operation *op, ValueRange rows, ValueRange fold) {
    OpBuilder::InsertionGuard guard(builder);
    Operation *last = rows.front().getDefiningOp();
    for (ValueRange values : {rows, fold})
      for (Value value : values)
        if (last->isBeforeInBlock(value.getDefiningOp()))
          last = value.getDefiningOp();
    builder.setInsertionPointAfter(last);
    SmallVector<Type> types;
    for (Value matrix : rows)
      types.push_back(typeOf(matrix).clone(Float8E4M3FNType::get(builder.getContext())));
    types.push_back(RankedTensorType::get({typeOf(rows.front()).getDimSize(0)}, builder.getF32Type()));
    return mark(QuantizeRowsOp::create(builder, locationOf(op, "codes"), types, rows, fold), op);
  }

  struct Stored {
    SmallVector<Value> codes, scales;
  };
  Stored stored(Operation *op, ValueRange weights) {
    OpBuilder::InsertionGuard guard(builder);
    Stored parts;
    for (Value weight : weights) {
      builder.setInsertionPointAfterValue(weight);
      auto codes = typeOf(weight).clone(Float8E4M3FNType::get(builder.getContext()));
      auto scales = RankedTensorType::get({typeOf(weight).getDimSize(0)}, builder.getF32Type());
      auto made = mark(StoredOp::create(builder, op->getLoc(), codes, scales, weight), op);
      parts.codes.push_back(made.getCodes());
      parts.scales.push_back(made.getScales());
    }
    return parts;
  }

  void rewrite(LinearOp linear) {
    builder.setInsertionPoint(linear);
    QuantizeRowsOp x = quantize(linear, linear.getX(), ValueRange());
    const Stored weights = stored(linear, linear.getWeights());
    auto made = mark(ScaledLinearOp::create(builder, linear.getLoc(), linear.getResultTypes(), x.getCodes().front(),
                                            x.getScale(), weights.codes, weights.scales, linear.getLowRank(),
                                            linear.getLowRankWeights(), linear.getLowRankOf()),
                     linear);
    linear->replaceAllUsesWith(made);
    linear->erase();
  }

  void rewrite(LinearBwdInputOp backward) {
    builder.setInsertionPoint(backward);
    SmallVector<Value> grads, weights, lowRank, lowRankWeights;
    for (auto [grad, weight] : llvm::zip(backward.getGrads(), backward.getWeights())) {
      const bool base = isFp8(weight);
      (base ? grads : lowRank).push_back(grad);
      (base ? weights : lowRankWeights).push_back(weight);
    }
    const Stored parts = stored(backward, weights);
    QuantizeRowsOp codes = quantize(backward, grads, parts.scales);
    Value transposed = resident ? readResident(backward, weights) : transpose(backward, parts.codes);
    Value ones = readOnes(backward, typeOf(backward.getDx()).getDimSize(1));
    auto made =
        mark(ScaledLinearBwdInputOp::create(builder, backward.getLoc(), backward.getDx().getType(), codes.getCodes(),
                                            codes.getScale(), transposed, ones, lowRank, lowRankWeights),
             backward);
    backward->replaceAllUsesWith(made);
    backward->erase();
  }

  static RankedTensorType transposedType(ValueRange weights) {
    int64_t rows = 0;
    for (Value weight : weights)
      rows += typeOf(weight).getDimSize(0);
    return RankedTensorType::get({typeOf(weights.front()).getDimSize(1), rows},
                                 Float8E4M3FNType::get(weights.front().getContext()));
  }

  Value transpose(Operation *op, ValueRange codes) {
    return mark(TransposeOp::create(builder, locationOf(op, "transposed"), transposedType(codes), codes), op)
        .getResult();
  }

  VariableOp declare(StringRef name, RankedTensorType type, Role role) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    auto variable = VariableOp::create(builder, module.getLoc(), name, type, role);
    symbols.insert(variable);
    return variable;
  }

  Value read(Operation *op, StringRef name, RankedTensorType type) {
    return ReadOp::create(builder, op->getLoc(), type, name);
  }

  /// The scales of columns where there are none: as many ones as the widest product needs.
  Value readOnes(Operation *op, int64_t columns) {
    auto type = RankedTensorType::get({columns}, builder.getF32Type());
    auto ones = symbols.lookup<VariableOp>(onesName);
    if (!ones) {
      ones = declare(onesName, type, Role::ConstantTable);
      ones.setInitAttr(builder.getDictionaryAttr(builder.getNamedAttr("kind", builder.getStringAttr("ones"))));
    } else if (ones.getTensorType().getDimSize(0) < columns) {
      ones.setType(type);
    }
    return read(op, onesName, type);
  }

  /// The group's codes, transposed by @initialize into a variable of the first weight's.
  Value readResident(Operation *op, ValueRange weights) {
    VariableOp first = variableOf(weights.front());
    std::string name = (first.getSymName() + ".transposed").str();
    for (Value weight : weights.drop_front()) // groups differ where a weight's gradient is not wanted
      name += ("+" + variableOf(weight).getSymName()).str();
    const RankedTensorType type = transposedType(weights);
    if (!symbols.lookup<VariableOp>(name)) {
      VariableOp copy = declare(name, type, Role::WorkingCopy);
      copy.setOfAttr(FlatSymbolRefAttr::get(first.getSymNameAttr()));
      initialize(op, weights, name);
    }
    return read(op, name, type);
  }

  void initialize(Operation *op, ValueRange weights, StringRef name) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(initializer().getBody().front().getTerminator());
    SmallVector<Value> codes;
    for (Value weight : weights) {
      Value whole = read(op, variableOf(weight).getSymName(), typeOf(weight));
      auto scales = RankedTensorType::get({typeOf(weight).getDimSize(0)}, builder.getF32Type());
      auto bytes = typeOf(weight).clone(Float8E4M3FNType::get(builder.getContext()));
      codes.push_back(StoredOp::create(builder, op->getLoc(), bytes, scales, whole).getCodes());
    }
    Value transposed =
        TransposeOp::create(builder, locationOf(op, "transposed"), transposedType(codes), codes).getResult();
    WriteOp::create(builder, op->getLoc(), name, transposed);
  }

  func::FuncOp initializer() {
    const std::string name = plan::segmentName(plan::Segment::INITIALIZE);
    if (auto found = module.lookupSymbol<func::FuncOp>(name))
      return found;
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToEnd(module.getBody());
    auto made = func::FuncOp::create(builder, module.getLoc(), name, builder.getFunctionType({}, {}));
    builder.setInsertionPointToEnd(made.addEntryBlock());
    func::ReturnOp::create(builder, module.getLoc());
    return made;
  }

  ModuleOp module;
  const bool resident;
  SymbolTable symbols;
  OpBuilder builder;
};

struct ScaleProductsPass : ft::impl::ScaleProductsPassBase<ScaleProductsPass> {
  using ScaleProductsPassBase::ScaleProductsPassBase;
  void runOnOperation() override { scaleProducts(getOperation(), resident); }
};

} // namespace

void ft::scaleProducts(ModuleOp module, bool resident) { Rewriter(module, resident).run(); }
