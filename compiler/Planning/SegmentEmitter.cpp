// The operations of a segment, one after the other, as steps. Composite operations (attention, head and loss, the
// update) have files of their own.
#include "compiler/Planning/SegmentEmitter.h"

#include "compiler/Fusion/Programs/Programs.h"
#include "compiler/Planning/Composites.h"
#include "runtime/Plan/Kinds.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace ft;

namespace {

class Emitter {
public:
  Emitter(func::FuncOp s, const VariableLayout &v, StepEmitter &e, int64_t &version)
      : segment(s), kind(plan::segmentKind(s.getSymName())), variables(v), steps(e),
        values(s, v, e.builder, version, e.options.raggedAttention) {}

  LogicalResult run() {
    auto planSegment = plan::SegmentOp::create(steps.builder, segment.getLoc(), segment.getSymName());
    planSegment.getBody().emplaceBlock();
    OpBuilder::InsertionGuard guard(steps.builder);
    // Transient buffers are created in front of the segment, steps inside it.
    OpBuilder stepBuilder = OpBuilder::atBlockEnd(&planSegment.getBody().front());
    steps.builder.setInsertionPoint(planSegment);
    StepEmitter inside(stepBuilder, steps.kernels, steps.options);
    emitReceive(inside);
    for (Operation &op : segment.getBody().front())
      if (failed(emit(inside, &op)))
        return failure();
    emitOutputs(inside);
    return success();
  }

private:
  LogicalResult emit(StepEmitter &out, Operation *op) {
    out.setName(nameOf(op));
    return llvm::TypeSwitch<Operation *, LogicalResult>(op)
        .Case<model::ReadOp, func::ReturnOp>([](auto) { return success(); })
        .Case([&](model::WriteOp write) { return emitWrite(out, write); })
        .Case([&](kernel::FusedOp fused) { return emitFused(out, fused); })
        .Case([&](model::LinearOp linear) { return emitLinear(out, linear); })
        .Case([&](model::LinearBwdInputOp backward) { return emitBackwardInput(out, backward); })
        .Case([&](model::LinearBwdWeightOp backward) { return emitBackwardWeight(out, backward); })
        .Case([&](model::AttentionOp attention) { return emitAttention(out, values, attention); })
        .Case([&](model::AttentionBwdOp attention) { return emitAttentionBackward(out, values, attention); })
        .Case([&](model::HeadLossOp head) { return emitHeadLoss(out, values, head); })
        .Case([&](model::HeadLossGradOp head) { return emitHeadLossGrad(out, values, head); })
        .Case([&](model::EmbeddingGradOp grad) { return emitEmbeddingGrad(out, values, grad); })
        .Case([&](model::GatherRowOp gather) { return emitGatherRow(out, gather); })
        .Case([&](model::AddScalarOp add) { return emitAddScalar(out, add); })
        .Case([&](model::CheckFiniteOp check) { return emitCheckFinite(out, check); })
        .Case([&](model::GradNormOp norm) { return emitGradNorm(out, values, variables, norm); })
        .Case<model::AdamwOp, model::SgdOp, model::CastOp>(
            [&](auto update) { return updates.emit(out, values, variables, update); })
        .Default([](Operation *other) { return other->emitOpError("has no lowering to steps"); });
  }

  static std::string nameOf(Operation *op) {
    if (auto name = dyn_cast<NameLoc>(op->getLoc()))
      return name.getName().str();
    if (auto fused = dyn_cast<kernel::FusedOp>(op))
      return fused.getName().str();
    return op->getName().stripDialect().str();
  }

  PlaceUse reading(Value v) const { return {values.place(v), values.version(v), 0}; }
  PlaceUse writing(Value v) const { return {values.place(v), 0, values.version(v)}; }
  PlaceUse updating(Value v) const { return {values.place(v), values.version(v), values.version(v)}; }

  //===-- borders ------------------------------------------------------------------------------------------------===//

  /// The batch record arrives first; segments after the micro-batches find it where it was.
  void emitReceive(StepEmitter &out) {
    if (!plan::runsOnTokens(kind))
      return;
    SmallVector<PlaceUse> inputs;
    llvm::DenseSet<Attribute> seen;
    SymbolTable symbols(segment->getParentOfType<ModuleOp>());
    for (auto read : segment.getOps<model::ReadOp>()) {
      auto variable = symbols.lookup<model::VariableOp>(read.getVariable());
      if (variable.getRole() == model::Role::Input && seen.insert(read.getVariableAttr()).second)
        inputs.push_back(writing(read.getValue()));
    }
    out.receive(inputs);
  }

