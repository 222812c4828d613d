// A reference interpreter of ft modules for tests: plain loops in double precision, written from the descriptions of
// the ops, sharing no code with the passes and kernels that it checks.
#pragma once

#include "dialects/Ft/Ft.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <map>
#include <string>
#include <vector>

namespace ft {

/// A dense row-major tensor: `numbers` where its elements are floats, `integers` where they are integers.
struct ReferenceTensor {
  std::vector<int64_t> shape;
  std::vector<double> numbers;
  std::vector<int64_t> integers;

  int64_t dim(unsigned index) const { return shape[index]; }
  int64_t size() const;
  double &at(int64_t row, int64_t column) { return numbers[row * shape[1] + column]; }
  double at(int64_t row, int64_t column) const { return numbers[row * shape[1] + column]; }
};

/// Fills a rope table as a variable's `init` says.
void fillRope(mlir::DictionaryAttr init, ReferenceTensor &table);

class Interpreter {
public:
  /// Every variable of the module starts as zeros. With `rounds` each value is rounded to its element type.
  explicit Interpreter(mlir::ModuleOp module, bool rounds = false);

  /// The variable of this name; its shape must not be changed.
  ReferenceTensor &operator[](llvm::StringRef variable) { return variables.at(variable.str()); }
  bool has(llvm::StringRef variable) const { return variables.count(variable.str()); }
  const std::map<std::string, ReferenceTensor> &all() const { return variables; }

  /// Executes a segment. Fails with a diagnostic on an op that it does not know, naming it.
  mlir::LogicalResult run(llvm::StringRef function);

private:
  using Operands = llvm::ArrayRef<const ReferenceTensor *>;
  mlir::LogicalResult execute(mlir::Operation &op);
  const ReferenceTensor &get(mlir::Value value) const { return values.at(value); }
  ReferenceTensor &make(mlir::Value value);

  bool executeRowWise(mlir::Operation &op);
  bool executeProduct(mlir::Operation &op);
  bool executeUpdate(mlir::Operation &op);

  void bias(mlir::Operation &operation);
  void norm(mlir::Operation &op);
  void dropout(model::DropoutOp op);
  void attention(model::AttentionOp op);
  void attentionBackward(model::AttentionBwdOp op);
  void linear(model::LinearOp op);
  void headLoss(mlir::Operation *op, mlir::Value x, mlir::Value weight, mlir::Value labels, mlir::Value scalars);
  template <typename Op> double unscaling(Op op) const;
  void adjustScale(model::AdjustScaleOp op);
  void adamw(model::AdamwOp op);
  void lion(model::LionOp op);
  void sgd(model::SgdOp op);

  mlir::ModuleOp module;
  bool rounds;
  std::map<std::string, ReferenceTensor> variables;
  llvm::DenseMap<mlir::Value, ReferenceTensor> values;
};

} // namespace ft
