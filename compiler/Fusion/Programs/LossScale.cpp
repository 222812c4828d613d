// Dynamic loss scaling: what PyTorch's GradScaler does between the backward pass and the optimizer, and behind it
// (torch/amp/grad_scaler.py, and amp_update_scale_ of its CUDA kernels).
#include "compiler/Fusion/Programs/ProgramBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;

namespace ft {

namespace {
/// The next state out of the present one, `finite` and `good` (the run's status) being conditions.
class ScaleStep {
public:
  ScaleStep(ProgramBuilder &p, Value state, const LossScaleOptions &options) : b(p.b), state(state), options(options) {}

  Value at(plan::LossScale number) { return b.loadScalar(state, b.index(number)); }
  Value number(double value) { return b.number(value, b.getF64Type()); }

  /// Returns the powers of beta1 and beta2.
  std::pair<Value, Value> write(Value finite, Value good) {
    const Value scale = at(plan::CURRENT_SCALE), taken = arith::AndIOp::create(b, finite, good);
    Value count = b.add(at(plan::GOOD_STEPS), number(1)), grown = b.mul(scale, number(options.growth));
    const Value grows = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, count, number(double(options.interval)));
    // GradScaler holds the scale in f32: one that leaves its range is not taken.
    const Value held =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OLE, grown, number(double(std::numeric_limits<float>::max())));
    grown = b.select(arith::AndIOp::create(b, grows, held), grown, scale);
    count = b.select(grows, number(0), count);
    store(plan::CURRENT_SCALE, b.select(finite, grown, b.mul(scale, number(options.backoff))), good);
    store(plan::GOOD_STEPS, b.select(finite, count, number(0)), good);
    const Value skipped = at(plan::SKIPPED_STEPS);
    store(plan::SKIPPED_STEPS, b.select(finite, skipped, b.add(skipped, number(1))), good);
    return {store(plan::BETA1_POWER, b.mul(at(plan::BETA1_POWER), number(options.beta1)), taken),
            store(plan::BETA2_POWER, b.mul(at(plan::BETA2_POWER), number(options.beta2)), taken)};
  }

private:
  Value store(plan::LossScale number, Value value, Value condition) {
    value = b.select(condition, value, at(number));
    b.storeScalar(value, state, b.index(number));
    return value;
  }

  RowBuilder &b;
  Value state;
  const LossScaleOptions &options;
};
} // namespace

RowProgram buildAdjustScale(OpBuilder &builder, StringRef name, const LossScaleOptions &options) {
  Type i32 = builder.getI32Type(), f64 = builder.getF64Type();
  ProgramBuilder p(builder, name,
                   {vectorArgument(f64, 1, Access::Read),
                    vectorArgument(f64, plan::LOSS_SCALE_COUNT, Access::ReadWrite),
                    vectorArgument(i32, 4, Access::Read), scalarsArgument(builder),
                    vectorArgument(f64, 1, Access::Write), vectorArgument(f64, 1, Access::Write),
                    vectorArgument(i32, 4, Access::Write), vectorArgument(f64, plan::SCALAR_COUNT, Access::Write)});
  RowBuilder &b = p.b;
  const Value norm = b.loadScalar(p[0], b.index(0));
  // False for infinity and for NaN.
  const Value finite = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, math::AbsFOp::create(b, norm),
                                             b.number(std::numeric_limits<double>::infinity(), f64));
  const Value flag = b.loadScalar(p[2], b.index(0));
  const Value good = arith::CmpIOp::create(b, arith::CmpIPredicate::eq, flag, b.integer(0, i32));
  ScaleStep step(p, p[1], options);
  const Value inverse = b.div(step.number(1), step.at(plan::CURRENT_SCALE));
  b.storeScalar(b.mul(norm, inverse), p[4], b.index(0));
  b.storeScalar(inverse, p[5], b.index(0));
  b.storeScalar(b.select(finite, flag, b.integer(1, i32)), p[6], b.index(0));
  for (int64_t i = 1; i < 4; ++i)
    b.storeScalar(b.loadScalar(p[2], b.index(i)), p[6], b.index(i));
  auto [power1, power2] = step.write(finite, good);
  for (int64_t i = 0; i < plan::SCALAR_COUNT; ++i) {
    Value scalar = b.loadScalar(p[3], b.index(i));
    if (i == plan::BIAS_CORRECTION1)
      scalar = b.sub(step.number(1), power1);
    if (i == plan::BIAS_CORRECTION2)
      scalar = b.sub(step.number(1), power2);
    b.storeScalar(scalar, p[7], b.index(i));
  }
  return p.finish(1);
}

} // namespace ft
