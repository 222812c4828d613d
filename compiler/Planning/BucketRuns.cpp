#include "compiler/Planning/BucketRuns.h"

#include "compiler/Layout/FormBuckets.h"
#include "runtime/Plan/Kinds.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace ft;
using model::Role;
using model::VariableOp;

namespace {

/// One bucket with its update.
struct Updated {
  model::Optimizer update;
  SmallVector<VariableOp> parts; ///< the parameter first
  VariableOp rows;               ///< the numbers of its rows; null where nothing is rounded

  VariableOp parameter() const { return parts.front(); }
};

class RunFinder {
public:
  explicit RunFinder(ModuleOp module) {
    for (auto v : module.getOps<VariableOp>()) {
      variables[v.getSymName()] = v;
      if (v.getBucket() && !v.getPlace() && v.getOf())
        companions[*v.getOf()].push_back(v);
    }
    if (auto segment = module.lookupSymbol<func::FuncOp>(plan::segmentName(plan::Segment::UPDATE)))
      for (auto update : segment.getOps<model::Optimizer>())
        addBucket(update);
  }

  llvm::StringMap<RunMember> members() const {
    llvm::StringMap<RunMember> members;
    for (ArrayRef<Updated> run : runs) {
      if (run.size() < 2)
        continue;
      for (size_t part = 0; part < run.front().parts.size(); ++part) {
        int64_t offset = 0, elements = 0;
        for (const Updated &bucket : run)
          elements += elementsOf(bucket.parts[part]);
        for (const Updated &bucket : run) {
          members[VariableOp(bucket.parts[part]).getSymName()] = {run.front().parts[part], offset, elements};
          offset += elementsOf(bucket.parts[part]);
        }
      }
    }
    return members;
  }

private:
  static int64_t elementsOf(VariableOp v) { return v.getTensorType().getNumElements(); }

  VariableOp variableOf(Value read) const {
    auto op = read.getDefiningOp<model::ReadOp>();
    return op ? variables.lookup(op.getVariable()) : VariableOp();
  }

  /// Behind the run that it continues, or as the first of one.
  void addBucket(model::Optimizer update) {
    VariableOp parameter = variableOf(update.getParam());
    if (!parameter || !parameter.getBucket() || !overwritesAlone(update))
      return;
    Updated bucket{update, {parameter}, {}};
    llvm::append_range(bucket.parts, companions.lookup(parameter.getSymName()));
    if (Value rows = update.getFirstRow())
      bucket.rows = variableOf(rows);
    auto isApart = [](VariableOp v) { return v.getHost() || v.getShares() > 1; };
    if (llvm::any_of(bucket.parts, isApart) || (bucket.rows && isApart(bucket.rows)))
      return;
    for (SmallVector<Updated> &run : llvm::reverse(runs))
      if (continues(run, bucket)) {
        run.push_back(bucket);
        return;
      }
    runs.push_back({bucket});
  }

  /// Nobody else reads what is updated in place.
  bool overwritesAlone(model::Optimizer update) const {
    return llvm::all_of(update->getOperands(), [&](Value operand) {
      VariableOp v = variableOf(operand);
      return !v || !v.getBucket() || v.getRole() == Role::Gradient || operand.hasOneUse();
    });
  }

  /// Beside its bucket each reads what the other does, so all is there when the first begins.
  static bool isOwn(VariableOp v) { return v && (v.getBucket() || v.getRole() == Role::RowNumbers); }

  bool continues(ArrayRef<Updated> run, const Updated &bucket) const {
    const Updated &last = run.back();
    model::Optimizer before = last.update, update = bucket.update;
    if (before->getName() != update->getName() || before->getAttrDictionary() != update->getAttrDictionary() ||
        before->getNumOperands() != update->getNumOperands() || last.parts.size() != bucket.parts.size())
      return false;
    for (auto [a, b] : llvm::zip_equal(last.parts, bucket.parts))
      if (VariableOp(a).getRole() != VariableOp(b).getRole() ||
          VariableOp(a).getTensorType().getElementType() != VariableOp(b).getTensorType().getElementType())
        return false;
    for (auto [a, b] : llvm::zip_equal(before->getOperands(), update->getOperands()))
      if (a != b && !(isOwn(variableOf(a)) && isOwn(variableOf(b))))
        return false;
    return !bucket.rows || firstRowOf(bucket) == firstRowOf(last) + elementsOf(last.parameter()) / bucketAlignment;
  }

  static double firstRowOf(const Updated &bucket) {
    auto init = cast<DictionaryAttr>(VariableOp(bucket.rows).getInitAttr());
    return cast<DenseF64ArrayAttr>(init.get("numbers")).asArrayRef().front();
  }

  llvm::StringMap<VariableOp> variables;
  llvm::StringMap<SmallVector<VariableOp>> companions; ///< flat ones, by the parameter's name, in the module's order
  SmallVector<SmallVector<Updated>> runs;
};

} // namespace

llvm::StringMap<RunMember> ft::findBucketRuns(ModuleOp module) { return RunFinder(module).members(); }
