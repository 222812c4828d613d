// AdamW and SGD as PyTorch's. The norm is over all trained gradients; the clip coefficient is applied inside the
// optimizer op, so that no gradient is written again. A step whose status is set changes nothing.
#include "compiler/Model/AddOptimizer.h"

#include "compiler/Model/Variables.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

namespace {

/// What the working copy of a parameter of this value holds.
Value inTypeOf(VariableOp copy, Value value, Location loc, OpBuilder &builder) {
  if (copy.getTensorType() == value.getType())
    return value;
  return CastOp::create(builder, loc, copy.getTensorType(), value);
}

class UpdateBuilder {
public:
  UpdateBuilder(ModuleOp module, const OptimizerOptions &options)
      : module(module), options(options), update(createSegment(module, plan::Segment::UPDATE)),
        builder(module.getContext()) {
    builder.setInsertionPoint(update.getBody().front().getTerminator());
  }

  LogicalResult build() {
    VariableOp inputs = findInput(module, plan::BatchInput::SCALARS),
               outcome = findOutput(module, plan::Output::STATUS);
    if (!inputs || !outcome)
      return module.emitError("the optimizer needs the input SCALARS and the output STATUS");
    SmallVector<std::pair<VariableOp, VariableOp>> trained;
    SmallVector<Value> gradients;
    for (auto gradient : module.getOps<VariableOp>())
      if (gradient.getRole() == Role::Gradient) {
        trained.push_back({module.lookupSymbol<VariableOp>(*gradient.getOf()), gradient});
        gradients.push_back(read(gradient));
      }
    if (trained.empty())
      return module.emitError("the optimizer finds no variable of role gradient");
    scalars = read(inputs);
    buildNorm(gradients, outcome);
    for (auto [pair, gradient] : llvm::zip(trained, gradients))
      updateParameter(pair.first, gradient);
    return success();
  }

private:
  Location loc(const Twine &place) { return placed(module.getContext(), place); }
  Value read(VariableOp variable) {
    return ReadOp::create(builder, loc(variable.getSymName()), variable.getTensorType(), variable.getSymName());
  }
  void write(VariableOp variable, Value value) {
    WriteOp::create(builder, loc(variable.getSymName()), variable.getSymName(), value);
  }

  void buildNorm(ArrayRef<Value> gradients, VariableOp outcome) {
    auto scalar = RankedTensorType::get({1}, builder.getF64Type());
    VariableOp output = declareVariable(module, "grad_norm", scalar, Role::Output);
    output.setIo(plan::Output::Kind_Name(plan::Output::GRAD_NORM));
    norm = GradNormOp::create(builder, loc("grad_norm"), scalar, gradients);
    write(output, norm);
    Value before = read(outcome);
    status = CheckFiniteOp::create(builder, loc("check_grad_norm"), outcome.getTensorType(), norm, before, scalars,
                                   /*cause=*/2);
    write(outcome, status);
  }

  /// Moments in f32 (f64 beside f64 parameters), or bf16 for full weights where asked for.
  Type momentType(VariableOp parameter) {
    if (parameter.getTensorType().getElementType().isF64())
      return builder.getF64Type();
    if (options.bf16State && parameter.getRole() == Role::Trainable)
      return builder.getBF16Type();
    return builder.getF32Type();
  }

  void updateParameter(VariableOp parameter, Value gradient) {
    Value before = read(parameter);
    const bool decays = parameter.getTensorType().getRank() >= 2 || options.decayNorms;
    const APFloat decay(decays ? options.weightDecay : 0.0), maxNorm(options.maxGradNorm);
    Location here = loc("update." + parameter.getSymName());
    Value after;
    if (options.kind == OptimizerOptions::Kind::AdamW) {
      VariableOp first = declareDerived(parameter, Role::ExpAvg, momentType(parameter));
      VariableOp second = declareDerived(parameter, Role::ExpAvgSq, momentType(parameter));
      Value m = read(first), v = read(second);
      auto step =
          AdamwOp::create(builder, here, before.getType(), first.getTensorType(), second.getTensorType(),
                          /*new_remainder=*/Type(), before, gradient, m, v, /*remainder=*/Value(), norm, status,
                          scalars, /*inverse_scale=*/Value(), /*rounding=*/Value(), /*rows=*/Value(),
                          APFloat(options.beta1), APFloat(options.beta2), APFloat(options.epsilon), decay, maxNorm);
      write(first, step.getNewExpAvg());
      write(second, step.getNewExpAvgSq());
      after = step.getNewParam();
    } else {
      // The buffer starts as zeros, so that momentum · 0 + g makes it PyTorch's first buffer, the gradient.
      VariableOp buffer =
          options.momentum > 0 ? declareDerived(parameter, Role::ExpAvg, momentType(parameter)) : nullptr;
      auto step = SgdOp::create(builder, here, before.getType(), buffer ? Type(buffer.getTensorType()) : Type(), before,
                                gradient, buffer ? read(buffer) : Value(), norm, status, scalars,
                                /*inverse_scale=*/Value(), /*rounding=*/Value(), /*rows=*/Value(),
                                APFloat(options.momentum), decay, maxNorm);
      if (buffer)
        write(buffer, step.getNewMomentumBuffer());
      after = step.getNewParam();
    }
    write(parameter, after);
    if (VariableOp copy = findDerived(module, parameter.getSymName(), Role::WorkingCopy))
      write(copy, inTypeOf(copy, after, here, builder));
  }

  ModuleOp module;
  const OptimizerOptions &options;
  func::FuncOp update;
  OpBuilder builder;
  Value scalars, norm, status;
};

void buildInitialize(ModuleOp module) {
  SmallVector<VariableOp> copies;
  for (auto variable : module.getOps<VariableOp>())
    if (variable.getRole() == Role::WorkingCopy)
      copies.push_back(variable);
  if (copies.empty())
    return;
  auto function = createSegment(module, plan::Segment::INITIALIZE);
  OpBuilder builder(function.getBody().front().getTerminator());
  for (VariableOp copy : copies) {
    auto master = module.lookupSymbol<VariableOp>(*copy.getOf());
    Location loc = placed(module.getContext(), copy.getSymName());
    Value value = ReadOp::create(builder, loc, master.getTensorType(), master.getSymName());
    WriteOp::create(builder, loc, copy.getSymName(), inTypeOf(copy, value, loc, builder));
  }
}

} // namespace

LogicalResult ft::addOptimizer(ModuleOp module, const OptimizerOptions &options) {
  if (failed(UpdateBuilder(module, options).build()))
    return failure();
  buildInitialize(module);
  return success();
}
