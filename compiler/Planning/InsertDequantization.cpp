#include "compiler/Planning/InsertDequantization.h"

#include "dialects/Ft/Ft.h"
#include "dialects/TypeBytes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

constexpr int64_t vectorBytes = 16;

namespace {

class Inserter {
public:
  Inserter(ModuleOp module, bool foldAdapters) : symbols(module), fold(foldAdapters), builder(module.getContext()) {}

  /// [x | s] · [W | B]ᵀ: the adapters' B beside their weights.
  void insert(LinearOp linear) {
    SmallVector<OpOperand *> weights = operands(linear.getWeightsMutable()), beside;
    const bool all = llvm::all_of(weights, [&](OpOperand *w) { return isQuantized(w->get()); });
    if (fold && all && areVectors(linear.getWeights().front(), columns(linear.getLowRankWeights())))
      beside = operands(linear.getLowRankWeightsMutable());
    replace(linear, weights, {}, beside, linear.getLowRankOf());
  }

  /// [dy | ds] · [W; A]: the adapters' A below the weights.
  void insert(LinearBwdInputOp backward) {
    SmallVector<OpOperand *> weights = operands(backward.getWeightsMutable()), below;
    auto isAdapters = [&](OpOperand *w) { return !isFrozen(w->get()); };
    const bool all = llvm::all_of(weights, [&](OpOperand *w) { return isAdapters(w) || isQuantized(w->get()); });
    int64_t ranks = 0;
    for (OpOperand *w : weights)
      ranks += isAdapters(w) ? cast<RankedTensorType>(w->get().getType()).getDimSize(0) : 0;
    if (fold && all && areVectors(backward.getWeights().front(), ranks))
      llvm::copy_if(weights, std::back_inserter(below), isAdapters);
    replace(backward, weights, below, {}, {});
  }

private:
  static SmallVector<OpOperand *> operands(MutableOperandRange range) {
    SmallVector<OpOperand *> all;
    for (OpOperand &operand : range)
      all.push_back(&operand);
    return all;
  }
  static int64_t columnsOf(Value matrix) { return cast<RankedTensorType>(matrix.getType()).getDimSize(1); }
  static int64_t columns(ValueRange matrices) {
    int64_t sum = 0;
    for (Value matrix : matrices)
      sum += columnsOf(matrix);
    return sum;
  }

  /// Whether the rows of a weight, and `ranks` columns or rows more, are whole vectors.
  static bool areVectors(Value weight, int64_t ranks) {
    const int64_t bytes = elementBytes(cast<RankedTensorType>(weight.getType()).getElementType());
    return columnsOf(weight) * bytes % vectorBytes == 0 && ranks * bytes % vectorBytes == 0;
  }

  VariableOp variableOf(Value value) {
    auto read = value.getDefiningOp<ReadOp>();
    return read ? symbols.lookup<VariableOp>(read.getVariable()) : VariableOp();
  }
  bool isFrozen(Value value) {
    VariableOp variable = variableOf(value);
    return variable && variable.getRole() == Role::Frozen;
  }
  bool isQuantized(Value value) {
    VariableOp variable = variableOf(value);
    return variable && variable.getQuantization();
  }

  /// Only the quantised of `weights`; nothing where there are none.
  void replace(Operation *op, ArrayRef<OpOperand *> weights, ArrayRef<OpOperand *> below, ArrayRef<OpOperand *> beside,
               ArrayRef<int64_t> besideOf) {
    SmallVector<OpOperand *> all;
    llvm::copy_if(weights, std::back_inserter(all), [&](OpOperand *w) { return isQuantized(w->get()); });
    if (all.empty())
      return;
    const size_t quantized = all.size();
    all.append(below.begin(), below.end());
    all.append(beside.begin(), beside.end());
    SmallVector<Value> values = llvm::map_to_vector(all, [](OpOperand *operand) { return operand->get(); });
    auto range = [&](size_t first, size_t count) { return ValueRange(values).slice(first, count); };
    builder.setInsertionPoint(op);
    Location loc = op->getLoc();
    if (auto name = dyn_cast<NameLoc>(loc))
      loc = NameLoc::get(builder.getStringAttr(name.getName().getValue() + ".weights"));
    auto numbers = DequantizeOp::create(builder, loc, TypeRange(ValueRange(values)), range(0, quantized),
                                        range(quantized, below.size()), range(quantized + below.size(), beside.size()),
                                        beside.empty() ? ArrayRef<int64_t>() : besideOf);
    for (auto [operand, result] : llvm::zip_equal(all, numbers.getResults()))
      operand->set(result);
  }

  SymbolTable symbols;
  bool fold;
  OpBuilder builder;
};

} // namespace

void ft::insertDequantization(ModuleOp module, bool foldAdapters) {
  Inserter inserter(module, foldAdapters);
  for (auto segment : module.getOps<func::FuncOp>())
    for (Operation &op : llvm::make_early_inc_range(segment.getBody().front()))
      if (auto linear = dyn_cast<LinearOp>(op))
        inserter.insert(linear);
      else if (auto backward = dyn_cast<LinearBwdInputOp>(op))
        inserter.insert(backward);
}
