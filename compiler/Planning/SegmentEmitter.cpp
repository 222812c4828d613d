// The operations of a segment, one after the other, as steps. What an operation becomes it says itself (PlanSteps,
// Steps/); here are the segment's borders: the batch record that arrives, variables that are written, outputs that
// leave.
#include "compiler/Planning/SegmentEmitter.h"

#include "runtime/Plan/Kinds.h"

using namespace mlir;
using namespace ft;

static std::string nameOf(Operation *op) {
  if (auto name = dyn_cast<NameLoc>(op->getLoc()))
    return name.getName().str();
  if (auto fused = dyn_cast<kernel::FusedOp>(op))
    return fused.getName().str();
  return op->getName().stripDialect().str();
}

namespace {

class Emitter {
public:
  Emitter(func::FuncOp s, const VariableLayout &v, StepEmitter &o)
      : segment(s), kind(plan::segmentKind(s.getSymName())), variables(v), out(o),
        symbols(s->getParentOfType<ModuleOp>()) {}

  LogicalResult run() {
    emitReceive();
    for (Operation &op : segment.getBody().front().without_terminator())
      if (failed(emit(&op)))
        return failure();
    emitOutputs();
    return success();
  }

private:
  LogicalResult emit(Operation *op) {
    out.setName(nameOf(op));
    if (isa<model::ReadOp, model::ViewOp, model::StoredOp, dist::SliceOp>(op))
      return success(); // its value lies in another's buffer
    if (auto write = dyn_cast<model::WriteOp>(op)) {
      emitWrite(write);
      return success();
    }
    auto steps = dyn_cast<model::PlanSteps>(op);
    return steps ? steps.emitSteps(out) : op->emitOpError("has no lowering to steps");
  }

  /// The batch record arrives first; segments after the micro-batches find it where it was.
  void emitReceive() {
    if (!plan::runsOnTokens(kind))
      return;
    SmallVector<PlaceUse> inputs;
    llvm::DenseSet<Attribute> seen;
    for (auto read : segment.getOps<model::ReadOp>()) {
      auto variable = symbols.lookup<model::VariableOp>(read.getVariable());
      if (variable.getRole() == model::Role::Input && seen.insert(read.getVariableAttr()).second)
        inputs.push_back(out.writing(read.getValue()));
    }
    out.receive(inputs);
  }

  /// What the host reads behind this segment, of the outputs that it writes. The micro-batches write the step's loss,
  /// and the status, which an update that may be skipped leaves as it is; and they may write its norm.
  void emitOutputs() {
    SmallVector<PlaceUse> outputs;
    for (auto variable : symbols.getOp()->getRegion(0).getOps<model::VariableOp>()) {
      if (variable.getRole() != model::Role::Output)
        continue;
      const plan::Output::Kind output = plan::outputKind(*variable.getIo());
      bool written = llvm::any_of(segment.getOps<model::WriteOp>(),
                                  [&](model::WriteOp w) { return w.getVariable() == variable.getSymName(); });
      bool earlier = kind == plan::Segment::UPDATE && (output == plan::Output::LOSS || output == plan::Output::STATUS ||
                                                       output == plan::Output::GRAD_NORM);
      if (!plan::isReadBehind(kind, output) || (!written && !earlier))
        continue;
      const Place &place = variables.place(variable.getSymName());
      outputs.push_back({place, variables.version(variable.getSymName()), 0});
    }
    out.emit(outputs);
  }

  void emitWrite(model::WriteOp write) {
    if (ArrayRef<model::VariableOp> copies = variables.borderedWith(write.getVariable()); !copies.empty())
      return refreshBorder(copies, write);
    const Place &target = variables.place(write.getVariable());
    if (!out.values.needsCopy(write) || out.values.place(write.getValue()) == target)
      return;
    out.setName(write.getVariable());
    out.copy("write", out.reading(write.getValue()), {target, 0, variables.version(write.getVariable())});
  }

  /// Working copies at one place of equal borders: one launch for all of them, behind the last that is written. They
  /// are made of what is cast to them.
  void refreshBorder(ArrayRef<model::VariableOp> copies, model::WriteOp write) {
    auto cast = write.getValue().getDefiningOp<model::CastOp>();
    llvm::StringMap<PlaceUse> &sources = refreshed[copies.data()];
    sources[write.getVariable()] = out.reading(cast ? cast.getX() : write.getValue());
    if (sources.size() < copies.size())
      return;
    SmallVector<PlaceUse> from, to;
    for (model::VariableOp copy : copies) {
      from.push_back(sources.lookup(copy.getSymName()));
      to.push_back({variables.place(copy.getSymName()), 0, variables.version(copy.getSymName())});
    }
    out.convertAll("border", from, to);
  }

  func::FuncOp segment;
  plan::Segment::Kind kind;
  const VariableLayout &variables;
  StepEmitter &out;
  SymbolTable symbols;
  llvm::DenseMap<const model::VariableOp *, llvm::StringMap<PlaceUse>> refreshed; ///< by list of copies, by copy
};

} // namespace

LogicalResult ft::emitSegment(func::FuncOp segment, const VariableLayout &variables, OpBuilder &builder,
                              KernelPool &kernels, KernelPool &hostKernels, const PlanningOptions &options,
                              int64_t &nextVersion) {
  SegmentLayout values(segment, variables, builder, nextVersion, options);
  auto planSegment = plan::SegmentOp::create(builder, segment.getLoc(), segment.getSymName(), ArrayAttr());
  planSegment.getBody().emplaceBlock();
  // Transient buffers are created in front of the segment, steps inside it.
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPoint(planSegment);
  OpBuilder inside = OpBuilder::atBlockEnd(&planSegment.getBody().front());
  SmallVector<Attribute> renames;
  for (const SegmentLayout::Rename &rename : values.renames())
    renames.push_back(plan::RenameAttr::get(builder.getContext(), rename.buffer, rename.from, rename.to));
  if (!renames.empty())
    planSegment.setRenamesAttr(builder.getArrayAttr(renames));
  StepEmitter out(inside, kernels, hostKernels, options, values);
  return Emitter(segment, variables, out).run();
}