  /// What the host reads behind this segment, of the outputs that it writes; the micro-batches write the step's loss.
  void emitOutputs(StepEmitter &out) {
    SmallVector<PlaceUse> outputs;
    for (auto variable : segment->getParentOfType<ModuleOp>().getOps<model::VariableOp>()) {
      if (variable.getRole() != model::Role::Output)
        continue;
      const plan::Output::Kind output = plan::outputKind(*variable.getIo());
      bool written = llvm::any_of(segment.getOps<model::WriteOp>(),
                                  [&](model::WriteOp w) { return w.getVariable() == variable.getSymName(); });
      bool earlier = kind == plan::Segment::UPDATE && output == plan::Output::LOSS;
      if (!plan::isReadBehind(kind, output) || (!written && !earlier))
        continue;
      const Place &place = variables.place(variable.getSymName());
      outputs.push_back({place, variables.version(place.buffer), 0});
    }
    out.emit(outputs);
  }

  LogicalResult emitWrite(StepEmitter &out, model::WriteOp write) {
    if (ArrayRef<model::VariableOp> copies = variables.borderedWith(write.getVariable()); !copies.empty()) {
      updates.refreshBorder(out, variables, copies);
      return success();
    }
    const Place &target = variables.place(write.getVariable());
    if (!values.needsCopy(write) || values.place(write.getValue()) == target)
      return success();
    out.setName(write.getVariable());
    out.copy("write", reading(write.getValue()), {target, 0, variables.version(target.buffer)});
    return success();
  }

  //===-- kernels ------------------------------------------------------------------------------------------------===//

  static RowOperand rowOperand(Value v, const Place &place, int64_t alias) {
    auto type = cast<RankedTensorType>(v.getType());
    return {place.elementType, SmallVector<int64_t>(type.getShape()), place.pitch, alias};
  }

  LogicalResult emitFused(StepEmitter &out, kernel::FusedOp fused) {
    SmallVector<RowOperand> layouts;
    for (Value v : fused->getOperands())
      layouts.push_back(rowOperand(v, values.place(v), -1));
    for (Value v : fused->getResults())
      layouts.push_back(rowOperand(v, values.place(v), values.aliasOf(v)));
    FailureOr<const FusedProgram *> program = out.kernels.get(fused, layouts);
    if (failed(program))
      return failure();
    SmallVector<PlaceUse> uses((*program)->access.size());
    for (auto [i, v] : llvm::enumerate(fused->getOperands()))
      uses[(*program)->argumentOf[i]] = reading(v);
    for (auto [j, v] : llvm::enumerate(fused->getResults())) {
      PlaceUse &use = uses[(*program)->argumentOf[fused->getNumOperands() + j]];
      int64_t read = values.aliasOf(v) >= 0 ? use.read : 0;
      use = {values.place(v), read, values.version(v)};
    }
    out.launch("", **program, uses);
    return success();
  }

  LogicalResult emitGatherRow(StepEmitter &out, model::GatherRowOp gather) {
    const Place &x = values.place(gather.getX()), &result = values.place(gather.getResult());
    std::string key;
    llvm::raw_string_ostream(key) << "gather_row" << x.elementType << result.elementType << x.rows << "x" << x.columns
                                  << "/" << x.pitch;
    const RowProgram &program = out.kernels.get("gather_row", key, [&](OpBuilder &b, StringRef n) {
      return buildGatherRow(b, n, matrixOf(x), result.elementType);
    });
    out.launch("", program, {reading(gather.getX()), reading(gather.getIndex()), writing(gather.getResult())});
    return success();
  }

  LogicalResult emitAddScalar(StepEmitter &out, model::AddScalarOp add) {
    bool inPlace = values.aliasOf(add.getResult()) == 0;
    const RowProgram &program =
        out.kernels.get("add_scalar", inPlace ? "add_scalar!" : "add_scalar",
                        [&](OpBuilder &b, StringRef n) { return buildAddScalar(b, n, inPlace); });
    PlaceUse lhs = reading(add.getLhs());
    if (inPlace) {
      lhs.write = values.version(add.getResult());
      out.launch("", program, {lhs, reading(add.getRhs())});
    } else {
      out.launch("", program, {lhs, reading(add.getRhs()), writing(add.getResult())});
    }
    return success();
  }

  LogicalResult emitCheckFinite(StepEmitter &out, model::CheckFiniteOp check) {
    if (values.aliasOf(check.getResult()) != 1)
      return check.emitOpError("must update the status variable in place");
    std::string name = ("check_finite." + Twine(check.getCause())).str();
    const RowProgram &program = out.kernels.get(
        name, name, [&](OpBuilder &b, StringRef n) { return buildCheckFinite(b, n, check.getCause()); });
    PlaceUse status = reading(check.getStatus());
    status.write = values.version(check.getResult());
    out.launch("", program, {reading(check.getValue()), status, reading(check.getScalars())});
    return success();
  }

  //===-- products -----------------------------------------------------------------------------------------------===//

  /// The operands of a run as one place: stacked rows of weights, or adjacent columns of activations.
  Place stacked(ValueRange vs) const {
    Place p = values.place(vs[0]);
    for (Value v : vs.drop_front())
      p.rows += values.place(v).rows;
    return p;
  }
  Place widened(ValueRange vs) const {
    Place p = values.place(vs[0]);
    for (Value v : vs.drop_front())
      p.columns += values.place(v).columns;
    return p;
  }

