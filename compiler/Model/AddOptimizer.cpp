// AdamW and SGD as PyTorch's, and Lion. The norm is over all trained gradients; the clip coefficient is applied inside
// the optimizer op, so that no gradient is written again. A step whose status is set changes nothing. What an update
// stores in bf16 it rounds stochastically. Moments in codes have scales beside them, one for each block of elements.
#include "compiler/Model/AddOptimizer.h"

#include "compiler/Model/SplitMasters.h"
#include "compiler/Model/Variables.h"

#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace ft;
using namespace ft::model;

/// Elements of the least tensor whose moments are in codes, as of bitsandbytes: what less have saves no memory, and
/// norms' weights do not lose by it.
constexpr int64_t leastInCodes = 4096;

namespace {

/// What the working copy of a parameter of this value holds. Full weights tie away from zero, so that a copy in bf16
/// and 16 bits more can be its master (splitMasters), with the same bits in either form.
Value inTypeOf(VariableOp copy, VariableOp parameter, Value value, Location loc, OpBuilder &builder) {
  if (copy.getTensorType() == value.getType())
    return value;
  const bool tiesAway = parameter.getRole() == Role::Trainable && copy.getTensorType().getElementType().isBF16();
  return CastOp::create(builder, loc, copy.getTensorType(), value, tiesAway);
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
    const SymbolTable symbols(module);
    for (auto variable : module.getOps<VariableOp>())
      if (variable.getRole() == Role::WorkingCopy)
        copies[builder.getStringAttr(*variable.getOf())] = variable;
    for (auto gradient : module.getOps<VariableOp>())
      if (gradient.getRole() == Role::Gradient) {
        trained.push_back({symbols.lookup<VariableOp>(*gradient.getOf()), gradient});
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
    Value before = read(outcome);
    for (auto variable : module.getOps<VariableOp>())
      if (variable.getRole() == Role::LossScale)
        return adjustScale(variable, output, before);
    write(output, norm);
    status = CheckFiniteOp::create(builder, loc("check_grad_norm"), outcome.getTensorType(), norm, before, scalars,
                                   /*cause=*/2);
    write(outcome, status);
  }

  /// GradScaler's: a step whose gradients overflow changes nothing but the scale, and the run goes on.
  void adjustScale(VariableOp state, VariableOp normOutput, Value runStatus) {
    constexpr double growth = 2, backoff = 0.5;
    constexpr int64_t interval = 2000;
    VariableOp told = declareVariable(module, "loss_scales", state.getTensorType(), Role::Output);
    told.setIo(plan::Output::Kind_Name(plan::Output::LOSS_SCALES));
    auto step = AdjustScaleOp::create(builder, loc("adjust_scale"), state.getTensorType(), norm.getType(),
                                      norm.getType(), runStatus.getType(), scalars.getType(), norm, read(state),
                                      runStatus, scalars, APFloat(growth), APFloat(backoff), interval,
                                      APFloat(options.beta1), APFloat(options.beta2));
    write(told, step.getNext());
    write(state, step.getNext());
    norm = step.getTrueNorm();
    write(normOutput, norm);
    inverseScale = step.getInverse();
    status = step.getUpdateStatus();
    scalars = step.getUpdateScalars();
  }

  /// Moments in f32 (f64 beside f64 parameters); where asked for in bf16 for full weights, in codes for all that are
  /// large enough.
  Type momentType(VariableOp parameter) {
    using Moments = OptimizerOptions::Moments;
    if (parameter.getTensorType().getElementType().isF64())
      return builder.getF64Type();
    if (options.moments == Moments::Bf16 && parameter.getRole() == Role::Trainable)
      return builder.getBF16Type();
    if (options.moments == Moments::Codes && ShapedType::getNumElements(parameter.getLogicalShape()) >= leastInCodes)
      return builder.getI8Type();
    return builder.getF32Type();
  }

  /// What an update leaves beside a parameter and its moments: the remainder, if there is one, and the scales of
  /// moments in codes.
  SmallVector<VariableOp> declareRest(VariableOp parameter, VariableOp remainder, ArrayRef<Role> scales) {
    SmallVector<VariableOp> rest;
    if (remainder)
      rest.push_back(remainder);
    if (momentType(parameter).isInteger())
      for (Role role : scales)
        rest.push_back(declareScales(parameter, role));
    return rest;
  }

  /// One for each block of the parameter's elements as they lie in memory.
  VariableOp declareScales(VariableOp parameter, Role role) {
    VariableOp scales = declareDerived(parameter, role, builder.getF32Type());
    const int64_t blocks = llvm::divideCeil(parameter.getTensorType().getNumElements(), momentBlock);
    scales.setType(RankedTensorType::get({blocks}, builder.getF32Type()));
    scales.removePaddingAttr();
    return scales;
  }

  /// The Philox key of the stream "rounding", for an update that stores bf16; else null.
  Value roundingFor(VariableOp parameter, VariableOp remainder) {
    const bool exact = remainder || !parameter.getTensorType().getElementType().isBF16();
    if (exact && !momentType(parameter).isBF16())
      return nullptr;
    if (!roundingKey) {
      auto key =
          declareVariable(module, "rounding_key", RankedTensorType::get({1}, builder.getI64Type()), Role::RandomKeys);
      key.setInitAttr(builder.getDictionaryAttr({builder.getNamedAttr("kind", builder.getStringAttr("random_keys")),
                                                 builder.getNamedAttr("names", builder.getStrArrayAttr({"update"})),
                                                 builder.getNamedAttr("stream", builder.getStringAttr("rounding"))}));
      roundingKey = read(key);
    }
    return roundingKey;
  }

  /// One parameter in front of its update, and what all kinds have of that.
  struct Updated {
    VariableOp parameter, remainder;
    Value before, gradient, rounding;
    APFloat decay, maxNorm;
    Location here;
  };

  /// Values of variables, and their types.
  struct Rest {
    SmallVector<VariableOp> variables;
    SmallVector<Value> before;
    SmallVector<Type> types;
    Value remainder;
    ValueRange scales;
  };
  void readRest(const Updated &u, ArrayRef<Role> scales, Rest &rest) {
    rest.variables = declareRest(u.parameter, u.remainder, scales);
    for (VariableOp variable : rest.variables) {
      rest.before.push_back(read(variable));
      rest.types.push_back(rest.before.back().getType());
    }
    rest.remainder = u.remainder ? rest.before.front() : Value();
    rest.scales = ValueRange(rest.before).drop_front(u.remainder ? 1 : 0);
  }
  void writeRest(const Rest &rest, ValueRange next) {
    for (auto [variable, value] : llvm::zip_equal(rest.variables, next))
      write(variable, value);
  }

  Value adamw(const Updated &u) {
    VariableOp first = declareDerived(u.parameter, Role::ExpAvg, momentType(u.parameter));
    VariableOp second = declareDerived(u.parameter, Role::ExpAvgSq, momentType(u.parameter));
    Value m = read(first), v = read(second);
    Rest rest;
    readRest(u, {Role::ExpAvgScales, Role::ExpAvgSqScales}, rest);
    auto step = AdamwOp::create(builder, u.here, u.before.getType(), first.getTensorType(), second.getTensorType(),
                                rest.types, u.before, u.gradient, m, v, rest.remainder, rest.scales, norm, status,
                                scalars, inverseScale, u.rounding, /*rows=*/Value(), APFloat(options.beta1),
                                APFloat(options.beta2), APFloat(options.epsilon), u.decay, u.maxNorm);
    write(first, step.getNewExpAvg());
    write(second, step.getNewExpAvgSq());
    writeRest(rest, step.getNewRest());
    return step.getNewParam();
  }

  Value lion(const Updated &u) {
    VariableOp mean = declareDerived(u.parameter, Role::ExpAvg, momentType(u.parameter));
    Value m = read(mean);
    Rest rest;
    readRest(u, {Role::ExpAvgScales}, rest);
    auto step =
        LionOp::create(builder, u.here, u.before.getType(), mean.getTensorType(), rest.types, u.before, u.gradient, m,
                       rest.remainder, rest.scales, norm, status, scalars, inverseScale, u.rounding, /*rows=*/Value(),
                       APFloat(options.beta1), APFloat(options.beta2), u.decay, u.maxNorm);
    write(mean, step.getNewExpAvg());
    writeRest(rest, step.getNewRest());
    return step.getNewParam();
  }

  /// The buffer starts as zeros, so that momentum · 0 + g makes it PyTorch's first buffer, the gradient.
  Value sgd(const Updated &u) {
    VariableOp buffer =
        options.momentum > 0 ? declareDerived(u.parameter, Role::ExpAvg, momentType(u.parameter)) : nullptr;
    auto step =
        SgdOp::create(builder, u.here, u.before.getType(), buffer ? Type(buffer.getTensorType()) : Type(), u.before,
                      u.gradient, buffer ? read(buffer) : Value(), norm, status, scalars, inverseScale, u.rounding,
                      /*rows=*/Value(), APFloat(options.momentum), u.decay, u.maxNorm);
    if (buffer)
      write(buffer, step.getNewMomentumBuffer());
    return step.getNewParam();
  }

  Value updated(const Updated &u) {
    switch (options.kind) {
    case OptimizerOptions::Kind::AdamW:
      return adamw(u);
    case OptimizerOptions::Kind::Sgd:
      return sgd(u);
    case OptimizerOptions::Kind::Lion:
      return lion(u);
    }
    llvm_unreachable("a kind of optimizer");
  }

  void updateParameter(VariableOp parameter, Value gradient) {
    VariableOp remainder = options.splitMasters ? splitMaster(module, parameter) : nullptr;
    if (remainder) // which takes the place of the copy
      copies.erase(parameter.getSymNameAttr());
    Value before = read(parameter);
    const bool decays = parameter.getTensorType().getRank() >= 2 || options.decayNorms;
    Location here = loc("update." + parameter.getSymName());
    Value after = updated({parameter, remainder, before, gradient, roundingFor(parameter, remainder),
                           APFloat(decays ? options.weightDecay : 0.0), APFloat(options.maxGradNorm), here});
    write(parameter, after);
    if (VariableOp copy = copies.lookup(parameter.getSymNameAttr()))
      write(copy, inTypeOf(copy, parameter, after, here, builder));
  }

  ModuleOp module;
  const OptimizerOptions &options;
  func::FuncOp update;
  OpBuilder builder;
  Value scalars, norm, status, inverseScale, roundingKey;
  llvm::DenseMap<StringAttr, VariableOp> copies; ///< working copies, by their parameter's name
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
  const SymbolTable symbols(module);
  for (VariableOp copy : copies) {
    auto master = symbols.lookup<VariableOp>(*copy.getOf());
    Location loc = placed(module.getContext(), copy.getSymName());
    Value value = ReadOp::create(builder, loc, master.getTensorType(), master.getSymName());
    WriteOp::create(builder, loc, copy.getSymName(), inTypeOf(copy, master, value, loc, builder));
  }
}

} // namespace

LogicalResult ft::addOptimizer(ModuleOp module, const OptimizerOptions &options) {
  if (failed(UpdateBuilder(module, options).build()))
    return failure();
  buildInitialize(module);
  return success();
}