  /// Splits weight runs further where the values that go with the weights do not lie side by side.
  SmallVector<OperandRun> gemmRuns(ValueRange weights, ValueRange sides) const {
    SmallVector<OperandRun> runs;
    for (OperandRun run : values.weightRuns(weights))
      for (size_t i = run.begin; i < run.end; ++i)
        if (i > run.begin && values.place(sides[i - 1]).isLeftOf(values.place(sides[i])))
          runs.back().end = i + 1;
        else
          runs.push_back({i, i + 1});
    return runs;
  }

  /// One GEMM over [x | s] and [W | B]; s is copied behind x under x's version, neighbours at once.
  LogicalResult emitFolded(StepEmitter &out, model::LinearOp linear, Place border) {
    ValueRange lowRank = linear.getLowRank();
    int64_t column = 0;
    for (size_t begin = 0, end; begin < lowRank.size(); begin = end) {
      for (end = begin + 1; end < lowRank.size(); ++end)
        if (!values.place(lowRank[end - 1]).isLeftOf(values.place(lowRank[end])))
          break;
      PlaceUse from = reading(lowRank[begin]);
      from.place = widened(lowRank.slice(begin, end - begin));
      out.copy("border", from,
               {border.slice(0, border.rows, column, from.place.columns), 0, values.version(linear.getX())});
      column += from.place.columns;
    }
    GemmSpec spec;
    spec.a = reading(linear.getX());
    spec.a.place.columns += border.columns;
    spec.b = {stacked(linear.getWeights()), values.version(linear.getWeights()[0]), 0};
    spec.b.place.columns += border.columns;
    spec.d = {widened(linear.getResults()), 0, values.version(linear.getResults()[0])};
    spec.transB = true;
    out.gemm("folded", spec);
    return success();
  }

  LogicalResult emitLinear(StepEmitter &out, model::LinearOp linear) {
    double alpha = linear.getAlpha().convertToDouble();
    std::optional<Place> border = values.border(linear);
    if (border && alpha == 1 && gemmRuns(linear.getWeights(), linear.getResults()).size() == 1)
      return emitFolded(out, linear, *border);
    for (OperandRun run : gemmRuns(linear.getWeights(), linear.getResults())) {
      ValueRange weights = linear.getWeights().slice(run.begin, run.end - run.begin);
      ValueRange results = linear.getResults().slice(run.begin, run.end - run.begin);
      GemmSpec spec;
      spec.a = reading(linear.getX());
      spec.b = {stacked(weights), values.version(weights[0]), 0};
      spec.d = {widened(results), 0, values.version(results[0])};
      spec.transB = true;
      spec.alpha = alpha;
      out.gemm("", spec);
    }
    for (auto [s, b, target] :
         llvm::zip_equal(linear.getLowRank(), linear.getLowRankWeights(), linear.getLowRankOf())) {
      GemmSpec spec;
      spec.a = reading(s);
      spec.b = reading(b);
      spec.d = updating(linear.getResults()[target]);
      spec.transB = true;
      out.gemm("low_rank", spec);
    }
    return success();
  }

  LogicalResult emitBackwardInput(StepEmitter &out, model::LinearBwdInputOp backward) {
    bool first = true;
    for (OperandRun run : gemmRuns(backward.getWeights(), backward.getGrads())) {
      ValueRange weights = backward.getWeights().slice(run.begin, run.end - run.begin);
      ValueRange grads = backward.getGrads().slice(run.begin, run.end - run.begin);
      GemmSpec spec;
      spec.a = {widened(grads), values.version(grads[0]), 0};
      spec.b = {stacked(weights), values.version(weights[0]), 0};
      spec.d = first ? writing(backward.getDx()) : updating(backward.getDx());
      spec.alpha = backward.getAlpha().convertToDouble();
      out.gemm("", spec);
      first = false;
    }
    return success();
  }

  LogicalResult emitBackwardWeight(StepEmitter &out, model::LinearBwdWeightOp backward) {
    GemmSpec spec;
    spec.a = reading(backward.getGrad());
    spec.b = reading(backward.getX());
    spec.d = writing(backward.getDw());
    spec.transA = true;
    spec.alpha = backward.getAlpha().convertToDouble();
    if (Value accumulate = backward.getAccumulate()) {
      if (values.aliasOf(backward.getDw()) < 0)
        out.copy("accumulate", reading(accumulate), writing(backward.getDw()));
      spec.d.read =
          values.aliasOf(backward.getDw()) < 0 ? values.version(backward.getDw()) : values.version(accumulate);
    }
    out.gemm("", spec);
    return success();
  }

  func::FuncOp segment;
  plan::Segment::Kind kind;
  const VariableLayout &variables;
  StepEmitter &steps;
  SegmentLayout values;
  UpdateEmitter updates;
};

} // namespace

LogicalResult ft::emitSegment(func::FuncOp segment, const VariableLayout &variables, StepEmitter &steps,
                              int64_t &nextVersion) {
  return Emitter(segment, variables, steps, nextVersion).run();
}
